"""Generated additions."""

from collections import Counter

import numpy as np
import pytest

from pmd_pipeline.problems.addition import (
    addition_answer,
    is_held_out,
    sample_problems,
)
from pmd_pipeline.problems.errors import ProblemSourceError


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    ("problem", "answer"),
    [("274+089", "363"), ("9+9", "8"), ("05+07", "12"), ("999+001", "0"), ("031+032", "63")],
)
def test_the_answer_by_hand(problem: str, answer: str) -> None:
    assert addition_answer(problem) == answer


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


def test_train_and_eval_never_share_a_problem() -> None:
    train = set(sample_problems(5000, rng(1), held_out=False))
    evals = set(sample_problems(2000, rng(2), held_out=True))
    assert len(train) == 5000
    assert len(evals) == 2000
    assert not train & evals
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
