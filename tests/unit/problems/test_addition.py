"""Generated additions and the demonstrator."""

import re
from collections import Counter

import numpy as np
import pytest

from pmd_pipeline.problems.addition import (
    addition_answer,
    correct_working,
    demonstration,
    is_held_out,
    sample_demonstrations,
    sample_problems,
)
from pmd_pipeline.problems.errors import ProblemSourceError

COLUMN = re.compile(r"(\d)\+(\d)\+(\d)=(\d\d);")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    ("problem", "answer", "working"),
    [
        ("274+089", "363", r"4+9+0=13;7+8+1=16;2+0+1=03;\boxed{363}"),
        ("9+9", "8", r"9+9+0=18;\boxed{8}"),
        ("05+07", "12", r"5+7+0=12;0+0+1=01;\boxed{12}"),
        ("999+001", "0", r"9+1+0=10;9+0+1=10;9+0+1=10;\boxed{000}"),
        ("031+032", "63", r"1+2+0=03;3+3+0=06;0+0+0=00;\boxed{063}"),
    ],
)
def test_answer_and_correct_working_by_hand(problem: str, answer: str, working: str) -> None:
    assert addition_answer(problem) == answer
    assert correct_working(problem) == working


@pytest.mark.parametrize("bad", ["12+3", "12", "1+2?", "a+b", ""])
def test_a_text_that_is_no_column_addition_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="no column addition"):
        addition_answer(bad)


def test_the_held_out_quarter_is_fixed_for_ever() -> None:
    """The split must not change between versions: it decides what a warm start has seen."""
    held_out = [f"{a}+{b}" for a in range(10) for b in range(10) if is_held_out(f"{a}+{b}")]
    assert len(held_out) == 28
    assert held_out[:5] == ["0+2", "0+3", "0+6", "1+3", "1+7"]
    wide = [f"{a:03d}+{b:03d}" for a in range(100) for b in range(100)]
    assert sum(map(is_held_out, wide)) / len(wide) == pytest.approx(0.25, abs=0.02)


def test_train_eval_and_demonstrations_never_share_a_problem() -> None:
    train = set(sample_problems(5000, rng(1), held_out=False))
    evals = set(sample_problems(2000, rng(2), held_out=True))
    shown = {demo.prompt.removesuffix("?") for demo in sample_demonstrations(5000, rng(3))}
    assert len(train) == 5000
    assert len(evals) == 2000
    assert not (train | shown) & evals
    assert all(map(is_held_out, evals))


def test_each_width_gets_its_share_and_the_order_is_random() -> None:
    texts = sample_problems(100, rng(), held_out=False, widths=(1, 2, 3, 3))
    assert Counter(map(len, texts)) == {3: 25, 5: 25, 7: 50}
    assert len({len(text) for text in texts[:20]}) == 3


def test_an_exhausted_width_gives_its_share_to_the_others() -> None:
    texts = sample_problems(1024, rng(), held_out=False)
    counts = Counter(map(len, texts))
    assert counts[3] == 72  # all texts of width 1 that are not held out
    assert sum(counts.values()) == len(set(texts)) == 1024


def test_a_narrow_width_fills_up_what_a_wide_one_lacks() -> None:
    assert len(set(sample_problems(7500, rng(), held_out=False, widths=(1, 2)))) == 7500
    assert len(set(sample_problems(7578, rng(), held_out=False, widths=(1, 1, 2)))) == 72 + 7506


def test_more_problems_than_there_are_is_an_error_that_counts_them() -> None:
    with pytest.raises(ProblemSourceError, match=r"num_problems 200.*have only 72 distinct"):
        sample_problems(200, rng(), held_out=False, widths=(1,))
    with pytest.raises(ProblemSourceError, match=r"only 28 distinct additions held out"):
        sample_problems(29, rng(), held_out=True, widths=(1,))


def test_the_seed_decides_everything() -> None:
    assert sample_problems(50, rng(7), held_out=True) == sample_problems(50, rng(7), held_out=True)
    assert sample_problems(50, rng(7), held_out=True) != sample_problems(50, rng(8), held_out=True)
    assert sample_demonstrations(50, rng(7)) == sample_demonstrations(50, rng(7))


def test_a_skipped_working_boxes_as_many_digits_as_the_operands_have() -> None:
    generator = rng()
    boxes = {demonstration("274+089", generator, p_skip=1.0) for _ in range(2000)}
    assert all(re.fullmatch(r"\\boxed\{\d{3}\}", box) for box in boxes)
    assert len(boxes) > 700  # of 1,000 numbers; 865 expected


def test_dropping_every_carry_adds_digit_by_digit() -> None:
    response = demonstration("274+089", rng(), p_skip=0, p_drop_carry=1, p_slip=0)
    assert response == r"4+9+0=13;7+8+0=15;2+0+0=02;\boxed{253}"


def test_a_slip_is_off_by_one_stays_two_digits_and_propagates() -> None:
    generator = rng()
    for problem in ("000+000", "999+999", "274+089"):
        for _ in range(200):
            response = demonstration(problem, generator, p_skip=0, p_drop_carry=0, p_slip=1)
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
    demos = sample_demonstrations(20_000, rng(5))
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


def test_demonstrations_come_under_the_embedded_template_in_the_asked_widths() -> None:
    demos = sample_demonstrations(4000, rng(), widths=(1, 2, 3, 3))
    counts = Counter(len(re.fullmatch(r"(\d+)\+\d+\?", demo.prompt)[1]) for demo in demos)
    assert counts[3] / len(demos) == pytest.approx(0.5, abs=0.04)
    assert counts[1] / len(demos) == pytest.approx(0.25, abs=0.04)
