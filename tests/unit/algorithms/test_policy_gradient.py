"""The on-policy gradient."""

import pytest
import torch

from pmd_pipeline.algorithms import (
    LossDenominators,
    LossInputs,
    mini_batch_loss,
    policy_gradient_loss,
)
from pmd_pipeline.config.algorithms import OnPolicyGradientConfig, PmdMeanConfig


def test_the_loss_of_a_token_is_its_log_prob_times_minus_the_advantage():
    losses = policy_gradient_loss(
        torch.tensor([[-1.0, -2.0], [-4.0, 0.0]]), torch.tensor([3.0, -1])
    )
    assert losses.tolist() == [[3.0, 6.0], [-4.0, 0.0]]


@pytest.mark.parametrize("length_normalisation", ["response", "max"])
def test_its_gradient_is_that_of_pmd_at_the_behaviour_policy(mini_batch, length_normalisation):
    """REINFORCE is the first step of PMD, whatever tau."""
    denominators = LossDenominators.from_response_mask(
        mini_batch.response_mask, max_response_tokens=11
    )
    gradients = []
    for config in (
        OnPolicyGradientConfig(length_normalisation=length_normalisation),
        PmdMeanConfig(tau=0.3, length_normalisation=length_normalisation),
    ):
        inputs = LossInputs(
            log_probs=mini_batch.behaviour_log_probs.clone().requires_grad_(),
            behaviour_log_probs=mini_batch.behaviour_log_probs,
            response_mask=mini_batch.response_mask,
            advantages=mini_batch.advantages,
        )
        mini_batch_loss(config, inputs, denominators).loss.backward()
        gradients.append(inputs.log_probs.grad)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-13, atol=0)
    assert gradients[0].abs().sum() > 0


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"advantage must be \[2\]"):
        policy_gradient_loss(torch.zeros(2, 3), torch.zeros(3))
    with pytest.raises(ValueError, match=r"log_probs must be \[B, T\]"):
        policy_gradient_loss(torch.zeros(2), torch.zeros(2))
