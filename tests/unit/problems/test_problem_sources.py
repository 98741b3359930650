"""Reading problem files and hub data sets, and what is wrong with some of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pmd_pipeline.config.data_preparation import DataPreparationConfig
from pmd_pipeline.problems.errors import ProblemSourceError
from pmd_pipeline.problems.sources import load_problems
from pmd_pipeline.problems.templates import plain_prompt

ADDITION = {"kind": "generated_addition", "num_problems": 3}


def load(source: dict[str, Any], *, seed: int = 0) -> pd.DataFrame:
    """Load ``source`` as the evaluation set ``s`` and return that set's rows."""
    config = DataPreparationConfig.model_validate(
        {
            "train": ADDITION,
            "evals": {"s": source},
            "prompt_template": "dapo",
            "max_prompt_tokens": 9,
        }
    )
    table = load_problems(config, seed=seed)
    return table[table["split"] == "eval"].reset_index(drop=True)


def write_jsonl(path: Path, rows: list[Any]) -> str:
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return str(path)


def dapo_row(problem: str | None, answer: Any, index: Any = "i") -> dict[str, Any]:
    content = None if problem is None else plain_prompt("dapo", problem)
    return {
        "data_source": "math_dapo",
        "prompt": [{"content": content, "role": "user"}],
        "reward_model": {"ground_truth": answer, "style": "rule"},
        "extra_info": {"index": index},
    }


def test_dapo_rows_lose_their_prompt_template_and_keep_their_index(tmp_path: Path) -> None:
    path = tmp_path / "d.parquet"
    rows = [dapo_row("Find {x}.", "34", "u1"), dapo_row("y", "-1", "u2"), dapo_row("z", None, "u1")]
    pd.DataFrame(rows).to_parquet(path)
    table = load({"kind": "dapo", "path": str(path)})
    rest = '{"data_source":"math_dapo","reward_model":{"style":"rule"}}'
    assert table.to_numpy().tolist() == [
        ["s/u1", "Find {x}.", "34", "s", "eval", rest, ""],
        ["s/u2", "y", "-1", "s", "eval", rest, ""],
        ["s/u1#2", "z", "", "s", "eval", rest, ""],
    ]


def test_train_problems_are_marked_by_their_kind(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "d.jsonl", [dapo_row("x", "1")])
    config = DataPreparationConfig.model_validate(
        {
            "train": {"kind": "dapo", "path": path},
            "evals": {"sums": ADDITION},
            "prompt_template": "dapo",
            "max_prompt_tokens": 9,
        }
    )
    table = load_problems(config, seed=0)
    assert table.iloc[0].tolist()[:5] == ["train/i", "x", "1", "dapo", "train"]
    assert set(table["source"].iloc[1:]) == {"sums"}


@pytest.mark.parametrize(
    ("answer", "integer"),
    [
        ("025", "25"),
        (336, "336"),
        (336.0, "336"),
        ("336^\\circ", "336"),
        ("$336^{\\circ}$", "336"),
        ("336°", "336"),
        ("336 degrees", "336"),
        ("000", "0"),
        ("999", "999"),
        (None, ""),
        (" ", ""),
    ],
)
def test_aime_answers_become_integers(tmp_path: Path, answer: Any, integer: str) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [{"id": "I-1", "problem": "p", "answer": answer}])
    table = load({"kind": "aime", "path": path})
    assert table[["problem_id", "answer"]].to_numpy().tolist() == [["s/I-1", integer]]


@pytest.mark.parametrize("answer", ["12.5", "1000", "-1", "\\frac{1}{2}", "4\\sqrt{2}", "1 2", "x"])
def test_an_aime_answer_that_is_no_integer_to_999_is_an_error(tmp_path: Path, answer: str) -> None:
    rows = [{"problem": "p", "answer": "1"}, {"problem": "q", "answer": answer}]
    path = write_jsonl(tmp_path / "a.jsonl", rows)
    with pytest.raises(ProblemSourceError) as error:
        load({"kind": "aime", "path": path})
    message = str(error.value)
    assert f"{path}, row 1 (from 0)" in message
    assert f"integer from 0 to 999, found {answer!r}" in message
    assert "correct the row" in message


def test_aime_in_daposs_schema_and_under_other_column_names(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [dapo_row("x", "007", 12), dapo_row("x", "007", 12)])
    table = load({"kind": "aime", "path": path})
    assert table["problem_id"].tolist() == ["s/12", "s/12#2"]
    assert table["answer"].tolist() == ["7", "7"]
    path = write_jsonl(tmp_path / "b.jsonl", [{"Question": "q", "Answer": "5"}])
    source = {"kind": "aime", "path": path}
    table = load({**source, "problem_column": "Question", "answer_column": "Answer"})
    assert table[["problem", "answer"]].to_numpy().tolist() == [["q", "5"]]
    with pytest.raises(ProblemSourceError, match=r"\['problem', 'answer'\]; missing"):
        load(source)


def test_gsm8k_answers_stand_after_the_mark_without_commas(tmp_path: Path) -> None:
    rows = [
        {"question": "q1", "answer": "5*<<5*2=10>>10\n#### 10"},
        {"question": "q2", "answer": "so\n#### 1,450,000"},
        {"question": "q3", "answer": "no mark"},
    ]
    table = load({"kind": "gsm8k", "path": write_jsonl(tmp_path / "g.jsonl", rows)})
    assert table["problem_id"].tolist() == ["s/row-0", "s/row-1", "s/row-2"]
    assert table["answer"].tolist() == ["10", "1450000", ""]


def test_math500_answers_stay_as_they_are(tmp_path: Path) -> None:
    rows = [{"problem": "p", "answer": r"\left( 3, \frac{\pi}{2} \right)", "unique_id": "t/8.json"}]
    table = load({"kind": "math500", "path": write_jsonl(tmp_path / "m.jsonl", rows)})
    assert table.iloc[0].tolist()[:3] == ["s/t/8.json", "p", rows[0]["answer"]]


def test_generated_sets_depend_on_the_seed_and_their_name_alone() -> None:
    assert load(ADDITION, seed=1).equals(load(ADDITION, seed=1))
    assert not load(ADDITION, seed=1).equals(load(ADDITION, seed=2))
    config = {"train": ADDITION, "prompt_template": "embedded", "max_prompt_tokens": 9}
    two = DataPreparationConfig.model_validate({**config, "evals": {"r": ADDITION, "s": ADDITION}})
    table = load_problems(two, seed=1)
    both = [table.loc[table["source"] == name, "problem"].tolist() for name in ("r", "s")]
    assert both[0] != both[1]
    assert both[1] == load(ADDITION, seed=1)["problem"].tolist()
    assert table["problem_id"].iloc[0] == f"train/{table['problem'].iloc[0]}"


def whole_parquet() -> bytes:
    frame = pd.DataFrame([dapo_row("text " * 50 + str(i), str(i)) for i in range(500)])
    return frame.to_parquet()


def cut_parquet() -> bytes:
    return whole_parquet()[:2000]


def damaged_parquet() -> bytes:
    content = bytearray(whole_parquet())
    content[300:3000] = b"\0" * 2700
    return bytes(content)


def wrong_columns() -> bytes:
    return pd.DataFrame({"question": ["q"], "gold": ["1"]}).to_parquet()


def no_rows() -> bytes:
    return pd.DataFrame({"prompt": [], "reward_model": []}).to_parquet()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (bytes, r"empty \(0 bytes\); download it again"),
        (cut_parquet, r"cannot be read .*cut short or damaged: download it again"),
        (damaged_parquet, r"cannot be read .*cut short or damaged: download it again"),
        (no_rows, r"holds no rows"),
        (
            wrong_columns,
            r"missing \['prompt', 'reward_model.ground_truth'\], found \['gold', 'question'\]",
        ),
    ],
)
def test_a_bad_parquet_file_is_one_clear_error(
    tmp_path: Path, make: Callable[[], bytes], message: str
) -> None:
    path = tmp_path / "bad.parquet"
    path.write_bytes(make())
    with pytest.raises(ProblemSourceError, match=message) as error:
        load({"kind": "dapo", "path": str(path)})
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"empty \(0 bytes\)"),
        (b"\n \n", "holds no rows"),
        (b'{"problem": "p", "answer": "1"}\n{"problem": "q", "ans', r"line 2: no valid JSON"),
        (b"[1, 2]", "line 1: each line must hold a JSON object"),
        (b'{"problem": "\xff"}', "UnicodeDecodeError"),
        (b'{"problem": "p"}', r"missing \['answer'\], found \['problem'\]"),
        (b'{"problem": ["p"], "answer": "1"}', "problem must be text or a number, found list"),
        (b'{"problem": "p", "answer": true}', "answer must be text or a number, found bool"),
    ],
)
def test_a_bad_jsonl_file_is_one_clear_error(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    with pytest.raises(ProblemSourceError, match=message) as error:
        load({"kind": "math500", "path": str(path)})
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompt": "text"}, "prompt must be a list of one turn"),
        ({"prompt": [{"role": "system", "content": "s"}]}, "prompt must be a list of one turn"),
        ({"reward_model": {"style": "rule"}}, "reward_model must hold 'ground_truth'"),
    ],
)
def test_a_bad_dapo_row_is_one_clear_error(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = write_jsonl(
        tmp_path / "d.jsonl", [dapo_row("x", "1"), {**dapo_row("y", "1"), **changes}]
    )
    with pytest.raises(
        ProblemSourceError, match=rf"row 1 \(from 0\): {message}.* \(line 2\); correct"
    ):
        load({"kind": "dapo", "path": path})


@pytest.mark.parametrize(
    ("row", "place"),
    [
        ({"problem": "\ud83d", "answer": "1"}, "after ''"),
        ({"problem": "1", "answer": "a smile: \ud83d!"}, "after 'a smile: '"),
        ({"problem": "1", "answer": "1", "unique_id": "\ude00"}, "after ''"),
        ({"problem": "1", "answer": "1", "tags": [{"é": "é\udc00"}]}, "after 'é'"),
        ({"problem": "1", "answer": "1", "\udc00": 1}, "after ''"),  # that of every row
    ],
    ids=["problem", "answer", "id", "nested metadata", "a column's name"],
)
@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_half_a_character_is_told_with_file_and_row(
    tmp_path: Path, suffix: str, row: dict[str, Any], place: str
) -> None:
    rows = [{"problem": "a whole one: \N{GRINNING FACE}", "answer": "1"}, row]
    path = tmp_path / f"m{suffix}"
    if suffix == ".json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    else:
        write_jsonl(path, rows)
    with pytest.raises(ProblemSourceError) as caught:
        load({"kind": "math500", "path": str(path)})
    message = str(caught.value)
    number = 0 if "\udc00" in row else 1
    assert message.startswith(f"{path}, row {number} (from 0): a text holds half a character")
    assert place in message
    assert f"(line {number + 1})" in message or suffix == ".json"
    message.encode()


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.parquet", tmp_path / "folder.parquet"):
        (tmp_path / "folder.parquet").mkdir(exist_ok=True)
        with pytest.raises(ProblemSourceError, match=r"there is no file .*download the file first"):
            load({"kind": "dapo", "path": str(path)})


HUB = {"kind": "gsm8k", "hub_name": "openai/gsm8k", "hub_config": "main", "revision": "a1" * 20}


def test_a_hub_data_set_is_loaded_at_its_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    calls: list[Any] = []
    rows = datasets.Dataset.from_dict(
        {"question": ["q", "r"], "answer": ["#### 1", "#### 2"], "extra": [[1], [2]]}
    )

    def load_dataset(*names: Any, **options: Any) -> Any:
        calls.append((names, options))
        return rows

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert load(HUB)["answer"].tolist() == ["1", "2"]
    assert calls == [
        (("openai/gsm8k", "main"), {"revision": "a1" * 20, "split": "test"}),
    ]


def test_a_hub_data_set_that_cannot_be_had_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import datasets

    def load_dataset(*_: Any, **__: Any) -> Any:
        raise datasets.exceptions.DatasetNotFoundError("it is not there\nlong trace")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(
        ProblemSourceError, match=r"openai/gsm8k@a1a1.*it is not there\).*local path"
    ):
        load(HUB)
