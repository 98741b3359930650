"""The reward of Reasoning Gym's problems: each family's own verifier."""

import json
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from pmd_pipeline.config.reasoning_gym import GymConvention, ReasoningGymRewardConfig
from pmd_pipeline.problems.gym_families import open_family
from pmd_pipeline.problems.reasoning_gym import gym_entry, is_gym_prompt
from pmd_pipeline.records import Prompt, Score
from pmd_pipeline.rewards.extraction import extract_answer

# A full score can be the sum of parts, so it may miss 1 by rounding.
SCORE_TOLERANCE: Final = 1e-9
_OPENING, _CLOSING = "<answer>", "</answer>"


class ReasoningGymReward:
    """Scores responses by their problem's family, 0 to 1.

    The verifiers are the families' own code and see what the policy wrote: some read it with
    SymPy, which can take long on long numbers. One that raises gives no reward.
    """

    def __init__(self, config: ReasoningGymRewardConfig) -> None:
        self._config = config

    @property
    def two_values(self) -> tuple[float, float] | None:
        """(0, 1) without partial credit; None with it."""
        return None if self._config.partial_credit else (0.0, 1.0)

    def __call__(self, prompts: Sequence[Prompt], responses: Sequence[str]) -> list[Score]:
        """Return one score per response; equal answers to one problem are scored once.

        Raises:
            ValueError: If a problem was not made by ``kind: reasoning_gym``.
        """
        known: dict[tuple[str, str], Score] = {}
        scores = []
        for prompt, response in zip(prompts, responses, strict=True):
            answer = find_answer(response, self._config.convention)
            if answer is None:
                scores.append(Score(reward=0.0, correct=False, reason="no_answer"))
                continue
            key = (prompt.problem_id, answer)
            if key not in known:
                known[key] = self._score(prompt, answer)
            scores.append(known[key])
        return scores

    def close(self) -> None:
        """Nothing was started."""

    def _score(self, prompt: Prompt, answer: str) -> Score:
        metadata = prompt.metadata
        if not is_gym_prompt(metadata):
            raise ValueError(
                f"rewards.kind reasoning_gym scores problems of kind reasoning_gym alone, but "
                f"{prompt.problem_id!r} is of another; choose the reward that fits the data"
            )
        try:
            value = float(_family(metadata).score_answer(answer, gym_entry(prompt)))
        except Exception:  # a family's verifier may raise anything on what a policy writes
            value = math.nan
        if not math.isfinite(value):
            return Score(reward=0.0, correct=False, answer=answer, reason="error")
        correct = value >= 1.0 - SCORE_TOLERANCE
        if correct:
            return Score(reward=1.0, correct=True, answer=answer, reason="correct")
        partial = value if self._config.partial_credit else 0.0
        reason = "partial" if value > 0 else "wrong"
        return Score(reward=partial, correct=False, answer=answer, reason=reason)


def find_answer(response: str, convention: GymConvention) -> str | None:
    """Return the answer that a response states, or None; white space around it is left out."""
    if convention == "whole_response":
        return response.strip() or None
    if convention == "answer_tag":
        return last_answer_tag(response)
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
