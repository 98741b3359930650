"""Every line of equivalence_cases.txt is graded as it says, in a box and on an answer line."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pmd_pipeline.rewards import Grade, GradingPool

LINES = Path(__file__).with_name("equivalence_cases.txt").read_text(encoding="utf-8").splitlines()
CASES = [tuple(line.split("\t")) for line in LINES if line and not line.startswith("#")]
GOLDS = sorted({gold for _, gold, _ in CASES})
SHIFTS = (1, 89)  # of the sorted golds: neighbours are alike
TEMPLATES = {
    "boxed": "The steps, with \\boxed{0} on the way. So it is $\\boxed{%s}$.",
    "answer_line": "The steps.\nAnswer: 0 on the way.\nAnswer: %s",
}


@pytest.fixture(scope="module")
def pool() -> Iterator[GradingPool]:
    with GradingPool(num_workers=2, timeout_seconds=30) as pool:
        yield pool


@pytest.fixture(scope="module")
def grades(pool: GradingPool) -> dict[tuple[str, str, str], Grade]:
    found = {}
    for convention, template in TEMPLATES.items():
        graded = pool.grade_many(
            [template % answer for _, _, answer in CASES],
            [gold for _, gold, _ in CASES],
            convention,
        )
        for (_, gold, answer), grade in zip(CASES, graded, strict=True):
            found[convention, gold, answer] = grade
    return found


def test_table_is_read_whole() -> None:
    assert len(CASES) > 400
    assert {verdict for verdict, _, _ in CASES} == {"right", "wrong"}
    assert len({(gold, answer) for _, gold, answer in CASES}) == len(CASES)


@pytest.mark.parametrize("convention", TEMPLATES)
@pytest.mark.parametrize(("verdict", "gold", "answer"), CASES)
def test_answer_is_graded_as_the_table_says(
    grades: dict[tuple[str, str, str], Grade],
    convention: str,
    verdict: str,
    gold: str,
    answer: str,
) -> None:
    grade = grades[convention, gold, answer]
    assert grade.correct == (verdict == "right"), grade
    assert grade.reason in (("correct",) if verdict == "right" else ("wrong", "unparsable"))


def connected() -> dict[str, str]:
    """Return for each text of a right line one that stands for all that such lines connect."""
    parents: dict[str, str] = {}

    def root(text: str) -> str:
        while (parent := parents.setdefault(text, text)) != text:
            text = parent
        return text

    for verdict, gold, answer in CASES:
        if verdict == "right":
            parents[root(answer)] = root(gold)
    return {text: root(text) for text in list(parents)}


def test_no_gold_is_paid_for_another_gold_that_differs(pool: GradingPool) -> None:
    meaning = connected()
    pairs = [
        (gold, GOLDS[(i + shift) % len(GOLDS)]) for i, gold in enumerate(GOLDS) for shift in SHIFTS
    ]
    grades = pool.grade_many(
        [rf"\boxed{{{answer}}}" for _, answer in pairs], [gold for gold, _ in pairs]
    )
    paid = [pair for pair, grade in zip(pairs, grades, strict=True) if grade.correct]
    assert paid
    differing = [
        (gold, answer)
        for gold, answer in paid
        if meaning.get(gold, gold) != meaning.get(answer, answer)
    ]
    assert differing == []
