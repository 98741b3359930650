"""Each kind of algorithm asks for the advantages, weights and loss that its name promises."""

import pytest
import torch

from pmd_pipeline.algorithms import (
    LossDenominators,
    LossInputs,
    advantages_of,
    compute_advantages,
    mini_batch_loss,
    partition_weights,
    rollout_weights,
)
from pmd_pipeline.config.algorithms import (
    GrpoConfig,
    GspoConfig,
    OnPolicyGradientConfig,
    PmdMeanConfig,
    PmdPartConfig,
)

REWARDS = torch.tensor([1.0, -1.0, -1.0, 1.0, -1.0], dtype=torch.float64)
GROUP_IDS = torch.tensor([0, 0, 0, 1, 1])


@pytest.mark.parametrize(
    ("config", "baseline"),
    [
        (PmdMeanConfig(tau=0.2), "leave_one_out_mean"),
        (PmdMeanConfig(tau=0.2, baseline="mean"), "mean"),
        (PmdPartConfig(tau=0.2), "leave_one_out_log_partition"),
        (PmdPartConfig(tau=0.2, baseline="log_partition"), "log_partition"),
        (GrpoConfig(), "group_standardised"),
        (GspoConfig(), "group_standardised"),
        (OnPolicyGradientConfig(), "leave_one_out_mean"),
    ],
)
def test_advantages_use_the_configured_baseline_and_tau(config, baseline):
    expected = compute_advantages(REWARDS, GROUP_IDS, baseline=baseline, tau=0.2)
    assert torch.equal(advantages_of(config, REWARDS, GROUP_IDS), expected)


def test_rollout_weights_are_ones_unless_partition_weights_are_on():
    off = rollout_weights(PmdMeanConfig(tau=0.2), REWARDS, GROUP_IDS)
    assert torch.equal(off, torch.ones_like(REWARDS))
    on = rollout_weights(PmdPartConfig(tau=0.2, partition_weights=True), REWARDS, GROUP_IDS)
    assert torch.equal(on, partition_weights(REWARDS, GROUP_IDS, tau=0.2))
    assert on[0] > 2.9


def test_token_weights_multiply_each_tokens_gradient(mini_batch):
    weights = torch.rand(12, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    denominators = LossDenominators.from_response_mask(
        mini_batch.response_mask, max_response_tokens=9
    )
    for config in (GrpoConfig(), GrpoConfig(aggregation="sequence_mean"), OnPolicyGradientConfig()):
        gradients = []
        for token_weights in (None, weights):
            inputs = LossInputs(
                log_probs=mini_batch.log_probs,
                behaviour_log_probs=mini_batch.behaviour_log_probs,
                response_mask=mini_batch.response_mask,
                advantages=mini_batch.advantages,
                token_weights=token_weights,
            )
            loss = mini_batch_loss(config, inputs, denominators).loss
            gradients.append(torch.autograd.grad(loss, mini_batch.log_probs)[0])
        torch.testing.assert_close(gradients[1], weights * gradients[0], rtol=1e-13, atol=0)


@pytest.mark.parametrize("config", [PmdMeanConfig(tau=1.0), PmdPartConfig(tau=1.0), GspoConfig()])
def test_losses_on_whole_sequences_refuse_token_weights(config, mini_batch):
    inputs = LossInputs(
        log_probs=mini_batch.log_probs,
        behaviour_log_probs=mini_batch.behaviour_log_probs,
        response_mask=mini_batch.response_mask,
        advantages=mini_batch.advantages,
        token_weights=torch.ones(12, 9),
    )
    denominators = LossDenominators.from_response_mask(
        mini_batch.response_mask, max_response_tokens=9
    )
    with pytest.raises(ValueError, match=f"{config.kind} has one loss per sequence"):
        mini_batch_loss(config, inputs, denominators)


def test_only_losses_that_clip_count_units_of_clipping(mini_batch):
    denominators = LossDenominators.from_response_mask(
        mini_batch.response_mask, max_response_tokens=9
    )
    counts = {
        config.kind: mini_batch_loss(config, mini_batch, denominators).num_clip_units.item()
        for config in (PmdMeanConfig(tau=1.0), GrpoConfig(), GspoConfig(), OnPolicyGradientConfig())
    }
    assert counts == {"pmd_mean": 0, "grpo": 46, "gspo": 10, "on_policy_gradient": 0}
