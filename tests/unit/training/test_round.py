"""A round of a real, tiny policy: what is sampled, updated and measured."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from helpers import make_algorithm, make_setup

from pmd_pipeline.config.algorithms import AnyAlgorithmConfig
from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.config.rewards import MathRewardConfig
from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines.transformers_engine import TransformersEngine
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.records import Prompt
from pmd_pipeline.rewards.choice import reward_for
from pmd_pipeline.training.round import RoundResult
from pmd_pipeline.training.round_metrics import round_metrics
from pmd_pipeline.training.round_table import round_to_table
from pmd_pipeline.training.rounds import run_rounds
from pmd_pipeline.training.trainer import LocalTrainer, Trainer

TEXTS = ["1+2", "12+30", "274+089", "3+4", "5+5", "10+20"]
# The tiny policy is always wrong: what tells its responses apart is their length.
BY_LENGTH = MathRewardConfig(convention="boxed", num_workers=1, overlong_buffer_tokens=10)


def run(
    policy: Policy,
    algorithm: AnyAlgorithmConfig,
    rewards: MathRewardConfig = BY_LENGTH,
    **training: object,
) -> list[RoundResult]:
    setup = dataclasses.replace(make_setup(algorithm, **training), rewards=rewards)
    prompts = [
        Prompt(
            problem_id=text,
            token_ids=tuple(policy.tokenizer(f"{text}?")["input_ids"]),
            answer="3",
            problem=text,
        )
        for text in TEXTS
    ]
    return list(
        run_rounds(
            LocalTrainer(policy, setup),
            TransformersEngine(TransformersEngineConfig()),
            prompts,
            setup,
            reward_for(rewards),
            first_round=0,
            last_round=2,
        )
    )


def test_an_off_policy_round_samples_once_and_updates_per_mini_batch(tiny_policy: Policy) -> None:
    first, second = run(tiny_policy, make_algorithm())
    assert [len(first.cycles), len(first.updates)] == [1, 2]
    assert (first.policy_version, second.policy_version) == (2, 4)
    assert len(first.cycles[0].rollouts) == 16


def test_an_on_policy_round_samples_afresh_for_every_update(tiny_policy: Policy) -> None:
    first, _ = run(tiny_policy, make_algorithm(kind="on_policy_gradient"))
    assert [len(first.cycles), len(first.updates)] == [2, 2]
    assert [len(cycle.rollouts) for cycle in first.cycles] == [8, 8]
    assert round_metrics(first).num_generation_calls == 2


def test_both_see_the_same_prompts_and_begin_with_the_same_rollouts(tiny_policy: Policy) -> None:
    twin = Policy(model=copy.deepcopy(tiny_policy.model), tokenizer=tiny_policy.tokenizer)
    off, _ = run(tiny_policy, make_algorithm())
    on, _ = run(twin, make_algorithm(kind="on_policy_gradient"))
    off_ids = [rollout.problem_id for rollout in off.cycles[0].rollouts]
    on_ids = [rollout.problem_id for cycle in on.cycles for rollout in cycle.rollouts]
    assert off_ids == on_ids
    for a, b in zip(off.cycles[0].rollouts[:8], on.cycles[0].rollouts, strict=True):
        assert a.completion.token_ids == b.completion.token_ids


def test_metrics_and_table_agree(tiny_policy: Policy) -> None:
    result, _ = run(
        tiny_policy,
        make_algorithm(),
        behaviour_log_probs="trainer",
        measured_rollouts="round",
    )
    metrics, table = round_metrics(result), round_to_table(result)
    assert metrics.mean_reward == pytest.approx(table["reward"].mean())
    assert metrics.log_ratio_min == pytest.approx(table["sequence_log_ratio"].min())
    assert metrics.num_rollouts == len(table) == 16
    assert metrics.mean_response_tokens == table["num_tokens"].mean()
    weighted = np.average(table["entropy"], weights=table["num_tokens"])
    assert metrics.entropy == pytest.approx(weighted)
    assert metrics.mismatch_max < 1e-4
    assert np.isnan(metrics.clip_fraction)
    assert (table["behaviour_log_prob"] - table["sampler_log_prob"]).abs().max() < 1e-3
    assert all(np.isfinite(v) for k, v in dataclasses.asdict(metrics).items()
               if k != "clip_fraction" and not k.startswith("theory"))  # fmt: skip


def test_summaries_keep_the_precision_that_log_probs_have(tiny_policy: Policy) -> None:
    result, _ = run(
        tiny_policy,
        make_algorithm(),
        behaviour_log_probs="trainer",
        measured_rollouts="round",
    )
    metrics, (cycle,) = round_metrics(result), result.cycles
    assert cycle.sampler_log_probs is not None
    difference = cycle.trainer_log_probs - cycle.sampler_log_probs
    assert difference.dtype == cycle.sequence_log_ratios.dtype == np.float32
    assert len(difference) == sum(len(r.completion.token_ids) for r in cycle.rollouts)
    assert metrics.mismatch_mean == float(np.abs(difference).mean())
    assert metrics.mismatch_max == float(np.abs(difference).max())
    assert metrics.log_ratio_mean == float(cycle.sequence_log_ratios.mean())


@pytest.mark.parametrize("cut", [{"top_k": 5}, {"top_p": 0.9}])
def test_a_cut_distribution_says_nothing_of_the_sampler(
    tiny_policy: Policy, cut: dict[str, float]
) -> None:
    sampling = SamplingConfig.model_validate({"max_new_tokens": 12, **cut})
    result, _ = run(tiny_policy, make_algorithm(), sampling=sampling)
    metrics = round_metrics(result)
    found = [metrics.mismatch_mean, metrics.mismatch_max, metrics.mismatch_kl]
    assert np.isnan(found).all()
    assert np.isfinite([metrics.kl, metrics.loss, metrics.entropy]).all()


def test_gradient_checkpointing_changes_no_round(tiny_policy: Policy) -> None:
    twin = Policy(model=copy.deepcopy(tiny_policy.model), tokenizer=tiny_policy.tokenizer)
    _, expected = run(tiny_policy, make_algorithm())
    _, found = run(twin, make_algorithm(), gradient_checkpointing=True)
    assert [u.loss for u in found.updates] == pytest.approx(
        [u.loss for u in expected.updates], rel=1e-4
    )


def test_a_bfloat16_policy_trains_and_samples_in_bfloat16(tiny_policy: Policy) -> None:
    tiny_policy.precision = "bfloat16"
    result, _ = run(tiny_policy, make_algorithm())
    metrics = round_metrics(result)
    assert np.isfinite(metrics.loss)
    assert 0 < metrics.mismatch_max < 0.5
    assert next(tiny_policy.model.parameters()).dtype == torch.float32


def test_bfloat16_weights_stay_so_and_are_what_the_sampler_has(tiny_policy: Policy) -> None:
    tiny_policy.precision = "bfloat16"
    for parameter in tiny_policy.model.parameters():
        parameter.data = parameter.data.bfloat16()
    first, second = run(tiny_policy, make_algorithm())
    assert {parameter.dtype for parameter in tiny_policy.model.parameters()} == {torch.bfloat16}
    for result in (first, second):
        metrics = round_metrics(result)
        assert np.isfinite(metrics.loss)
        # Sampler and trainer add up in another order and round to 8 bits: never far apart.
        assert metrics.mismatch_max < 0.5


def test_log_ratios_can_be_measured_on_the_last_mini_batch_alone(tiny_policy: Policy) -> None:
    result, _ = run(tiny_policy, make_algorithm(), measured_rollouts="last_mini_batch")
    measured = ~np.isnan(result.cycles[0].sequence_log_ratios)
    assert measured.tolist() == [False] * 8 + [True] * 8


def test_a_prompt_filter_that_keeps_nothing_leaves_the_policy_alone(tiny_policy: Policy) -> None:
    before = [parameter.clone() for parameter in tiny_policy.model.parameters()]
    # The tiny policy is always wrong, so that every group's mean reward is the lower bound.
    algorithm = make_algorithm(prompt_filter={"low": -1.0, "high": 1.0})
    result, _ = run(tiny_policy, algorithm, MathRewardConfig(num_workers=1))
    assert result.updates == []
    assert result.policy_version == 0
    assert all(map(torch.equal, before, tiny_policy.model.parameters()))
    assert np.isnan(round_metrics(result).gradient_norm)


def test_the_optimizer_is_reset_every_so_many_rounds(
    tiny_policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pmd_pipeline.training import rounds

    states = []
    real = rounds.run_round

    def spy(trainer: Trainer, *args: object, **kw: object) -> object:
        states.append(len(trainer.optimizer_state()))
        return real(trainer, *args, **kw)  # type: ignore[arg-type]

    monkeypatch.setattr(rounds, "run_round", spy)
    run(tiny_policy, make_algorithm(), optimizer={"learning_rate": 1e-3, "reset_every_rounds": 1})
    assert states == [0, 0]
    states.clear()
    run(tiny_policy, make_algorithm())
    assert states[1] > 0


@pytest.mark.parametrize("level", ["sequence", "token"])
def test_importance_weights_of_an_exact_sampler_change_nothing(
    tiny_policy: Policy, level: str
) -> None:
    twin = Policy(model=copy.deepcopy(tiny_policy.model), tokenizer=tiny_policy.tokenizer)
    algorithm = make_algorithm(kind="grpo", baseline="mean")
    plain, _ = run(tiny_policy, algorithm)
    weighted, _ = run(twin, algorithm, importance_weights={"level": level, "cap": 2.0})
    assert weighted.updates[0].loss == pytest.approx(plain.updates[0].loss, abs=1e-4)
