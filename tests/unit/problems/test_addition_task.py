"""The demonstrator of column addition: its working, its mistakes, and what it never shows."""

import re
from collections import Counter

import numpy as np
import pytest

from pmd_pipeline.config.data_preparation import DIFFICULTY_WIDTHS
from pmd_pipeline.problems.addition import is_held_out, sample_problems
from pmd_pipeline.problems.tasks.addition import AdditionTask
from pmd_pipeline.problems.tasks.guesses import guess_share_of_demonstrator
from pmd_pipeline.problems.tasks.task import (
    NO_MISTAKES,
    Demonstration,
    Mistakes,
    is_right,
    longest_demonstration,
    sample_demonstrations,
)

COLUMN = re.compile(r"(\d)\+(\d)\+(\d)=(\d\d);")
TASK = AdditionTask((1, 2, 3, 3))
DEFAULT = Mistakes(skip=0.4, forget=0.3, slip=0.04)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def show(
    num_demonstrations: int, seed: int = 0, mistakes: Mistakes = DEFAULT
) -> list[Demonstration]:
    return sample_demonstrations(TASK, num_demonstrations, rng(seed), mistakes)


@pytest.mark.parametrize(
    ("problem", "working"),
    [
        ("274+089", r"4+9+0=13;7+8+1=16;2+0+1=03;\boxed{363}"),
        ("9+9", r"9+9+0=18;\boxed{8}"),
        ("05+07", r"5+7+0=12;0+0+1=01;\boxed{12}"),
        ("999+001", r"9+1+0=10;9+0+1=10;9+0+1=10;\boxed{000}"),
        ("031+032", r"1+2+0=03;3+3+0=06;0+0+0=00;\boxed{063}"),
    ],
)
def test_working_without_a_mistake_by_hand(problem: str, working: str) -> None:
    assert TASK.demonstration(problem, rng(), NO_MISTAKES) == working
    assert is_right(TASK, problem, working)


def test_what_is_demonstrated_is_never_an_evaluation_problem() -> None:
    evals = set(sample_problems(2000, rng(2), held_out=True))
    shown = {problem for problem, _ in show(5000, seed=3)}
    assert not shown & evals
    assert not any(map(is_held_out, shown))


def test_the_seed_decides_the_demonstrations() -> None:
    assert show(50, seed=7) == show(50, seed=7) != show(50, seed=8)


@pytest.mark.parametrize(("is_wild", "num_digits"), [(False, 2), (True, 3)])
def test_a_guess_has_the_operands_digits_and_a_wild_one_the_widest_operands(
    is_wild: bool, num_digits: int
) -> None:
    generator = rng()
    mistakes = Mistakes(skip=1.0, forget=0, slip=0, guesses_wildly=is_wild)
    boxes = {TASK.demonstration("27+89", generator, mistakes) for _ in range(2000)}
    assert all(re.fullmatch(rf"\\boxed\{{\d{{{num_digits}}}\}}", box) for box in boxes)
    assert len(boxes) > 0.7 * min(10**num_digits, 1000)


def test_dropping_every_carry_adds_digit_by_digit() -> None:
    response = TASK.demonstration("274+089", rng(), Mistakes(skip=0, forget=1, slip=0))
    assert response == r"4+9+0=13;7+8+0=15;2+0+0=02;\boxed{253}"
    assert not is_right(TASK, "274+089", response)


def test_a_slip_is_off_by_one_stays_two_digits_and_propagates() -> None:
    generator = rng()
    for problem in ("000+000", "999+999", "274+089"):
        for _ in range(200):
            response = TASK.demonstration(problem, generator, Mistakes(skip=0, forget=0, slip=1))
            columns = [tuple(map(int, c)) for c in COLUMN.findall(response)]
            assert len(columns) == 3
            carry = 0
            for a, b, written_carry, total in columns:
                assert written_carry == carry
                assert abs(total - (a + b + carry)) == 1
                assert 0 <= total <= 19
                carry = total // 10
            digits = "".join(str(total % 10) for *_, total in reversed(columns))
            assert response.endswith(f"\\boxed{{{digits}}}")


def test_the_rates_of_mistakes_are_those_asked_for() -> None:
    """Four standard deviations around 0.4, 0.3 and 0.04."""
    demos = show(20_000, seed=5)
    skipped = sum(demo.response.startswith("\\boxed") for demo in demos)
    assert skipped / len(demos) == pytest.approx(0.4, abs=0.014)
    carries = dropped = sums = slips = 0
    for demo in demos:
        carry = 0
        for a, b, written, total in (map(int, c) for c in COLUMN.findall(demo.response)):
            carries += carry
            dropped += carry - written
            sums += 1
            slips += total != a + b + written
            carry = total // 10
    assert dropped / carries == pytest.approx(0.3, abs=0.025)
    assert slips / sums == pytest.approx(0.04, abs=0.006)


def test_demonstrations_come_in_the_asked_widths() -> None:
    counts = Counter(len(problem) for problem, _ in show(4000))
    assert counts[7] / 4000 == pytest.approx(0.5, abs=0.04)
    assert counts[3] / 4000 == pytest.approx(0.25, abs=0.04)


@pytest.mark.parametrize("difficulty", ["easy", "standard", "hard"])
def test_prompts_and_workings_of_every_difficulty_fit_the_default(difficulty: str) -> None:
    """16 tokens of a prompt and 60 of a response, the limits of conf/base; in full at 5 digits."""
    widths = DIFFICULTY_WIDTHS[difficulty]  # type: ignore[index]
    longest = longest_demonstration(AdditionTask(widths))
    assert longest == (2 * max(widths) + 3, 10 * max(widths) + 3)
    assert longest.num_prompt_tokens <= 16
    assert longest.num_response_tokens <= 60


def test_demonstrations_with_the_share_of_guesses_are_right_as_often_as_wanted() -> None:
    """Four standard deviations of 4,000 demonstrations, and as much for the share's own."""
    mistakes = Mistakes(skip=0.4, forget=0.3, slip=0.04, guesses_wildly=True)
    share = guess_share_of_demonstrator(0.2, TASK, mistakes, seed=1)
    guessing = Mistakes(skip=share, forget=0.3, slip=0.04, guesses_wildly=True)
    right = [is_right(TASK, *demo) for demo in show(4000, seed=2, mistakes=guessing)]
    assert np.mean(right) == pytest.approx(0.2, abs=0.035)


@pytest.mark.parametrize(
    "response", [r"\boxed{16", r"\boxed{1}6", r"7+9+0=16;", r"\boxed{}", r"\boxed{6}+", ""]
)
def test_a_response_without_the_answer_in_a_box_at_its_end_is_wrong(response: str) -> None:
    assert is_right(TASK, "7+9", r"\boxed{6}")
    assert not is_right(TASK, "7+9", response)


def test_a_pass_rate_that_no_share_of_guesses_gives_is_refused_with_what_is_possible() -> None:
    with pytest.raises(ValueError, match=r"is 0\.95, but .* right 0\.\d+ .* lower drop_carry_prob"):
        guess_share_of_demonstrator(0.95, TASK, DEFAULT, seed=1)
