"""How often a policy is right, and how often it would have to guess to be right so often."""

from collections.abc import Collection
from dataclasses import dataclass
from math import ceil

import numpy as np

from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines.transformers_engine import TransformersEngine
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.problems.tasks.task import (
    GUESS,
    DemonstratedTask,
    is_right,
    longest_demonstration,
)
from pmd_pipeline.problems.templates import plain_prompt
from pmd_pipeline.seeds import derive_seed

_STANDARD_ERROR = 0.05  # of a measured pass rate, as a share of the expected one
_LEAST_SAMPLES = 512
_SAMPLES_PER_PROBLEM = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PassRate:
    """How often responses are right, with and without working, as shares.

    Attributes:
        rate: Right ones among all.
        guess_share: Guesses among all.
        worked_rate: Right ones among those with working.
        guess_rate: Right ones among guesses.
        num_samples: Responses.
    """

    rate: float
    guess_share: float
    worked_rate: float
    guess_rate: float
    num_samples: int


def guess_share_for(wanted: float, measured: PassRate) -> float:
    """Return the share of guesses at which a measured policy would be right as often as wanted.

    It lies outside of 0 to 1 where no share would do.
    """
    gap = measured.worked_rate - measured.guess_rate
    return (measured.worked_rate - wanted) / gap if gap > 0 else 0.0


def measure_pass_rate(
    policy: Policy,
    task: DemonstratedTask,
    *,
    expected: float,
    seed: int,
    excluded: Collection[str],
) -> PassRate:
    """Sample responses at temperature 1 and grade them.

    There are so many that the standard error would be about a twentieth of the expected rate if
    the few responses to one problem were independent. They may be as long as the longest
    demonstration.

    Args:
        policy: The policy.
        task: Makes problems and knows their answers.
        expected: About the pass rate.
        seed: Decides problems and responses.
        excluded: Problems that are not asked.
    """
    num_samples = max(_LEAST_SAMPLES, ceil((1 - expected) / expected / _STANDARD_ERROR**2))
    num_problems = ceil(num_samples / _SAMPLES_PER_PROBLEM)
    rng = np.random.default_rng(seed)
    problems = task.sample(num_problems, rng, excluded=excluded)
    longest = longest_demonstration(task).num_response_tokens
    responses = _sample(policy, problems, max_new_tokens=longest, seed=seed)
    is_guess = np.array([response.startswith(GUESS) for _, response in responses])
    right = np.array([is_right(task, *pair) for pair in responses])
    return PassRate(
        rate=float(right.mean()),
        guess_share=float(is_guess.mean()),
        worked_rate=float(right[~is_guess].mean()) if not is_guess.all() else 0.0,
        guess_rate=float(right[is_guess].mean()) if is_guess.any() else 0.0,
        num_samples=len(responses),
    )


def _sample(
    policy: Policy, problems: list[str], *, max_new_tokens: int, seed: int
) -> list[tuple[str, str]]:
    """Return each problem with each of its responses, without special tokens."""
    prompts = policy.tokenizer([plain_prompt("embedded", problem) for problem in problems])
    token_ids: list[list[int]] = prompts["input_ids"]
    engine = TransformersEngine(TransformersEngineConfig())
    groups = engine.generate(
        token_ids,
        version=engine.publish(policy),
        num_samples=_SAMPLES_PER_PROBLEM,
        sampling=SamplingConfig(max_new_tokens=max_new_tokens),
        seeds=[derive_seed(seed, "response", number) for number in range(len(problems))],
    )
    texts = policy.tokenizer.batch_decode(
        [list(completion.token_ids) for group in groups for completion in group],
        skip_special_tokens=True,
    )
    asked = [problem for problem in problems for _ in range(_SAMPLES_PER_PROBLEM)]
    return list(zip(asked, texts, strict=True))
