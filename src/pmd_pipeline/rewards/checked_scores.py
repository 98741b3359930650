"""What a user's reward function returns, checked."""

import math
import re
from collections.abc import Mapping, Sequence, Sized
from numbers import Real
from typing import Any

from pmd_pipeline.records import Score

_PART_NAME = re.compile(r"[a-z][a-z0-9_]*")
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


class BadScoreError(ValueError):
    """A reward function has returned what is no score; the message says what it was."""


def checked_scores(result: Any, num_responses: int) -> list[Score]:
    """Return a reward function's result as scores; a number is a score without more to say.

    Raises:
        BadScoreError: If there are not as many scores as responses, or one is not finite or of
            another type.
    """
    if isinstance(result, str | Mapping) or not isinstance(result, Sized):
        raise BadScoreError(
            f"the function returned {_found(result)}; it must return a list of Score or numbers"
        )
    if len(result) != num_responses:
        raise BadScoreError(
            f"the function returned {len(result)} scores for {num_responses} responses; it must "
            "return one for each"
        )
    assert isinstance(result, Sequence) or hasattr(result, "__iter__")
    return [_checked(score) for score in result]


def _checked(score: Any) -> Score:
    if not isinstance(score, Score):
        return Score(reward=_finite(score, "a score"))
    if score.correct not in (None, True, False):
        raise BadScoreError(f"Score.correct must be True, False or None, found {score.correct!r}")
    for name in score.parts:
        if not (isinstance(name, str) and _PART_NAME.fullmatch(name)):
            raise BadScoreError(
                "names in Score.parts must be of small letters, digits and underscores, found "
                f"{name!r}"
            )
    return Score(
        reward=_finite(score.reward, "Score.reward"),
        correct=None if score.correct is None else bool(score.correct),
        answer=None if score.answer is None else _storable(str(score.answer)),
        reason=_storable(str(score.reason)),
        parts={name: _finite(part, f"Score.parts[{name!r}]") for name, part in score.parts.items()},
    )


def _storable(text: str) -> str:
    """Return a text for a table: half characters, as of a response's ``"\\ud83d"``, replaced."""
    return _LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def _finite(value: Any, what: str) -> float:
    if not isinstance(value, Real):
        raise BadScoreError(f"{what} must be a number, found {_found(value)}")
    number = float(value)
    if not math.isfinite(number):
        raise BadScoreError(f"{what} must be finite, found {number}")
    return number


def _found(value: Any) -> str:
    return f"{type(value).__name__} {repr(value)[:80]}"
