"""Rounds that draw more prompts in the place of those that the prompt filter drops."""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import make_algorithm, make_rollouts, make_setup

from pmd_pipeline.config.algorithms import AnyAlgorithmConfig
from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.engines.base import RolloutEngine
from pmd_pipeline.engines.transformers_engine import TransformersEngine
from pmd_pipeline.engines.units import Unit
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.records import Prompt, Score
from pmd_pipeline.rollouts.batch import to_batch
from pmd_pipeline.rollouts.collect import Collected
from pmd_pipeline.rollouts.stored import rollouts_from_bytes, rollouts_to_bytes
from pmd_pipeline.schemas.rollouts import RoundRolloutTable
from pmd_pipeline.training.mini_batches import mini_batches_of
from pmd_pipeline.training.prompt_order import prompts_of_round
from pmd_pipeline.training.refill import num_prompts_to_draw
from pmd_pipeline.training.round import RoundResult
from pmd_pipeline.training.round_metrics import refill_metrics, round_metrics
from pmd_pipeline.training.round_table import round_to_table
from pmd_pipeline.training.rounds import run_rounds
from pmd_pipeline.training.setup import TrainingSetup
from pmd_pipeline.training.theory_in_the_loop import ExactUpdate, compared_groups
from pmd_pipeline.training.trainer import LocalTrainer

NUM_PROBLEMS = 12
EVERY_THIRD = {"0", "3", "6", "9"}


def refilled(
    max_extra_rounds: int = 2, bounds: Mapping[str, object] | None = None, **fields: Any
) -> AnyAlgorithmConfig:
    refill = {"max_extra_rounds": max_extra_rounds}
    given = {"low": 0.0, "high": 1.0} if bounds is None else bounds
    return make_algorithm(prompt_filter={**given, "refill": refill}, **fields)


class Killed(BaseException):
    """What no code catches."""


class Engine(TransformersEngine):
    """Samples from a copy, and keeps the number of prompts of each call.

    Args:
        num_calls: How many it lives through.
    """

    def __init__(self, num_calls: int = 1000) -> None:
        super().__init__(TransformersEngineConfig(unit_size=4))
        self.calls: list[int] = []
        self._num_calls = num_calls

    def publish(self, policy: Policy) -> int:
        return super().publish(replace(policy, model=deepcopy(policy.model)))

    def submit(self, units: Sequence[Unit], version: int) -> list:
        if len(self.calls) == self._num_calls:
            raise Killed
        self.calls.append(sum(len(unit.prompts) for unit in units))
        return super().submit(units, version)

    def beside_training(self) -> RolloutEngine:
        return self


class Reward:
    """Tells every second response to some of the problems from the others."""

    two_values = None

    def __init__(self, with_signal: set[str]) -> None:
        self._with_signal = with_signal

    def __call__(self, prompts: Sequence[Prompt], responses: Sequence[str]) -> list[Score]:
        return [
            Score(reward=float(i % 2 and prompt.problem_id in self._with_signal))
            for i, prompt in enumerate(prompts)
        ]

    def close(self) -> None:
        pass


class Training:
    """A training from ``policy`` on, and its trainer."""

    def __init__(
        self,
        policy: Policy,
        algorithm: AnyAlgorithmConfig,
        with_signal: set[str] = EVERY_THIRD,
        *,
        engine: Engine | None = None,
        first_round: int = 0,
        ahead: Mapping[int, Collected] | None = None,
        **training: object,
    ) -> None:
        self.setup: TrainingSetup = make_setup(
            algorithm, group_size=2, sampling={"max_new_tokens": 4}, **training
        )
        self.trainer = LocalTrainer(policy, self.setup)
        self.engine = engine or Engine()
        self.prompts = [
            Prompt(
                problem_id=str(i),
                token_ids=tuple(policy.tokenizer(f"{i}+{i}?")["input_ids"]),
                answer="",
                problem="",
            )
            for i in range(NUM_PROBLEMS)
        ]
        self.rounds: Iterator[RoundResult] = run_rounds(
            self.trainer,
            self.engine,
            self.prompts,
            self.setup,
            Reward(with_signal),
            first_round=first_round,
            last_round=self.setup.training.num_rounds,
            ahead=ahead,
        )

    def own_ids(self, round_index: int) -> list[str]:
        own = prompts_of_round(
            self.prompts, round_index=round_index, prompts_per_round=4, seed=self.setup.seed
        )
        return [prompt.problem_id for prompt in own]

    def state(self) -> list[torch.Tensor]:
        weights = self.trainer.whole_policy().model.state_dict()
        return [*weights.values(), *self.trainer.optimizer_state().values()]


def drawn_ids(result: RoundResult) -> list[str]:
    """Return the problems of a round, in the order in which they were drawn."""
    table = round_to_table(result)
    return table["problem_id"].drop_duplicates().tolist()


@pytest.mark.parametrize(
    ("num_kept", "num_drawn", "expected"),
    [
        (32, 32, 0),
        (24, 32, 11),  # 8 are missing, and 3 of 4 are kept
        (16, 32, 32),
        (8, 32, 32),  # 96 should do: no more than at first
        (0, 32, 32),
        (31, 95, 1),  # 4 should do: one is left
        (31, 96, 0),
        (40, 50, 0),
    ],
)
def test_as_many_prompts_are_drawn_as_should_do_by_the_share_that_is_kept(
    num_kept: int, num_drawn: int, expected: int
) -> None:
    assert expected == num_prompts_to_draw(
        num_wanted=32, num_kept=num_kept, num_drawn=num_drawn, num_extra=64
    )


def test_a_round_draws_until_it_has_its_number_of_groups_with_a_signal(
    tiny_policy: Policy,
) -> None:
    training = Training(tiny_policy, refilled(), EVERY_THIRD | {"1", "4"})
    for index, result in enumerate(training.rounds):
        ids, table = drawn_ids(result), round_to_table(result)
        assert ids[:4] == training.own_ids(index)
        assert len(set(ids)) == len(ids) > 4
        trained = table.loc[table["is_trained"], "problem_id"].drop_duplicates().tolist()
        with_signal = [one for one in ids if one in EVERY_THIRD | {"1", "4"}]
        assert trained == with_signal[:4]
        assert len(trained) == 4
        assert [len(result.updates), result.num_skipped_updates] == [2, 0]
        assert refill_metrics(result, training.setup) == {
            "num_kept_groups": 4,
            "num_missing_groups": 0,
        }
        RoundRolloutTable.validate(table)


def test_what_was_drawn_is_counted(tiny_policy: Policy) -> None:
    training = Training(tiny_policy, refilled())
    first, second = training.rounds
    calls = training.engine.calls
    for result in (first, second):
        metrics = round_metrics(result)
        assert metrics.num_prompts == len(drawn_ids(result)) > 4
        assert metrics.num_rollouts == 2 * metrics.num_prompts
        assert metrics.num_sampled_tokens == round_to_table(result)["num_tokens"].sum()
        mine, calls = calls[: metrics.num_generation_calls], calls[metrics.num_generation_calls :]
        assert [mine[0], sum(mine)] == [4, metrics.num_prompts]
    assert calls == []


@pytest.mark.parametrize(("max_extra_rounds", "num_drawn"), [(1, 8), (2, 12), (9, 12)])
def test_a_round_without_enough_groups_stops_at_its_bound_and_at_the_last_problem(
    tiny_policy: Policy, max_extra_rounds: int, num_drawn: int
) -> None:
    """One problem of all has a signal: where it is drawn, it is the round's only update."""
    training = Training(tiny_policy, refilled(max_extra_rounds), {"7"})
    for result in training.rounds:
        ids = drawn_ids(result)
        assert len(ids) == num_drawn
        filled = refill_metrics(result, training.setup)
        assert filled["num_kept_groups"] == int("7" in ids) == len(result.updates)
        assert filled["num_missing_groups"] == 4 - len(result.updates)
        assert result.num_skipped_updates == 2 - len(result.updates)
        assert np.isfinite(round_metrics(result).kl)


@pytest.mark.parametrize("measured", ["last_mini_batch", "round"])
def test_a_round_that_finds_nothing_leaves_the_policy_alone(
    tiny_policy: Policy, measured: str
) -> None:
    training = Training(tiny_policy, refilled(), set(), measured_rollouts=measured)
    before = [tensor.clone() for tensor in training.state()]
    result = next(training.rounds)
    assert (result.policy_version, result.updates, result.num_skipped_updates) == (0, [], 2)
    assert round_metrics(result).kl == 0
    assert all(map(torch.equal, before, training.state()))


def test_what_a_round_draws_depends_on_no_other_round(tiny_policy: Policy) -> None:
    """Its own problems are those of a training without a refill."""
    whole = list(Training(deepcopy(tiny_policy), refilled(), num_phases=2).rounds)
    alone = Training(deepcopy(tiny_policy), refilled(), num_phases=2, first_round=3)
    assert [drawn_ids(result) for result in alone.rounds] == [drawn_ids(whole[3])]
    plain = make_algorithm(prompt_filter={"low": 0.0, "high": 1.0})
    without = list(Training(tiny_policy, plain, num_phases=2).rounds)
    for result, other in zip(whole, without, strict=True):
        assert drawn_ids(result)[:4] == drawn_ids(other)
        assert "is_trained" not in round_to_table(other)


def test_on_policy_each_cycle_is_filled_and_none_draws_what_another_has(
    tiny_policy: Policy,
) -> None:
    training = Training(
        tiny_policy, refilled(9, kind="on_policy_gradient"), EVERY_THIRD | {"1", "4", "7"}
    )
    for result in training.rounds:
        ids = drawn_ids(result)
        assert len(set(ids)) == len(ids)
        assert len(result.cycles) == 2
        versions = [cycle.sampled_version for cycle in result.cycles]
        assert versions[1] == versions[0] + 1
        for cycle in result.cycles:
            assert cycle.is_trained is not None
            assert cycle.is_trained.sum() == 2 * 2
        assert round_metrics(result).num_generation_calls > 2


def batch_of(kept: Sequence[int]) -> Any:
    """Return rollouts of groups of two whose mean reward is 0 (1) or -1 (0)."""
    rollouts = make_rollouts(num_groups=len(kept), group_size=2)
    rewards = np.array([(1.0 if has_signal else -1.0, -1.0) for has_signal in kept]).reshape(-1)
    return to_batch(
        [
            replace(rollout, reward=float(reward))
            for rollout, reward in zip(rollouts, rewards, strict=True)
        ]
    )


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        # Groups of each mini-batch: kept, dropped.
        ([1, 0, 1, 1, 0, 1], [([0, 2], [1]), ([3, 5], [4])]),
        ([0, 1, 1, 1, 1, 0, 1, 1], [([1, 2], [0]), ([3, 4], [5, 6, 7])]),  # two are too many
        ([0, 1, 0, 1, 1, 0, 0], [([1, 3], [0, 2]), ([4], [5, 6])]),
        ([0, 0, 1, 0], [([2], [0, 1, 3]), ([], [])]),
        ([0, 0, 0], [([], [0, 1, 2]), ([], [])]),
    ],
)
def test_mini_batches_have_the_same_number_of_kept_groups_in_the_order_they_were_drawn(
    kept: list[int], expected: list[tuple[list[int], list[int]]]
) -> None:
    algorithm = refilled(bounds={"low": -1.0})
    parts = mini_batches_of(batch_of(kept), make_setup(algorithm, group_size=2))
    found = [[(rows[::2] // 2).tolist() for rows in (part.kept, part.dropped)] for part in parts]
    assert found == [list(part) for part in expected]


@pytest.mark.parametrize("divide_by", ["kept", "all"])
def test_losses_are_divided_by_what_is_used_or_by_all_that_was_drawn(
    tiny_policy: Policy, divide_by: str
) -> None:
    bounds = {"low": 0.0, "high": 1.0, "divide_by": divide_by}
    norms = {}
    for divisor in ("kept", divide_by):
        training = Training(
            deepcopy(tiny_policy), refilled(bounds={**bounds, "divide_by": divisor}),
            num_mini_batches=1,
        )  # fmt: skip
        result = next(training.rounds)
        norms[divisor] = result.updates[0].gradient_norm
    table = round_to_table(result)
    share = table["is_trained"].mean() if divide_by == "all" else 1.0
    assert 0 < share < 1 or divide_by == "kept"
    assert norms[divide_by] / norms["kept"] == pytest.approx(share, rel=1e-4)


@pytest.mark.parametrize(("lag", "killed_round", "num_whole"), [(0, 2, 2), (1, 2, 1), (2, 3, 1)])
def test_a_training_killed_between_two_draws_goes_on_to_the_same_bytes(
    tiny_policy: Policy, lag: int, killed_round: int, num_whole: int
) -> None:
    """Killed at a round's second draw, which with lag is sampled ahead, in a thread."""
    options: dict[str, Any] = {"rounds_per_phase": 4, "lag": lag}
    whole = Training(deepcopy(tiny_policy), refilled(), **options)
    expected = list(whole.rounds)
    assert all(round_metrics(result).num_generation_calls > 1 for result in expected)
    before = sum(round_metrics(result).num_generation_calls for result in expected[:killed_round])
    engine = Engine(num_calls=before + 1)
    killed = Training(deepcopy(tiny_policy), refilled(), engine=engine, **options)
    num_done, ahead, state = 0, b"", deepcopy(tiny_policy)
    moments: dict[str, torch.Tensor] = {}
    try:
        for result in killed.rounds:
            num_done, ahead = result.round_index, rollouts_to_bytes(result.ahead)
            state = deepcopy(killed.trainer.whole_policy())
            moments = deepcopy(killed.trainer.optimizer_state())
    except Killed:
        pass
    resumed = Training(
        state, refilled(), first_round=num_done, ahead=rollouts_from_bytes(ahead), **options
    )
    resumed.trainer.restore_optimizer(moments)
    found = list(resumed.rounds)
    assert num_done == num_whole
    assert len(found) == 4 - num_done
    for result, other in zip(found, expected[num_done:], strict=True):
        pd.testing.assert_frame_equal(round_to_table(result), round_to_table(other))
        assert _counts(result) == _counts(other)
    assert all(map(torch.equal, resumed.state(), whole.state()))


def _counts(result: RoundResult) -> list[int]:
    metrics = round_metrics(result)
    return [metrics.num_prompts, metrics.num_generation_calls, metrics.staleness_updates]


def test_theory_is_compared_with_the_groups_that_were_trained_on(tiny_policy: Policy) -> None:
    """Neither with those that were dropped nor with those that were too many."""
    training = Training(
        tiny_policy, refilled(), {str(i) for i in range(NUM_PROBLEMS)} - {"2", "5"},
        measured_rollouts="round", prompts_per_round=2,
    )  # fmt: skip
    tables = [round_to_table(result) for result in training.rounds]
    for table in tables:
        table["correct"] = pd.array(table["reward"] > 0, dtype="boolean")
    exact = ExactUpdate(
        method="pmd_mean", tau=0.5, leave_one_out=True, reward_low=0.0, reward_high=1.0,
        prompt_filter=training.setup.algorithm.prompt_filter,
    )  # fmt: skip
    rows = compared_groups("a", 0, tables, exact)
    measured = rows.dropna(subset="measured_log_ratio")
    for number, table in enumerate(tables, start=1):
        trained = set(table.loc[table["is_trained"], "problem_id"])
        assert set(measured.loc[measured["round"] == number, "problem_id"]) == trained
