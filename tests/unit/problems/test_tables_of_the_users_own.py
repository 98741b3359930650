"""``kind: table``: any file, its columns named by the user, the others as metadata."""

import gzip
import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pmd_pipeline.config.data_preparation import TableSource
from pmd_pipeline.problems.errors import ProblemSourceError
from pmd_pipeline.problems.stored import cells, text_files
from pmd_pipeline.problems.stored.layouts import RawProblem, parse_rows
from pmd_pipeline.problems.stored.rows import count_rows, open_rows

ROWS = [
    {"q": "Write a function f.", "gold": "x", "uid": "a", "tests": ["f(1) == 2"], "level": 3},
    {"q": "  two\n    lines ", "gold": "7", "uid": "b", "tests": [], "level": None},
]


def load(path: Path | str, columns: dict[str, Any] | None = None, **more: Any) -> list[RawProblem]:
    source = TableSource.model_validate(
        {
            "kind": "table",
            "path": str(path),
            "columns": columns or {"problem": "q", "answer": "gold", "problem_id": "uid"},
            **more,
        }
    )
    return list(parse_rows(source, open_rows(source)))


def write(path: Path, text: str) -> Path:
    """Write a text, compressed as the file's name says."""
    content = text.encode()
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(content))
    elif path.suffix == ".zst":
        with pa.CompressedOutputStream(pa.OSFile(str(path), "wb"), "zstd") as stream:
            stream.write(content)
    else:
        path.write_bytes(content)
    return path


def lines(rows: list[Any]) -> str:
    return "\n".join(map(json.dumps, rows))


@pytest.mark.parametrize("name", ["t.jsonl", "t.jsonl.gz", "t.jsonl.zst", "t.json", "t.json.gz"])
def test_json_lines_keep_their_texts_and_give_the_rest_as_metadata(
    tmp_path: Path, name: str
) -> None:
    first, second = load(write(tmp_path / name, lines(ROWS)))
    assert first == RawProblem(
        row_id="a",
        problem="Write a function f.",
        answer="x",
        metadata={"tests": ["f(1) == 2"], "level": 3},
    )
    assert second.problem == "  two\n    lines "
    assert second.metadata == {"tests": [], "level": None}


def test_a_json_list_is_read_as_its_entries(tmp_path: Path) -> None:
    path = write(tmp_path / "t.json", json.dumps(ROWS, indent=2))
    assert [raw.row_id for raw in load(path)] == ["a", "b"]
    assert count_rows(path) == 2


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.csv.zst"])
def test_a_csv_file_holds_texts_alone(tmp_path: Path, name: str) -> None:
    text = '\ufeffq,gold,uid,level\n"one, ""two""\n  three",007,a,3\nfour,,b,\n'
    path = write(tmp_path / name, text)
    first, second = load(path)
    assert first == RawProblem("a", 'one, "two"\n  three', "007", {"level": "3"})
    assert second == RawProblem("b", "four", None, {"level": None})
    assert count_rows(path) == 2


def test_a_parquet_file_gives_its_values_as_json(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table = pa.table(
        {
            "q": ["p"],
            "gold": [12],
            "when": [date(2026, 1, 2)],
            "price": [Decimal("1.50")],
            "score": [float("nan")],
            "pairs": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
        }
    )
    pq.write_table(table, path)
    (raw,) = load(path, {"problem": "q", "answer": "gold"})
    assert (raw.row_id, raw.answer) == ("row-0", "12")
    assert raw.metadata == {
        "when": "2026-01-02",
        "price": 1.5,
        "score": None,
        "pairs": [["k", 1]],
    }


def test_a_dot_leads_into_nested_values_and_the_rest_stays(tmp_path: Path) -> None:
    row = {
        "prompt": "p",
        "reward_model": {"ground_truth": "4", "style": "rule"},
        "extra_info": {"index": 5},
        "a.b": "dotted",
    }
    columns = {
        "problem": "prompt",
        "answer": "reward_model.ground_truth",
        "problem_id": "extra_info.index",
    }
    path = write(tmp_path / "t.jsonl", lines([row]))
    (raw,) = load(path, columns)
    assert (raw.row_id, raw.answer) == ("5", "4")
    assert raw.metadata == {"reward_model": {"style": "rule"}, "a.b": "dotted"}
    assert load(path, {"problem": "a.b"})[0].problem == "dotted"


def test_columns_can_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"q": ["p"], "picture": [b"\x00"], "level": [1]}).to_parquet(path)
    with pytest.raises(ProblemSourceError, match=r"row 0.*'picture' cannot become metadata: .*byt"):
        load(path, {"problem": "q"})
    (raw,) = load(path, {"problem": "q"}, ignored_columns=["picture"])
    assert raw.metadata == {"level": 1}


def test_chat_turns_are_kept_and_the_last_user_turn_is_the_problem(tmp_path: Path) -> None:
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "1+1?"},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": "2+2?"},
    ]
    path = tmp_path / "t.parquet"
    frame = pd.DataFrame({"q": [turns, [{"role": "user", "content": "3?", "name": "Ann"}]]})
    frame.to_parquet(path)
    several, one = load(path, {"problem": "q"})
    assert (several.problem, list(several.turns)) == ("2+2?", turns)
    assert (one.problem, list(one.turns)) == (
        "3?",
        [{"role": "user", "content": "3?", "name": "Ann"}],
    )


BAD_ROWS: dict[str, tuple[list[Any], str]] = {
    "no such column": ([{"question": "p", "gold": "1", "uid": "a"}], r"missing columns \['q'\]"),
    "a list as answer": (
        [{"q": "p", "gold": ["1"], "uid": "a"}],
        r"row 0 \(from 0\): gold must be text or a number, found list .*becomes metadata",
    ),
    "text after turns": (
        [
            {"q": [{"role": "user", "content": "x"}], "gold": "1", "uid": "a"},
            {"q": "p", "gold": "1", "uid": "b"},
        ],
        r"row 1 .*the problem is text, but that of row 0 is chat turns; give all rows one form",
    ),
    "an id twice": (
        [{"q": "p", "uid": "a", "gold": "1"}, {"q": "r", "uid": "a", "gold": "1"}],
        r"row 1 \(from 0\): the problem_id 'a' is that of row 0 too; .*\(line 2\)",
    ),
    "no id": (
        [{"q": "p", "uid": "a", "gold": "1"}, {"q": "r", "gold": "1"}],
        r"row 1 .*: there is no id in 'uid'",
    ),
    "no turn": ([{"q": [], "gold": "1", "uid": "a"}], r"row 0 .*q: no turn is the user's"),
    "no role": ([{"q": [{"content": "x"}], "gold": "1", "uid": "a"}], r"turn 0 must be \{role"),
    "a picture": (
        [{"q": [{"role": "user", "content": [{"type": "image"}]}], "gold": "1", "uid": "a"}],
        r"the content of turn 0 must be text, found \[\{'type': 'image'\}\]; pictures and other",
    ),
    "the answer is there": (
        [
            {
                "q": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}],
                "gold": "1",
                "uid": "a",
            }
        ],
        r"the last turn is the assistant's, but the policy is to write it",
    ),
}


@pytest.mark.parametrize("mistake", BAD_ROWS)
def test_a_bad_row_is_one_error_with_file_row_and_remedy(tmp_path: Path, mistake: str) -> None:
    rows, message = BAD_ROWS[mistake]
    path = write(tmp_path / "t.jsonl", lines(rows))
    with pytest.raises(ProblemSourceError, match=message) as error:
        load(path)
    assert str(path) in str(error.value)
    assert "correct" in str(error.value)


def test_a_misspelt_column_is_named_with_the_closest(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", lines([{"question": "p", "level": 1}]))
    with pytest.raises(ProblemSourceError, match=r"missing columns \['qestion'\], found \['level'"):
        load(path, {"problem": "qestion"})
    with pytest.raises(ProblemSourceError, match=r"\['levle'\].*did you mean 'level'\?"):
        load(path, {"problem": "question"}, ignored_columns=["levle"])
    with pytest.raises(ProblemSourceError, match=r"row 0 .*: level must hold 'gold', found 1"):
        load(path, {"problem": "question", "answer": "level.gold"})


def test_a_row_that_is_too_large_is_an_error_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"q": "p", "tests": "t"}, {"q": "x" * 30, "tests": "t" * 20}]
    path = write(tmp_path / "t.jsonl", lines(rows))
    monkeypatch.setattr(cells, "LARGEST_TEXT_CHARACTERS", 29)
    with pytest.raises(ProblemSourceError, match=r"row 1 .*the problem has 30 characters, more th"):
        load(path, {"problem": "q"})
    monkeypatch.setattr(cells, "LARGEST_TEXT_CHARACTERS", 30)
    monkeypatch.setattr(cells, "LARGEST_METADATA_CHARACTERS", 20)
    with pytest.raises(ProblemSourceError, match=r"row 1 .*the largest is 'tests': name it in ig"):
        load(path, {"problem": "q"})
    monkeypatch.setattr(cells, "LARGEST_METADATA_CHARACTERS", 25)
    assert len(load(path, {"problem": "q"})) == 2


def test_a_csv_cell_that_is_too_large_is_an_error_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "t.csv", f"q,gold\np,1\n{'x' * 30},2\n")
    monkeypatch.setattr(text_files, "LARGEST_CELL_CHARACTERS", 29)
    with pytest.raises(ProblemSourceError, match=r"line 3: no valid CSV \(field larger than .*29"):
        load(path, {"problem": "q"})
    monkeypatch.setattr(text_files, "LARGEST_CELL_CHARACTERS", 30)
    assert len(load(path, {"problem": "q"})) == 2


BAD_FILES: dict[str, tuple[str, str, str]] = {
    "no json": ("t.jsonl", '{"q": "p"}\n{"q": ', r"line 2: no valid JSON"),
    "a list of texts": ("t.json", '["p"]', r"row 0 \(from 0\): each entry of the list must be a"),
    "a cut list": ("t.json", '[{"q": "p"},\n{"q"', r"line 2: no valid JSON"),
    "too many values": ("t.csv", "q,gold\np,1\nr,2,3\n", r"line 3: 3 values under 2 columns \['q'"),
    "too few values": ("t.csv", "q,gold\np\n", r"line 2: 1 values under 2 columns"),
    "an open quote": ("t.csv", 'q,gold\n"p,1\n', r"line 2: no valid CSV .*never closed"),
    "other separators": ("t.csv", "q;gold\np;1\n", r"separated by ';': save the file with commas"),
    "a column twice": ("t.csv", "q,q\np,1\n", r"line 1: columns \['q'\] come twice"),
    "a header alone": ("t.csv", "q,gold\n", r"holds no rows"),
    "nothing compressed": ("t.jsonl.gz", "", r"holds no rows"),
}


@pytest.mark.parametrize("mistake", BAD_FILES)
def test_a_bad_text_file_is_one_error_with_its_line(tmp_path: Path, mistake: str) -> None:
    name, content, message = BAD_FILES[mistake]
    path = write(tmp_path / name, content)
    with pytest.raises(ProblemSourceError, match=message) as error:
        load(path, {"problem": "q"})
    assert str(path) in str(error.value)
    if name != "t.csv" and "no rows" not in message:
        assert count_rows(path) is None


@pytest.mark.parametrize("name", ["t.jsonl.gz", "t.csv.zst"])
def test_a_compressed_file_that_is_cut_or_no_such_file_is_one_error(
    tmp_path: Path, name: str
) -> None:
    rows = "q,gold\n" + "".join(f"{i * 7919},{i}\n" for i in range(5000))
    path = write(tmp_path / name, rows if ".csv" in name else lines(ROWS * 2000))
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ProblemSourceError, match=r"cannot be read .*Truncated.*cut short"):
        load(path, {"problem": "q"})
    path.write_text("no compressed file")
    with pytest.raises(ProblemSourceError, match=r"cannot be read .*download it again"):
        load(path, {"problem": "q"})
