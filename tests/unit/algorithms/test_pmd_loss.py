"""The PMD regression loss against checked values and its derivative."""

import pytest
import torch

from pmd_pipeline.algorithms import (
    LossDenominators,
    LossInputs,
    mini_batch_loss,
    pmd_regression_loss,
    sequence_log_ratio,
)
from pmd_pipeline.config.algorithms import PmdMeanConfig


def inputs_of(case) -> LossInputs:
    """Return a checked case as a micro-batch that holds the whole mini-batch."""
    return LossInputs(
        log_probs=torch.tensor(case["log_probs"], dtype=torch.float64, requires_grad=True),
        behaviour_log_probs=torch.tensor(case["old_log_probs"], dtype=torch.float64),
        response_mask=torch.tensor(case["mask"]).bool(),
        advantages=torch.tensor(case["advantages"], dtype=torch.float64),
        rollout_weights=torch.tensor(case["weights"], dtype=torch.float64),
    )


@pytest.mark.parametrize(
    ("length_normalisation", "loss_name", "gradient_name"),
    [
        ("response", "loss_seq_mean_token_mean", "grad_seq_mean_token_mean"),
        ("max", "loss_max_length", "grad_max_length"),
    ],
)
def test_loss_and_gradient_are_the_checked_ones(
    oracles, length_normalisation, loss_name, gradient_name
):
    for case in oracles["pmd_loss"]:
        inputs = inputs_of(case)
        output = mini_batch_loss(
            PmdMeanConfig(tau=case["tau"], length_normalisation=length_normalisation),
            inputs,
            LossDenominators.from_response_mask(
                inputs.response_mask, max_response_tokens=case["max_response_length"]
            ),
        )
        output.loss.backward()
        assert output.loss.item() == pytest.approx(case[loss_name], rel=1e-12, abs=1e-12)
        expected = torch.tensor(case[gradient_name], dtype=torch.float64)
        torch.testing.assert_close(inputs.log_probs.grad, expected, rtol=1e-12, atol=1e-12)
        log_ratio = sequence_log_ratio(
            inputs.log_probs, inputs.behaviour_log_probs, inputs.response_mask
        )
        assert log_ratio.tolist() == pytest.approx(case["seq_log_ratio"], rel=1e-12, abs=1e-12)


def test_the_gradient_reaches_the_logits_as_checked(oracles):
    for case in oracles["pmd_loss_logits"]:
        logits = torch.tensor(case["logits"], dtype=torch.float64, requires_grad=True)
        tokens = torch.tensor(case["tokens"])[:, :, None]
        inputs = LossInputs(
            log_probs=logits.log_softmax(dim=2).gather(2, tokens)[:, :, 0],
            behaviour_log_probs=torch.tensor(case["old_log_probs"], dtype=torch.float64),
            response_mask=torch.tensor(case["mask"]).bool(),
            advantages=torch.tensor(case["advantages"], dtype=torch.float64),
        )
        denominators = LossDenominators.from_response_mask(
            inputs.response_mask, max_response_tokens=2
        )
        output = mini_batch_loss(PmdMeanConfig(tau=case["tau"]), inputs, denominators)
        output.loss.backward()
        assert output.loss.item() == pytest.approx(case["loss_seq_mean_token_mean"], rel=1e-12)
        expected = torch.tensor(case["grad_logits"], dtype=torch.float64)
        torch.testing.assert_close(logits.grad, expected, rtol=1e-12, atol=1e-12)


def test_the_population_loss_of_a_softmax_bandit_has_the_checked_gradient(oracles):
    for case in oracles["population_gradient"]:
        probs = torch.tensor(case["probs"], dtype=torch.float64)
        rewards = torch.tensor(case["rewards"], dtype=torch.float64)
        logits = torch.tensor(case["logits"], dtype=torch.float64, requires_grad=True)
        log_ratio = logits.log_softmax(dim=0) - probs.log()
        losses = pmd_regression_loss(log_ratio, rewards - probs @ rewards, tau=case["tau"])
        loss = probs @ losses
        loss.backward()
        assert loss.item() == pytest.approx(case["loss_half_tau"], rel=1e-12)
        assert logits.grad.tolist() == pytest.approx(case["grad_logits"], rel=1e-12)


def test_the_derivative_in_the_log_ratio_is_tau_times_it_minus_the_advantage():
    log_ratio = torch.tensor([-4.0, 0.0, 0.5, 30.0], dtype=torch.float64, requires_grad=True)
    advantage = torch.tensor([1.0, -2.0, 0.25, 0.0], dtype=torch.float64, requires_grad=True)
    losses = pmd_regression_loss(log_ratio, advantage, tau=0.5)
    losses.sum().backward()
    assert losses.tolist() == [9.0, 4.0, 0.0, 225.0]
    assert log_ratio.grad.tolist() == [-3.0, 2.0, 0.0, 15.0]
    assert advantage.grad is None


def test_on_policy_the_gradient_is_that_of_reinforce_whatever_tau():
    log_probs = torch.tensor([[-1.0, -2.0], [-0.5, 0.0]], dtype=torch.float64)
    mask = torch.tensor([[True, True], [True, False]])
    denominators = LossDenominators.from_response_mask(mask, max_response_tokens=2)
    for tau in (0.01, 1.0, 100.0):
        inputs = LossInputs(
            log_probs=log_probs.clone().requires_grad_(),
            behaviour_log_probs=log_probs,
            response_mask=mask,
            advantages=torch.tensor([3.0, -0.5], dtype=torch.float64),
        )
        mini_batch_loss(PmdMeanConfig(tau=tau), inputs, denominators).loss.backward()
        expected = torch.tensor([[-0.75, -0.75], [0.25, 0.0]], dtype=torch.float64)
        torch.testing.assert_close(inputs.log_probs.grad, expected, rtol=1e-13, atol=0)


@pytest.mark.parametrize(("normalisation", "length"), [("response", 1), ("max", 4)])
def test_an_empty_response_counts_with_a_constant_and_no_gradient(normalisation, length):
    inputs = LossInputs(
        log_probs=torch.tensor([[-1.0, -1.0], [-1.0, -1.0]], requires_grad=True),
        behaviour_log_probs=torch.full((2, 2), -1.0),
        response_mask=torch.tensor([[False, False], [True, True]]),
        advantages=torch.tensor([2.0, 0.0]),
    )
    denominators = LossDenominators.from_response_mask(inputs.response_mask, max_response_tokens=4)
    config = PmdMeanConfig(tau=0.5, length_normalisation=normalisation)
    output = mini_batch_loss(config, inputs, denominators)
    output.loss.backward()
    # tau / 2 * (A / tau) ** 2 = 4 for the empty one of two rollouts
    assert output.loss.item() == pytest.approx(4 / 2 / length)
    assert inputs.log_probs.grad.tolist() == [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("tau", [0.0, -1.0, float("nan")])
def test_a_tau_that_is_not_positive_is_refused(tau):
    with pytest.raises(ValueError, match="tau must be positive"):
        pmd_regression_loss(torch.zeros(2), torch.zeros(2), tau=tau)


@pytest.mark.parametrize("shapes", [((2,), (3,)), ((2,), (2, 1)), ((2, 3), (2,)), ((), ())])
def test_shapes_that_differ_are_refused_instead_of_broadcast(shapes):
    with pytest.raises(ValueError, match="one entry per rollout"):
        pmd_regression_loss(torch.zeros(shapes[0]), torch.zeros(shapes[1]), tau=0.1)
