"""Chain sums for the embedded policy: the demonstrator, and the family's problems."""

import re
from collections import Counter
from typing import Any

import numpy as np
import pytest

from pmd_pipeline.config.data_preparation import ReasoningGymSource
from pmd_pipeline.policies.vocabulary import VOCABULARY
from pmd_pipeline.problems.errors import ProblemSourceError
from pmd_pipeline.problems.gym.draw import draw_problems
from pmd_pipeline.problems.tasks.chain_sum import ChainSumTask
from pmd_pipeline.problems.tasks.choice import task_of
from pmd_pipeline.problems.tasks.task import (
    GUESS,
    NO_MISTAKES,
    Mistakes,
    is_right,
    longest_demonstration,
    sample_demonstrations,
)

TASK = ChainSumTask(min_terms=3, max_terms=4)
STEP = re.compile(r"(-?\d+)([+-])(\d)=(-?\d+);")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def source(**fields: Any) -> ReasoningGymSource:
    options = {"min_terms": 3, "max_terms": 4, "min_digits": 1, "max_digits": 1}
    return ReasoningGymSource.model_validate(
        {"kind": "reasoning_gym", "dataset": "chain_sum", "options": options, "text": "expression",
         "num_problems": 60} | fields
    )  # fmt: skip


@pytest.mark.parametrize(
    ("problem", "answer", "working"),
    [
        ("4+3-9", "-2", r"4+3=7;7-9=-2;\boxed{-2}"),
        ("0-9-9", "-18", r"0-9=-9;-9-9=-18;\boxed{-18}"),
        ("1-2+8+9", "16", r"1-2=-1;-1+8=7;7+9=16;\boxed{16}"),
    ],
)
def test_answer_and_working_by_hand(problem: str, answer: str, working: str) -> None:
    assert TASK.answer(problem) == answer
    assert TASK.demonstration(problem, rng(), NO_MISTAKES) == working
    assert is_right(TASK, problem, working)


@pytest.mark.parametrize("bad", ["4", "4+", "12+3", "4*3", "4 + 3", "-4+3", ""])
def test_a_text_that_is_no_chain_sum_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="no chain sum"):
        TASK.answer(bad)


def test_forgetting_every_minus_adds_all_terms() -> None:
    response = TASK.demonstration("4-3-9", rng(), Mistakes(skip=0, forget=1, slip=0))
    assert response == r"4+3=7;7+9=16;\boxed{16}"


def test_a_slip_is_off_by_one_and_propagates() -> None:
    generator = rng()
    for _ in range(100):
        response = TASK.demonstration("4-3+9", generator, Mistakes(skip=0, forget=0, slip=1))
        before = 4
        for left, sign, term, result in STEP.findall(response):
            assert int(left) == before
            assert abs(int(result) - before - int(sign + term)) == 1
            before = int(result)
        assert response.endswith(f"\\boxed{{{before}}}")


def test_the_rates_of_mistakes_are_those_asked_for() -> None:
    """Four standard deviations around 0.4, 0.3 and 0.04."""
    mistakes = Mistakes(skip=0.4, forget=0.3, slip=0.04)
    demos = sample_demonstrations(TASK, 4000, rng(5), mistakes)
    skipped = [response.startswith(GUESS) for _, response in demos]
    assert np.mean(skipped) == pytest.approx(0.4, abs=0.031)
    minuses = forgotten = steps = slips = 0
    for problem, response in demos:
        found = STEP.findall(response)
        for sign, (left, written, term, result) in zip(problem[1::2], found, strict=False):
            minuses += sign == "-"
            forgotten += sign != written
            steps += 1
            slips += int(result) != int(left) + int(written + term)
    assert forgotten / minuses == pytest.approx(0.3, abs=0.033)
    assert slips / steps == pytest.approx(0.04, abs=0.0105)


def test_excluded_problems_are_not_demonstrated_and_too_many_are_an_error() -> None:
    pairs = ChainSumTask(min_terms=2, max_terms=2)
    every = {f"{a}{sign}{b}" for a in range(10) for b in range(10) for sign in "+-"}
    left = set(sorted(every)[:100])
    assert set(pairs.sample(2000, rng(), excluded=every - left)) == left
    with pytest.raises(ProblemSourceError, match="2 to 2 terms: nearly all problems are held out"):
        pairs.sample(1, rng(), excluded=every)


def test_the_longest_demonstration_is_longer_than_any_other() -> None:
    longest = longest_demonstration(TASK)
    assert longest == (1 + 7 + 1, len("0-9=-9;-9-9=-18;-18-9=-27;") + len("[-27}") + 1)
    demos = sample_demonstrations(TASK, 2000, rng(), Mistakes(skip=0, forget=0, slip=0))
    assert max(len(response.replace(GUESS, "[")) + 1 for _, response in demos) <= longest[1]


def test_the_source_of_the_problems_decides_the_task() -> None:
    task = task_of(source())
    terms = Counter(len(problem) // 2 + 1 for problem in task.sample(500, rng(), excluded=()))
    assert set(terms) == {3, 4}


def test_the_familys_problems_are_expressions_that_the_demonstrator_answers() -> None:
    pytest.importorskip("reasoning_gym")
    problems = list(draw_problems(source(), set_name="train", seed=3, key="train"))
    assert len({problem.problem for problem in problems}) == 60
    for problem in problems:
        assert problem.problem is not None
        assert set(problem.problem) <= set(VOCABULARY)
        assert problem.answer == TASK.answer(problem.problem)
        # The family's own verifier gets the question as it was.
        assert problem.metadata["question"].startswith("State the final answer")


def test_a_family_without_an_expression_is_told_so() -> None:
    pytest.importorskip("reasoning_gym")
    gcd = source(dataset="gcd", options={}, num_problems=1)
    with pytest.raises(ProblemSourceError, match=r"train\.text is expression, but .* 'gcd' hold"):
        list(draw_problems(gcd, set_name="train", seed=3, key="train"))
