"""Generated problems: column addition.

A problem of width w is two zero-padded operands of w digits, ``274+089``; its answer is their sum
modulo ``10 ** w``.

A quarter of all texts, picked by a hash of the text, is held out for evaluation: neither train
problems nor demonstrations ever use one of them, whatever the seed.
"""

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import product

import numpy as np

from pmd_pipeline.config.data_preparation import DIFFICULTY_WIDTHS
from pmd_pipeline.problems.errors import ProblemSourceError
from pmd_pipeline.records import Problem

DEFAULT_WIDTHS = DIFFICULTY_WIDTHS["standard"]
HELD_OUT_PARTS = 4  # one part in this many is held out

_PROBLEM = re.compile(r"(\d+)\+(\d+)")


def generate_additions(
    seed: int | Sequence[int],
    num_problems: int,
    *,
    held_out: bool = False,
    widths: Sequence[int] = DEFAULT_WIDTHS,
) -> list[Problem]:
    """Return column additions with their answers; ``kind: generated_addition`` calls it.

    Args:
        seed: Decides the draws.
        num_problems: How many; they are distinct.
        held_out: Whether they are for evaluation.
        widths: Digits per operand, each entry with an equal share.

    Raises:
        ProblemSourceError: If there are fewer than ``num_problems`` distinct texts.
    """
    rng = np.random.default_rng(seed)
    return [
        Problem(problem_id=text, problem=text, answer=addition_answer(text))
        for text in sample_problems(num_problems, rng, held_out=held_out, widths=widths)
    ]


def sample_problems(
    num_problems: int,
    rng: np.random.Generator,
    *,
    held_out: bool,
    widths: Sequence[int] = DEFAULT_WIDTHS,
) -> list[str]:
    """Return distinct problem texts in random order.

    Each entry of ``widths`` gets an equal share. Where a width has too few texts (there are 100 of
    width 1, held out or not), all of its texts are taken and the other widths fill up.

    Raises:
        ProblemSourceError: If there are fewer than ``num_problems`` distinct texts.
    """
    counts = _counts_by_width(num_problems, held_out, widths)
    texts = [
        text
        for width, count in counts.items()
        for text in _distinct_texts(count, width, held_out, rng)
    ]
    return [texts[i] for i in rng.permutation(len(texts))]


def is_held_out(problem: str) -> bool:
    """Return True if the text belongs to the quarter that is for evaluation alone."""
    digest = blake2b(problem.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % HELD_OUT_PARTS == 0


def addition_answer(problem: str) -> str:
    """Return the answer as an integer without leading zeros: ``(a + b) mod 10 ** w``."""
    left, right = operands(problem)
    return str((int(left) + int(right)) % 10 ** len(left))


def sample_texts(num_texts: int, rng: np.random.Generator, *, widths: Sequence[int]) -> list[str]:
    """Return random texts, none of them held out; repeats can occur."""
    texts: list[str] = []
    while len(texts) < num_texts:
        # A quarter of the draw is held out, so a little more than four thirds is drawn at once.
        num_drawn = (num_texts - len(texts)) * 3 // 2 + 16
        drawn = rng.choice(np.asarray(widths), size=num_drawn)
        texts += [text for text in _random_texts(drawn, rng) if not is_held_out(text)]
    return texts[:num_texts]


def operands(problem: str) -> tuple[str, str]:
    """Return the two operands, zero-padded as in the text.

    Raises:
        ValueError: If the text is no column addition.
    """
    match = _PROBLEM.fullmatch(problem)
    if match is None or len(match[1]) != len(match[2]):
        raise ValueError(
            f"{problem!r} is no column addition; give two operands with the same number of "
            "digits, such as 274+089"
        )
    return match[1], match[2]


def _random_texts(widths: np.ndarray, rng: np.random.Generator) -> list[str]:
    operands = rng.integers(0, 10 ** widths.astype(np.int64), size=(2, len(widths)))
    return [
        f"{a:0{width}d}+{b:0{width}d}"
        for width, a, b in zip(widths.tolist(), *operands.tolist(), strict=True)
    ]


def _counts_by_width(num_problems: int, held_out: bool, widths: Sequence[int]) -> dict[int, int]:
    """Return how many problems each width gets; scarce widths are served first."""
    weights = Counter(widths)
    counts: dict[int, int] = {}
    num_left, weight_left = num_problems, len(widths)
    for width in sorted(weights):
        share = round(num_left * weights[width] / weight_left)
        counts[width] = min(share, _num_texts(width, held_out))
        num_left -= counts[width]
        weight_left -= weights[width]
    if num_left > 0:
        # The widest were cut short, so room can be left only in narrower ones.
        for width in sorted(weights, reverse=True):
            extra = min(num_left, _num_texts(width, held_out) - counts[width])
            counts[width] += extra
            num_left -= extra
    if num_left > 0:
        which = "held out for evaluation" if held_out else "left for training"
        raise ProblemSourceError(
            f"num_problems {num_problems}: widths {tuple(widths)} have only "
            f"{num_problems - num_left} distinct additions {which}; ask for fewer or add a width"
        )
    return counts


def _num_texts(width: int, held_out: bool) -> int:
    """Return how many texts there are; a safe lower bound where counting would take long."""
    if width <= 2:
        return len(_all_texts(width, held_out))
    return int(10 ** (2 * width)) // 8


@lru_cache(maxsize=4)
def _all_texts(width: int, held_out: bool) -> tuple[str, ...]:
    numbers = [f"{i:0{width}d}" for i in range(10**width)]
    texts = (f"{a}+{b}" for a, b in product(numbers, numbers))
    return tuple(text for text in texts if is_held_out(text) == held_out)


def _distinct_texts(count: int, width: int, held_out: bool, rng: np.random.Generator) -> list[str]:
    if width <= 2:
        texts = _all_texts(width, held_out)
        return [texts[i] for i in rng.permutation(len(texts))[:count]]
    found: dict[str, None] = {}
    while len(found) < count:
        for text in _random_texts(np.full(2 * (count - len(found)) + 16, width), rng):
            if len(found) < count and is_held_out(text) == held_out:
                found[text] = None
    return list(found)
