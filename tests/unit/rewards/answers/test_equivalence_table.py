"""Every line of equivalence_cases.txt is graded as it says, in a box and on an answer line."""

from pathlib import Path

import pytest

from pmd_pipeline.rewards import Grade, GradingPool

LINES = Path(__file__).with_name("equivalence_cases.txt").read_text(encoding="utf-8").splitlines()
CASES = [tuple(line.split("\t")) for line in LINES if line and not line.startswith("#")]
TEMPLATES = {
    "boxed": "The steps, with \\boxed{0} on the way. So it is $\\boxed{%s}$.",
    "answer_line": "The steps.\nAnswer: 0 on the way.\nAnswer: %s",
}


@pytest.fixture(scope="module")
def grades() -> dict[tuple[str, str, str], Grade]:
    found = {}
    with GradingPool(num_workers=2, timeout_seconds=30) as pool:
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
