"""Nothing about how a mini-batch is laid out changes its gradient."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from pmd_pipeline.algorithms import LossDenominators, LossInputs, mini_batch_loss
from pmd_pipeline.config.algorithms import (
    GrpoConfig,
    GspoConfig,
    OnPolicyGradientConfig,
    PmdMeanConfig,
    PmdPartConfig,
)

CONFIGS = [
    PmdMeanConfig(tau=0.1),
    PmdMeanConfig(tau=0.1, length_normalisation="max"),
    PmdPartConfig(tau=0.5),
    GrpoConfig(),
    GrpoConfig(aggregation="sequence_mean", clip_high=0.28, dual_clip=1.5),
    GspoConfig(clip_low=0.05, clip_high=0.05),
    OnPolicyGradientConfig(),
    OnPolicyGradientConfig(length_normalisation="max"),
]
EVERY_CONFIG = pytest.mark.parametrize(
    "config", CONFIGS, ids=[f"{number}_{config.kind}" for number, config in enumerate(CONFIGS)]
)
MAX_RESPONSE_TOKENS = 12


def rows_of(inputs: LossInputs, rows: list[int], log_probs: Tensor, width: int) -> LossInputs:
    """Return some rollouts, in the given order, cut or padded with NaN to the given width."""

    def laid_out(values: Tensor, fill: float | bool) -> Tensor:
        wide = torch.nn.functional.pad(values[rows], (0, MAX_RESPONSE_TOKENS), value=fill)
        return wide[:, :width]

    weights = inputs.token_weights
    return LossInputs(
        log_probs=laid_out(log_probs, torch.nan),
        behaviour_log_probs=laid_out(inputs.behaviour_log_probs, torch.nan),
        response_mask=laid_out(inputs.response_mask, False),
        advantages=inputs.advantages[rows],
        rollout_weights=inputs.rollout_weights[rows],
        token_weights=None if weights is None else laid_out(weights, torch.nan),
    )


def whole(config, inputs: LossInputs):
    """Return loss, gradient and clip counts of the mini-batch in one piece."""
    denominators = LossDenominators.from_response_mask(
        inputs.response_mask, max_response_tokens=MAX_RESPONSE_TOKENS
    )
    output = mini_batch_loss(config, inputs, denominators)
    (gradient,) = torch.autograd.grad(output.loss, inputs.log_probs)
    return denominators, output, gradient


@EVERY_CONFIG
@settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(data=st.data())
def test_micro_batches_of_any_size_order_and_width_sum_to_the_same_gradient(
    config, mini_batch, data
):
    denominators, expected, expected_gradient = whole(config, mini_batch)
    rows = data.draw(st.permutations(range(12)))
    cuts = sorted(data.draw(st.sets(st.integers(1, 11), max_size=6)))
    leaf = mini_batch.log_probs.detach().clone().requires_grad_()
    loss = num_clipped = num_clip_units = 0
    for start, end in zip([0, *cuts], [*cuts, 12], strict=True):
        part = rows[start:end]
        longest = int(mini_batch.response_mask[part].sum(dim=1).max())
        width = data.draw(st.integers(max(1, longest), MAX_RESPONSE_TOKENS))
        output = mini_batch_loss(config, rows_of(mini_batch, part, leaf, width), denominators)
        output.loss.backward()
        loss += output.loss.item()
        num_clipped += output.num_clipped.item()
        num_clip_units += output.num_clip_units.item()
    assert loss == pytest.approx(expected.loss.item(), rel=1e-12)
    scale = expected_gradient.abs().max().item()
    torch.testing.assert_close(leaf.grad, expected_gradient, rtol=1e-12, atol=1e-14 * scale)
    assert (num_clipped, num_clip_units) == (expected.num_clipped, expected.num_clip_units)


@EVERY_CONFIG
def test_what_stands_outside_the_responses_reaches_neither_loss_nor_gradient(config, mini_batch):
    mask = mini_batch.response_mask
    if config.takes_token_weights:
        mini_batch = LossInputs(
            log_probs=mini_batch.log_probs,
            behaviour_log_probs=mini_batch.behaviour_log_probs,
            response_mask=mask,
            advantages=mini_batch.advantages,
            rollout_weights=mini_batch.rollout_weights,
            token_weights=torch.ones_like(mini_batch.log_probs).masked_fill(~mask, torch.nan),
        )
    _, output, gradient = whole(config, mini_batch)
    assert torch.isfinite(output.loss)
    assert torch.isfinite(gradient).all()
    assert gradient[~mask].abs().sum() == 0
    assert gradient[mask].abs().sum() > 0


@EVERY_CONFIG
def test_rollout_losses_sum_to_the_loss_and_name_the_rollout_to_blame(config, mini_batch):
    _, output, _ = whole(config, mini_batch)
    assert output.rollout_losses.sum().item() == pytest.approx(output.loss.item(), rel=1e-14)
    assert not output.rollout_losses.requires_grad

    poisoned = mini_batch.log_probs.detach().clone()
    poisoned[5, 0] = torch.nan
    inputs = LossInputs(
        log_probs=poisoned.requires_grad_(),
        behaviour_log_probs=mini_batch.behaviour_log_probs,
        response_mask=mini_batch.response_mask,
        advantages=mini_batch.advantages,
    )
    _, output, _ = whole(config, inputs)
    assert (~torch.isfinite(output.rollout_losses)).nonzero().flatten().tolist() == [5]


@EVERY_CONFIG
def test_a_rollout_of_weight_zero_has_no_gradient_and_twice_the_weight_doubles_it(
    config, mini_batch
):
    _, _, gradient = whole(config, mini_batch)
    inputs = LossInputs(
        log_probs=mini_batch.log_probs,
        behaviour_log_probs=mini_batch.behaviour_log_probs,
        response_mask=mini_batch.response_mask,
        advantages=mini_batch.advantages,
        rollout_weights=mini_batch.rollout_weights * torch.tensor([2.0] + [0.0] * 11),
    )
    _, _, weighed = whole(config, inputs)
    torch.testing.assert_close(weighed[0], 2 * gradient[0], rtol=1e-14, atol=0)
    assert weighed[1:].abs().sum() == 0


@EVERY_CONFIG
def test_a_mini_batch_of_empty_responses_has_a_finite_loss_and_no_gradient(config):
    inputs = LossInputs(
        log_probs=torch.zeros(2, 3, requires_grad=True),
        behaviour_log_probs=torch.zeros(2, 3),
        response_mask=torch.zeros(2, 3, dtype=torch.bool),
        advantages=torch.tensor([1.0, -1.0]),
        rollout_weights=torch.ones(2),
    )
    _, output, gradient = whole(config, inputs)
    assert torch.isfinite(output.loss)
    assert gradient.abs().sum() == 0


@EVERY_CONFIG
def test_float64_advantages_leave_a_float32_loss_in_float32(config, mini_batch):
    inputs = LossInputs(
        log_probs=mini_batch.log_probs.detach().float().requires_grad_(),
        behaviour_log_probs=mini_batch.behaviour_log_probs.float(),
        response_mask=mini_batch.response_mask,
        advantages=mini_batch.advantages,
        rollout_weights=mini_batch.rollout_weights,
    )
    _, exact, _ = whole(config, mini_batch)
    _, output, _ = whole(config, inputs)
    assert output.loss.dtype == torch.float32
    assert output.loss.item() == pytest.approx(exact.loss.item(), rel=1e-5)
