"""Sampling ahead of training: which policy samples what, and that the bytes are the same."""

import random
import time
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import make_algorithm, make_setup
from pydantic import ValidationError
from torch import Tensor

from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.engines.base import RolloutEngine
from pmd_pipeline.engines.copies_engine import CopiesEngine
from pmd_pipeline.engines.eager_engine import EagerEngine
from pmd_pipeline.engines.transformers_engine import TransformersEngine
from pmd_pipeline.engines.unit_pool import ReportGroup
from pmd_pipeline.engines.units import Unit
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.processes.child import ChildProcess
from pmd_pipeline.records import Prompt, Score
from pmd_pipeline.rollouts.batch import to_batch
from pmd_pipeline.rollouts.stored import rollouts_from_bytes, rollouts_to_bytes
from pmd_pipeline.training.round import RoundResult
from pmd_pipeline.training.round_metrics import round_metrics
from pmd_pipeline.training.round_table import round_to_table
from pmd_pipeline.training.rounds import run_rounds
from pmd_pipeline.training.setup import TrainingSetup
from pmd_pipeline.training.trainer import LocalTrainer

TEXTS = ["1+2", "12+30", "274+089", "3+4", "5+5", "10+20"]
LAGGING = [
    make_algorithm(kind="pmd_mean"),
    make_algorithm(kind="pmd_part"),
    make_algorithm(kind="grpo"),
    make_algorithm(kind="gspo"),
]


class CopyingEngine(TransformersEngine):
    """Samples from a copy, in this process; counts what it is asked for."""

    def __init__(self) -> None:
        super().__init__(TransformersEngineConfig(unit_size=8))
        self.num_published = 0
        self.num_sampled = 0

    def publish(self, policy: Policy) -> int:
        self.num_published += 1
        return super().publish(replace(policy, model=deepcopy(policy.model)))

    def submit(self, units: Sequence[Unit], version: int) -> list:
        self.num_sampled += sum(unit.num_responses for unit in units)
        return super().submit(units, version)

    def beside_training(self) -> RolloutEngine:
        return self


class Reward:
    """Rewards every second response."""

    two_values = None

    def __call__(self, prompts: Sequence[Prompt], responses: Sequence[str]) -> list[Score]:
        return [Score(reward=float(len(text) % 2), parts={"odd": 1.5}) for text in responses]

    def close(self) -> None:
        pass


def lagged(algorithm: object = None, **training: object) -> TrainingSetup:
    """Return a setup of two phases of four rounds."""
    options = {"rounds_per_phase": 4, "num_phases": 2, "lag": 1} | training
    return make_setup(algorithm or make_algorithm(), **options)  # type: ignore[arg-type]


class Training:
    """A training from ``policy`` on, its trainer, and what its rounds have given so far."""

    def __init__(
        self,
        policy: Policy,
        setup: TrainingSetup,
        engine: RolloutEngine | None = None,
        *,
        first_round: int = 0,
        ahead: bytes = b"",
    ) -> None:
        self.trainer = LocalTrainer(policy, setup)
        self.engine = engine or CopyingEngine()
        prompts = [
            Prompt(
                problem_id=text,
                token_ids=tuple(policy.tokenizer(f"{text}?")["input_ids"]),
                answer="3",
                problem=text,
            )
            for text in TEXTS
        ]
        self.rounds: Iterator[RoundResult] = run_rounds(
            self.trainer,
            self.engine,
            prompts,
            setup,
            Reward(),
            first_round=first_round,
            last_round=setup.training.num_rounds,
            ahead=rollouts_from_bytes(ahead),
        )

    def state(self) -> dict[str, Tensor]:
        weights = self.trainer.whole_policy().model.state_dict()
        return {k: v.clone() for k, v in (weights | self.trainer.optimizer_state()).items()}


def assert_equal(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    ("lag", "staleness"),
    [(0, [0] * 8), (1, [0, 1, 1, 1] * 2), (2, [0, 1, 2, 2] * 2), (9, [0, 1, 2, 3] * 2)],
)
def test_a_round_is_sampled_from_the_policy_of_lag_rounds_before_and_of_its_phase(
    tiny_policy: Policy, lag: int, staleness: list[int]
) -> None:
    training = Training(tiny_policy, lagged(lag=lag))
    versions = [0]
    for index, result in enumerate(training.rounds):
        assert result.cycles[0].sampled_version == versions[index - staleness[index]]
        metrics = round_metrics(result)
        assert metrics.staleness_rounds == staleness[index]
        assert metrics.staleness_updates == versions[index] - versions[index - staleness[index]]
        assert set(round_to_table(result)["sampled_version"]) == {
            versions[index - staleness[index]]
        }
        assert len(result.ahead) == min(lag, 3 - index % 4)
        versions.append(result.policy_version)
    assert isinstance(training.engine, CopyingEngine)
    assert training.engine.num_sampled == 8 * 16  # every rollout once
    assert len(versions) == 9


@pytest.mark.parametrize("algorithm", LAGGING, ids=lambda algorithm: algorithm.kind)
def test_a_training_that_goes_on_from_its_stored_state_gives_the_same_bytes(
    tiny_policy: Policy, algorithm: object
) -> None:
    setup = lagged(algorithm, lag=2, num_phases=1, rounds_per_phase=5)
    whole = Training(deepcopy(tiny_policy), setup)
    stopped = Training(tiny_policy, setup)
    for _ in range(2):
        result = next(stopped.rounds)
    ahead = rollouts_to_bytes(result.ahead)
    policy = deepcopy(stopped.trainer.whole_policy())
    engine = CopyingEngine()
    resumed = Training(policy, setup, engine, first_round=2, ahead=ahead)
    resumed.trainer.restore_optimizer(stopped.trainer.optimizer_state())
    expected = list(whole.rounds)
    tables = [round_to_table(result) for result in resumed.rounds]
    for found, result in zip(tables, expected[2:], strict=True):
        assert found.equals(round_to_table(result))
    assert_equal(resumed.state(), whole.state())
    assert engine.num_sampled == 16  # round 5: of rounds 3 and 4, nothing is sampled again


def test_rollouts_are_stored_bit_for_bit(tiny_policy: Policy) -> None:
    ahead = next(Training(tiny_policy, lagged(lag=2)).rounds).ahead
    assert list(ahead) == [1, 2]
    found = rollouts_from_bytes(rollouts_to_bytes(ahead))
    for index, collected in ahead.items():
        assert found[index].sampled_version == collected.sampled_version
        for one, other in zip(found[index].rollouts, collected.rollouts, strict=True):
            log_probs = one.completion.log_probs
            assert log_probs.dtype == np.float32
            assert np.array_equal(log_probs, other.completion.log_probs)
            assert replace(one.completion, log_probs=None) == replace(
                other.completion, log_probs=None
            )
            assert replace(one, completion=None) == replace(other, completion=None)
    assert rollouts_from_bytes(b"") == {}


def test_log_ratios_begin_at_the_policy_that_sampled(tiny_policy: Policy) -> None:
    """A round's policy is compared with the one of a round before, not with its own start."""
    training = Training(tiny_policy, lagged(measured_rollouts="round", num_mini_batches=1))
    first, second = next(training.rounds), next(training.rounds)
    assert first.cycles[0].sampled_version == second.cycles[0].sampled_version == 0
    sampled = [r.completion.log_probs.sum() for r in second.cycles[0].rollouts]
    np.testing.assert_allclose(second.cycles[0].behaviour_log_probs, sampled, rtol=1e-6)
    # What the round has changed is measured from there too, as theory in the loop has it.
    batch = to_batch(second.cycles[0].rollouts)
    after = training.trainer.log_probs(batch, [torch.arange(len(batch))]).log_probs.sum(dim=1)
    found = second.cycles[0].sequence_log_ratios
    np.testing.assert_allclose(found, after.numpy() - sampled, atol=1e-4)
    assert not lagged().training.weighs_stale_rollouts
    now = round_metrics(second)
    assert now.entropy > 0
    assert np.isnan(now.mismatch_max)  # the trainer no longer has the policy that sampled
    assert now.kl > 0
    assert round_metrics(first).staleness_rounds == 0


def test_importance_weights_compare_the_policy_of_now_with_the_one_that_sampled(
    tiny_policy: Policy,
) -> None:
    setup = lagged(
        make_algorithm(kind="grpo"),
        importance_weights={"level": "token", "cap": 2.0},
        optimizer={"learning_rate": 0.05},
    )
    assert setup.training.weighs_stale_rollouts
    training = Training(tiny_policy, setup)
    next(training.rounds)
    second = next(training.rounds)
    # Computed before the updates: the behaviour log-probs are those of the policy of now.
    sampled = np.array([r.completion.log_probs.sum() for r in second.cycles[0].rollouts])
    assert np.abs(second.cycles[0].behaviour_log_probs - sampled).max() > 0.1
    assert round_metrics(second).mismatch_max > 0.1


@pytest.fixture
def slow_copies(monkeypatch: pytest.MonkeyPatch) -> random.Random:
    """Sampling processes that take a random time for each unit."""
    clock = random.Random(0)
    sample = CopiesEngine._sample

    def slow(engine: CopiesEngine, sampler: ChildProcess, unit: Unit, report: ReportGroup) -> None:
        time.sleep(0.05 * clock.random())
        sample(engine, sampler, unit, report)

    monkeypatch.setattr(CopiesEngine, "_sample", slow)
    return clock


def test_processes_that_take_random_times_give_the_bytes_of_this_process(
    tiny_policy: Policy, slow_copies: random.Random
) -> None:
    # A round is refilled from the thread that waits for it.
    bounds = {"low": 0.3, "high": 0.7, "refill": {"max_extra_rounds": 1}}
    setup = lagged(make_algorithm(prompt_filter=bounds), num_phases=1)
    plain = Training(deepcopy(tiny_policy), setup)
    expected = [round_to_table(result) for result in plain.rounds]
    assert max(map(len, expected)) > 16
    engine = CopiesEngine(TransformersEngineConfig(unit_size=8, num_processes=2))
    try:
        for seed in (1, 2):
            slow_copies.seed(seed)
            training = Training(deepcopy(tiny_policy), setup, engine)
            for result, table in zip(training.rounds, expected, strict=True):
                assert round_to_table(result).equals(table)
            assert_equal(training.state(), plain.state())
    finally:
        engine.close()


def test_sampling_first_and_then_training_gives_the_bytes_of_sampling_beside_training(
    tiny_policy: Policy,
) -> None:
    setup = lagged(lag=2, num_phases=1)
    beside = Training(deepcopy(tiny_policy), setup)
    first = Training(tiny_policy, setup, EagerEngine(TransformersEngineConfig(unit_size=8)))
    for found, expected in zip(first.rounds, beside.rounds, strict=True):
        assert round_to_table(found).equals(round_to_table(expected))
    assert_equal(first.state(), beside.state())


def test_a_training_that_fails_does_not_wait_for_what_is_ahead(tiny_policy: Policy) -> None:
    class Stuck(CopyingEngine):
        """Never gives what is ahead, until it is closed."""

        is_closed = False
        num_collected = 0

        def collect(self, handle: object, **options: object) -> list:
            self.num_collected += 1
            if self.num_collected > 2:  # two units are a round
                while not self.is_closed:
                    time.sleep(0.01)
                raise RuntimeError("closed")
            return super().collect(handle, **options)  # type: ignore[arg-type]

        def close(self) -> None:
            self.is_closed = True

    class FailingTrainer(LocalTrainer):
        def update(self, *arguments: object, **options: object) -> object:  # type: ignore[override]
            raise KeyboardInterrupt

    setup = lagged()
    training = Training(tiny_policy, setup, Stuck())
    rounds = run_rounds(
        FailingTrainer(tiny_policy, setup),
        training.engine,
        [Prompt(problem_id=text, token_ids=(1, 5, 6), answer="3", problem=text) for text in TEXTS],
        setup,
        Reward(),
        first_round=0,
        last_round=4,
    )
    with pytest.raises(KeyboardInterrupt):
        next(rounds)


def test_what_lag_cannot_do_is_refused() -> None:
    with pytest.raises(ValidationError, match="would take stale rollouts for fresh ones"):
        lagged(behaviour_log_probs="trainer")
    with pytest.raises(ValidationError, match="lag 1 has no effect with rounds_per_phase 1"):
        lagged(rounds_per_phase=1)
    with pytest.raises(ValidationError, match="lag 1 needs top_p 1 and top_k 0"):
        lagged(sampling={"max_new_tokens": 4, "top_k": 3})
