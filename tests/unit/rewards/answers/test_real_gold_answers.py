"""Reference answers of real problem sets are graded right against themselves, respelled too."""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pmd_pipeline.rewards import GradingPool

DATA = Path(__file__).resolve().parents[5] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real problem sets at {DATA}")


@pytest.fixture(scope="module")
def pool() -> Iterator[GradingPool]:
    with GradingPool(num_workers=2, timeout_seconds=30) as pool:
        yield pool


def json_lines(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


def gold_answers(name: str) -> list[str]:
    if name == "dapo":
        table = pq.read_table(DATA / "dapo-math-17k.parquet", columns=["reward_model"])
        return [row["ground_truth"] for row in table.column("reward_model").to_pylist()]
    if name == "aime":
        rows = json_lines("aime2024.jsonl") + json_lines("aime2025.jsonl")
        return [row["answer"] for row in rows]
    if name == "math500":
        return [row["answer"] for row in json_lines("math500_test.jsonl")]
    return [row["answer"].split("####")[1].strip() for row in json_lines("gsm8k_test.jsonl")]


@pytest.mark.parametrize("name", ["dapo", "aime", "math500", "gsm8k"])
@pytest.mark.parametrize(
    ("convention", "template"), [("boxed", r"so $\boxed{%s}$."), ("answer_line", "So\nAnswer: %s")]
)
def test_every_gold_answer_equals_itself(
    pool: GradingPool, name: str, convention: str, template: str
) -> None:
    golds = gold_answers(name)
    grades = pool.grade_many([template % gold for gold in golds], golds, convention)
    assert [gold for gold, grade in zip(golds, grades, strict=True) if not grade.correct] == []


@pytest.mark.parametrize("name", ["dapo", "aime"])
def test_the_next_integer_is_never_right(pool: GradingPool, name: str) -> None:
    golds = gold_answers(name)
    for step in (-1, 1):
        answers = [rf"\boxed{{{int(gold) + step}}}" for gold in golds]
        assert not any(grade.correct for grade in pool.grade_many(answers, golds))


def test_integers_are_right_in_other_spellings(pool: GradingPool) -> None:
    golds = gold_answers("dapo")[::7]
    spellings = [r"\boxed{%s}", r"\boxed{x = %s}", r"\boxed{%s^\circ}", r"\boxed{\text{%s}.}"]
    for spelling in spellings:
        grades = pool.grade_many([spelling % f"{int(gold):,}" for gold in golds], golds)
        assert all(grade.correct for grade in grades), spelling


def test_math500_solutions_are_right(pool: GradingPool) -> None:
    rows = json_lines("math500_test.jsonl")
    grades = pool.grade_many([row["solution"] for row in rows], [row["answer"] for row in rows])
    assert all(grade.correct for grade in grades)


def test_math500_golds_are_right_when_algebra_must_find_out(pool: GradingPool) -> None:
    golds = [
        gold
        for gold in gold_answers("math500")
        # one formula: adding nothing to a list, an interval, a word or a numeral means nothing
        if not any(part in gold for part in (",", "text", "matrix", "_", r"\in", "("))
    ]
    assert len(golds) > 400
    grades = pool.grade_many([rf"\boxed{{0 + {gold}}}" for gold in golds], golds)
    failed = [gold for gold, grade in zip(golds, grades, strict=True) if not grade.correct]
    assert failed == []


def test_golds_of_other_problems_are_wrong(pool: GradingPool) -> None:
    golds = sorted(set(gold_answers("math500")))
    shifted = golds[7:] + golds[:7]
    grades = pool.grade_many([rf"\boxed{{{answer}}}" for answer in shifted], golds)
    right = {grade.answer for grade in grades if grade.correct}
    assert right <= {answer for answer in shifted if "circ" in answer or "cm" in answer}
