"""Reasoning Gym's verifiers, as the processes of the reward run them."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from pmd_pipeline.config.reasoning_gym import GymConvention
from pmd_pipeline.problems.gym.draw import gym_entry
from pmd_pipeline.problems.gym.families import open_family, require_gym
from pmd_pipeline.records import Prompt, Score
from pmd_pipeline.rewards.answers.extraction import extract_answer
from pmd_pipeline.rewards.answers.visible import visible_text

# A full score can be the sum of parts, so it may miss 1 by rounding.
SCORE_TOLERANCE: Final = 1e-9
_OPENING, _CLOSING = "<answer>", "</answer>"


def make_scorer(
    convention: GymConvention, *, partial_credit: bool
) -> Callable[[Sequence[Prompt], Sequence[str]], list[Score]]:
    """Return the function that scores responses.

    Raises:
        GymError: If Reasoning Gym is not installed.
    """
    require_gym()

    def score_all(prompts: Sequence[Prompt], responses: Sequence[str]) -> list[Score]:
        known: dict[tuple[str, str | None], Score] = {}
        scores = []
        for prompt, response in zip(prompts, responses, strict=True):
            answer = find_answer(response, convention)
            key = (prompt.problem_id, answer)
            if key not in known:
                known[key] = score_answer(prompt, answer, partial_credit=partial_credit)
            scores.append(known[key])
        return scores

    return score_all


def score_answer(prompt: Prompt, answer: str | None, *, partial_credit: bool) -> Score:
    """Return what the problem's family says of an answer."""
    if answer is None:
        return Score(reward=0.0, correct=False, reason="no_answer")
    family, entry = _family(prompt.metadata), gym_entry(prompt)
    try:
        value = float(family.score_answer(answer, entry))
    except Exception:  # a verifier may raise anything on what a policy writes
        value = math.nan
    if not math.isfinite(value):
        return Score(reward=0.0, correct=False, answer=answer, reason="error")
    if value >= 1.0 - SCORE_TOLERANCE:
        return Score(reward=1.0, correct=True, answer=answer, reason="correct")
    reason = "partial" if value > 0 else "wrong"
    return Score(
        reward=value if partial_credit else 0.0, correct=False, answer=answer, reason=reason
    )


def find_answer(response: str, convention: GymConvention) -> str | None:
    """Return the answer that a response states, or None; white space around it is left out."""
    if convention == "whole_response":
        return response.strip() or None
    if convention == "answer_tag":
        return last_answer_tag(visible_text(response))
    return extract_answer(response, convention)


def last_answer_tag(response: str) -> str | None:
    """Return what stands in the last complete ``<answer>...</answer>``, or None.

    A tag that is never closed is no answer, and of several openings before one closing the last
    counts.
    """
    last_closing = response.rfind(_CLOSING)
    opening = response.rfind(_OPENING, 0, last_closing) if last_closing >= 0 else -1
    if opening < 0:
        return None
    start = opening + len(_OPENING)
    return response[start : response.index(_CLOSING, start)].strip() or None


def _family(metadata: Mapping[str, Any]) -> Any:
    draw, options = metadata["family"], json.dumps(metadata["options"])
    return _open_family(metadata["dataset"], options, draw["seed"], draw["size"])


@lru_cache(maxsize=64)
def _open_family(dataset: str, options: str, seed: int, size: int) -> Any:
    return open_family(dataset, json.loads(options), seed=seed, size=size)
