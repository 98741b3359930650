"""Collecting rollouts: what happens beside sampling, and in which order."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from engine_contract import PROMPTS
from vllm_helpers import make_tied_policy

from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines.base import RolloutEngine
from pmd_pipeline.engines.units import Unit
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.records import Completion, Prompt, Score
from pmd_pipeline.rollouts.collect import collect_rollouts


class Engine(RolloutEngine):
    """An engine that samples one token for each response."""

    runs_policy_model = True

    def __init__(self, events: list[str]) -> None:
        self._events = events

    def publish(self, policy: Policy) -> int:
        return policy.policy_version

    def submit(self, units: Sequence[Unit], version: int) -> list[Unit]:
        return list(units)

    def collect(self, handle: Unit, **_: Any) -> list[list[Completion]]:
        self._events.append("sampling")
        log_probs = np.zeros(1, dtype=np.float32)
        completion = Completion(token_ids=(5,), log_probs=log_probs, truncated=True)
        return [[completion] * handle.num_samples for _ in handle.prompts]

    def close(self) -> None:
        pass


class Reward:
    """A reward with processes."""

    two_values = None

    def __init__(self, events: list[str]) -> None:
        self._events = events

    def get_ready(self, prompts: Sequence[Prompt]) -> None:
        self._events.append(f"processes for {len(prompts)} prompts")

    def __call__(self, prompts: Sequence[Prompt], responses: Sequence[str]) -> list[Score]:
        self._events.append("scores")
        return [Score(reward=1.0) for _ in responses]

    def close(self) -> None:
        pass


@pytest.mark.parametrize("num_samples", [1, 3])
def test_the_rewards_processes_start_before_sampling(num_samples: int) -> None:
    events: list[str] = []
    prompts = [
        Prompt(problem_id=str(i), token_ids=tuple(tokens), answer="1", problem="")
        for i, tokens in enumerate(PROMPTS)
    ]
    collected = collect_rollouts(
        Engine(events),
        make_tied_policy(),
        prompts,
        num_samples=num_samples,
        sampling=SamplingConfig(max_new_tokens=1),
        seeds=range(len(prompts)),
        reward=Reward(events),
    )
    assert events == ["processes for 4 prompts", "sampling", "scores"]
    assert len(collected.rollouts) == 4 * num_samples
