"""``kind: generated``: problems that a function of the user's own makes."""

import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pmd_pipeline.config.data_preparation import DataPreparationConfig, GeneratedSource
from pmd_pipeline.problems.addition import addition_answer
from pmd_pipeline.problems.cleaning import clean_problems
from pmd_pipeline.problems.errors import ProblemSourceError
from pmd_pipeline.problems.generated import make_problems, set_seed
from pmd_pipeline.problems.sources import load_problems
from pmd_pipeline.problems.stored.layouts import RawProblem

Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Return what writes a module of the user's own into a project and gives its name."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "problems").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))

    def write_module(code: str) -> str:
        name = f"own_problems_{tmp_path.name}_{len(list((tmp_path / 'problems').iterdir()))}"
        (tmp_path / "problems" / f"{name}.py").write_text(textwrap.dedent(code))
        return name

    return write_module


def make(import_path: str, num_problems: int = 2, **options: Any) -> list[RawProblem]:
    source = GeneratedSource(
        kind="generated", import_path=import_path, num_problems=num_problems, options=options
    )
    return list(make_problems(source, set_name="train", seed=1, key="data_preparation.train"))


def test_mappings_and_records_are_taken(write: Write) -> None:
    module = write(
        """
        from pmd_pipeline.records import Problem

        def mappings(seed, num_problems, level):
            for i in range(num_problems):
                yield {"problem": f"p{i}", "answer": i, "level": level, "metadata": {"i": (i,)}}

        def records(seed, num_problems):
            return [
                Problem(problem_id="a", problem="p", answer=None, metadata={"x": 1}),
                Problem(problem_id="b", problem="q", answer="1"),
            ]
        """
    )
    assert make(f"{module}:mappings", level=3) == [
        RawProblem("row-0", "p0", "0", {"i": [0], "level": 3}),
        RawProblem("row-1", "p1", "1", {"i": [1], "level": 3}),
    ]
    assert make(f"{module}:records") == [
        RawProblem("a", "p", None, {"x": 1}),
        RawProblem("b", "q", "1", {}),
    ]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise LookupError('no words')", r"raised LookupError: no words \(.*line 3\); correct it"),
        ("yield {'problem': 'p'}; 1 / 0", r"raised ZeroDivisionError: .*line 3\)"),
        ("return None", r"returned a NoneType; it must return a list"),
        ("return 'problems'", r"returned a str; it must return a list"),
        ("return [{'problem': 'p'}]", r"returned 1 problems for num_problems 2; it must return as"),
        ("return ['p', 'q']", r"problem 0 \(from 0\): a str \('p'\); return mappings with problem"),
        ("return [{'question': 'p'}] * 2", r"hold \['question'\], but no 'problem'"),
        (
            "return [{'problem': 1j}] * 2",
            r"row 0 .*problem must be text or a number",
        ),
        ("return [{'problem': 'p', 'problem_id': 'a'}] * 2", r"row 1 .* 'a' is that of row 0 too"),
        ("return [{'problem': 'p', 'metadata': 3}] * 2", r"metadata must be a mapping, found 3"),
    ],
)
def test_what_goes_wrong_in_the_function_is_one_error(
    write: Write, body: str, message: str
) -> None:
    module = write(f"\ndef make_problems(seed, num_problems):\n    {body}\n")
    with pytest.raises(ProblemSourceError, match=message) as error:
        make(f"{module}:make_problems")
    assert f"data_preparation.train ({module}:make_problems)" in str(error.value)


def test_a_function_that_is_not_there_or_takes_other_options_is_one_error(write: Write) -> None:
    module = write("numbers = [1]\n\ndef one(seed, num_problems):\n    return []\n")
    with pytest.raises(ProblemSourceError, match=r"train.import_path: .* has no .two.; it has"):
        make(f"{module}:two")
    with pytest.raises(ProblemSourceError, match="there is no module 'no_such_module'"):
        make("no_such_module:two")
    with pytest.raises(ProblemSourceError, match="is a list; name a function"):
        make(f"{module}:numbers")
    with pytest.raises(ProblemSourceError, match=r"raised TypeError: .*unexpected .*'level'"):
        make(f"{module}:one", level=2)


def test_train_and_evaluation_have_seeds_of_their_own(write: Write) -> None:
    assert {set_seed(seed, "train") % 2 for seed in range(50)} == {0}
    assert {set_seed(seed, "held_out") % 2 for seed in range(50)} == {1}
    assert max(set_seed(seed, "a") for seed in range(50)) < 2**32
    module = write(
        """
        import random

        def make_problems(seed, num_problems):
            generator = random.Random(seed)
            return [{"problem": f"  {generator.random()}"} for _ in range(num_problems)]
        """
    )
    source = {"kind": "generated", "import_path": f"{module}:make_problems", "num_problems": 3}
    config = DataPreparationConfig.model_validate(
        {
            "train": source,
            "evals": {"a": source, "b": source},
            "prompt_template": "plain",
            "max_prompt_tokens": 9,
        }
    )
    table = load_problems(config, seed=1)
    assert table["problem"].is_unique
    assert table["problem_id"].tolist()[:3] == ["train/row-0", "train/row-1", "train/row-2"]
    assert load_problems(config, seed=1).equals(table)
    kept, _ = clean_problems(
        table, missing_rows="drop", answers_required=False, verbatim_sets=config.verbatim_sets()
    )
    assert kept["problem"].tolist() == table["problem"].tolist()


def test_the_additions_are_such_a_function_too() -> None:
    problems = make("pmd_pipeline.problems.addition:generate_additions", widths=[1, 2])
    assert [(raw.row_id, raw.answer) for raw in problems] == [
        (raw.problem, addition_answer(str(raw.problem))) for raw in problems
    ]
