"""One update: the micro-batch size, the order and the padding change nothing; NaN stops it."""

import copy
from dataclasses import replace

import pytest
import torch
from helpers import make_algorithm, make_rollouts, make_setup

from pmd_pipeline.algorithms import advantages_of, rollout_weights
from pmd_pipeline.config.algorithms import AnyAlgorithmConfig
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.rollouts.batch import to_batch
from pmd_pipeline.training.optimizer import build_optimizer
from pmd_pipeline.training.passes import batch_log_probs
from pmd_pipeline.training.setup import TrainingSetup
from pmd_pipeline.training.update import (
    NonFiniteUpdateError,
    TrainingBatch,
    update_policy,
)


def algorithms() -> list[AnyAlgorithmConfig]:
    return [
        make_algorithm(kind="pmd_mean"),
        make_algorithm(kind="pmd_mean", length_normalisation="max", partition_weights=True),
        make_algorithm(kind="pmd_part"),
        make_algorithm(kind="grpo"),
        make_algorithm(kind="grpo", aggregation="sequence_mean"),
        make_algorithm(kind="gspo"),
        make_algorithm(kind="on_policy_gradient"),
    ]


def training_batch(policy: Policy, setup: TrainingSetup, shift: float = 0.05) -> TrainingBatch:
    """Return rollouts whose behaviour policy differs a little, so that no ratio is 1."""
    rollouts = make_rollouts()
    batch = to_batch(rollouts)
    log_probs = batch_log_probs(policy, batch, setup).log_probs
    noise = torch.randn(log_probs.shape, generator=torch.Generator().manual_seed(0))
    return TrainingBatch(
        rollouts=batch,
        names=[f"{rollout.problem_id}#{rollout.sample_index}" for rollout in rollouts],
        behaviour_log_probs=(log_probs + shift * noise) * batch.response_mask,
        advantages=advantages_of(setup.algorithm, batch.rewards, batch.group_ids),
        rollout_weights=rollout_weights(setup.algorithm, batch.rewards, batch.group_ids),
    )


def gradients_of(policy: Policy, setup: TrainingSetup) -> tuple[float, list[torch.Tensor]]:
    """Return the loss and the gradients (before clipping) of one update of a copy."""
    copied = Policy(model=copy.deepcopy(policy.model), tokenizer=policy.tokenizer)
    batch = training_batch(copied, setup)
    result = update_policy(
        copied, build_optimizer(copied, setup.optimizer), batch, torch.arange(16), setup, where=""
    )
    scale = max(1.0, result.gradient_norm / setup.optimizer.max_gradient_norm)
    return result.loss, [p.grad * scale for p in copied.model.parameters()]


@pytest.mark.parametrize("algorithm", algorithms(), ids=lambda a: f"{a.kind}")
@pytest.mark.parametrize("micro_batch_tokens", [1, 40, 100])
def test_the_micro_batch_size_never_changes_loss_or_gradient(
    tiny_policy: Policy, algorithm: AnyAlgorithmConfig, micro_batch_tokens: int
) -> None:
    tiny_policy.model.double()
    setup = make_setup(algorithm, micro_batch_tokens=10**6)
    loss, whole = gradients_of(tiny_policy, setup)
    small = replace(
        setup,
        training=setup.training.model_copy(update={"micro_batch_tokens": micro_batch_tokens}),
    )
    small_loss, parts = gradients_of(tiny_policy, small)
    assert small_loss == pytest.approx(loss, rel=1e-5, abs=1e-7)
    largest = max(gradient.abs().max().item() for gradient in whole)
    for expected, found in zip(whole, parts, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5 * largest)


def test_gradient_checkpointing_changes_no_gradient(tiny_policy: Policy) -> None:
    setup = make_setup(make_algorithm())
    _, expected = gradients_of(tiny_policy, setup)
    checkpointed = make_setup(make_algorithm(), gradient_checkpointing=True)
    tiny_policy.model.gradient_checkpointing_enable({"use_reentrant": False})
    num_passes = 0

    def count(*_: object) -> None:
        nonlocal num_passes
        num_passes += torch.is_grad_enabled()

    tiny_policy.model.base_model.layers[0].register_forward_pre_hook(count)
    _, found = gradients_of(tiny_policy, checkpointed)
    assert num_passes == 2  # the backward pass ran the layer again
    for a, b in zip(expected, found, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-6, atol=1e-8)


def test_packing_changes_neither_loss_nor_gradient(tiny_policy: Policy) -> None:
    padded = make_setup(make_algorithm(), micro_batch_tokens=40)
    loss, expected = gradients_of(tiny_policy, padded)
    packed = make_setup(make_algorithm(), micro_batch_tokens=40, packing=True)
    packed_loss, found = gradients_of(tiny_policy, packed)
    assert packed_loss == pytest.approx(loss, rel=1e-5)
    for a, b in zip(expected, found, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-5, atol=1e-6)


def test_a_nan_names_round_mini_batch_and_rollout_and_leaves_the_policy(
    tiny_policy: Policy,
) -> None:
    setup = make_setup(make_algorithm())
    batch = training_batch(tiny_policy, setup)
    batch.behaviour_log_probs[5, 0] = torch.nan
    before = {k: v.clone() for k, v in tiny_policy.model.state_dict().items()}
    with pytest.raises(
        NonFiniteUpdateError, match=r"round 3, mini-batch 2: the loss is nan.*problem-1#1 \("
    ):
        update_policy(
            tiny_policy,
            build_optimizer(tiny_policy, setup.optimizer),
            batch,
            torch.arange(16),
            setup,
            where="a, round 3, mini-batch 2",
        )
    assert tiny_policy.policy_version == 0
    assert all(torch.equal(before[k], v) for k, v in tiny_policy.model.state_dict().items())


def test_an_update_counts_one_policy_version(tiny_policy: Policy) -> None:
    setup = make_setup(make_algorithm())
    optimizer = build_optimizer(tiny_policy, setup.optimizer)
    batch = training_batch(tiny_policy, setup)
    update_policy(tiny_policy, optimizer, batch, torch.arange(8), setup, where="")
    assert tiny_policy.policy_version == 1


def test_pmd_moves_right_responses_up_and_wrong_ones_down(tiny_policy: Policy) -> None:
    setup = make_setup(make_algorithm())
    optimizer = build_optimizer(tiny_policy, setup.optimizer)
    batch = training_batch(tiny_policy, setup, shift=0.0)
    for _ in range(20):
        update_policy(tiny_policy, optimizer, batch, torch.arange(16), setup, where="")
    after = batch_log_probs(tiny_policy, batch.rollouts, setup).log_probs
    log_ratio = (after - batch.behaviour_log_probs).sum(dim=1)
    right = batch.rollouts.rewards > 0
    assert log_ratio[right].mean() > 0 > log_ratio[~right].mean()
