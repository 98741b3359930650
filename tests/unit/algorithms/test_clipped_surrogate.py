"""The clipped surrogate, by token (GRPO) and by sequence (GSPO)."""

import math

import pytest
import torch

from pmd_pipeline.algorithms import (
    LossDenominators,
    LossInputs,
    clipped_surrogate_loss,
    is_clipped,
    mini_batch_loss,
)
from pmd_pipeline.config.algorithms import GrpoConfig, GspoConfig


def loss_of(config, case):
    """Return the output and the gradient of a case."""
    inputs = LossInputs(
        log_probs=torch.tensor(case["log_probs"], dtype=torch.float64, requires_grad=True),
        behaviour_log_probs=torch.tensor(case["old_log_probs"], dtype=torch.float64),
        response_mask=torch.tensor(case["mask"]).bool(),
        advantages=torch.tensor(case["advantages"], dtype=torch.float64),
    )
    denominators = LossDenominators.from_response_mask(inputs.response_mask, max_response_tokens=99)
    output = mini_batch_loss(config, inputs, denominators)
    output.loss.backward()
    return output, inputs.log_probs.grad


@pytest.mark.parametrize(
    ("aggregation", "loss_name", "gradient_name"),
    [
        ("token_mean", "loss_token_mean", "grad_token_mean"),
        ("sequence_mean", "loss_seq_mean_token_mean", "grad_seq_mean_token_mean"),
    ],
)
def test_grpo_gives_the_checked_loss_gradient_and_clip_fraction(
    oracles, aggregation, loss_name, gradient_name
):
    for case in oracles["grpo_loss"]:
        config = GrpoConfig(
            clip_low=case["clip_low"],
            clip_high=case["clip_high"],
            dual_clip=case["dual_clip_c"],
            aggregation=aggregation,
        )
        output, gradient = loss_of(config, case)
        assert output.loss.item() == pytest.approx(case[loss_name], rel=1e-12, abs=1e-12)
        expected = torch.tensor(case[gradient_name], dtype=torch.float64)
        torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-12)
        clip_fraction = output.num_clipped.item() / output.num_clip_units.item()
        assert clip_fraction == pytest.approx(case["clip_fraction"], rel=1e-12)


def test_gspo_gives_the_checked_loss_gradient_and_clip_fraction(oracles):
    for case in oracles["gspo_loss"]:
        config = GspoConfig(clip_low=case["clip_low"], clip_high=case["clip_high"])
        output, gradient = loss_of(config, case)
        assert output.loss.item() == pytest.approx(case["loss"], rel=1e-12, abs=1e-12)
        expected = torch.tensor(case["grad"], dtype=torch.float64)
        torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-12)
        clip_fraction = output.num_clipped.item() / output.num_clip_units.item()
        assert clip_fraction == case["seq_clip_fraction"]


def test_gspo_clips_whole_sequences_by_their_mean_log_ratio():
    """Two rollouts go up by a mean of 0.1, one good and one bad; the empty one is no unit."""
    config = GspoConfig(clip_low=0.05, clip_high=0.05)
    case = {
        "log_probs": [[-1.0, -0.8], [-1.0, -0.8], [0.0, 0.0]],
        "old_log_probs": [[-1.0, -1.0], [-1.0, -1.0], [0.0, 0.0]],
        "mask": [[1, 1], [1, 1], [0, 0]],
        "advantages": [2.0, -1.0, 5.0],
    }
    output, gradient = loss_of(config, case)
    ratio = math.exp(0.1)
    assert output.rollout_losses.tolist() == pytest.approx([-2 * 1.05 / 2, ratio / 2, 0.0])
    assert output.num_clipped.item() == 1
    assert output.num_clip_units.item() == 2
    assert gradient.flatten().tolist() == pytest.approx([0, 0, ratio / 4, ratio / 4, 0, 0])


@pytest.mark.parametrize("dual_clip", [None, 3.0])
def test_the_one_sided_form_equals_the_published_one_with_max(dual_clip):
    ratios = torch.tensor(
        [[0.01, 0.5, 0.79, 0.81, 1.0, 1.27, 1.29, 2.9, 3.1, 50.0]], dtype=torch.float64
    )
    for advantage in (-2.0, -0.1, 0.0, 0.1, 2.0):
        log_ratio = ratios.log().requires_grad_()
        rho = log_ratio.exp()
        expected = torch.maximum(-advantage * rho, -advantage * rho.clamp(0.8, 1.28))
        if dual_clip is not None and advantage < 0:
            expected = expected.clamp(max=-advantage * dual_clip)
        (expected_gradient,) = torch.autograd.grad(expected.sum(), log_ratio)
        bounds = {"clip_low": 0.2, "clip_high": 0.28, "dual_clip": dual_clip}
        advantages = torch.tensor([advantage], dtype=torch.float64)
        loss = clipped_surrogate_loss(log_ratio, advantages, **bounds)
        (gradient,) = torch.autograd.grad(loss.sum(), log_ratio)
        torch.testing.assert_close(loss, expected, rtol=1e-14, atol=0)
        torch.testing.assert_close(gradient, expected_gradient, rtol=1e-14, atol=0)
        clipped = is_clipped(log_ratio, advantages, **bounds)
        assert torch.equal(clipped, (expected_gradient == 0) & (advantages != 0)[:, None])


def test_a_dual_clip_bounds_grpos_loss_stops_its_gradient_and_is_counted():
    """Ratios of 2 and 5 at advantages of -2 and +2: only the bad token beyond 3 is bounded."""
    log_ratios = [[math.log(2), math.log(5)], [math.log(0.9), math.log(5)]]
    case = {
        "log_probs": log_ratios,
        "old_log_probs": [[0.0, 0.0], [0.0, 0.0]],
        "mask": [[1, 1], [1, 1]],
        "advantages": [-2.0, 2.0],
    }
    plain, plain_gradient = loss_of(GrpoConfig(), case)
    dual, gradient = loss_of(GrpoConfig(dual_clip=3.0), case)
    assert plain.rollout_losses.tolist() == pytest.approx([14 / 4, -4.2 / 4], rel=1e-14)
    assert dual.rollout_losses.tolist() == pytest.approx([10 / 4, -4.2 / 4], rel=1e-14)
    assert plain_gradient.flatten().tolist() == pytest.approx([1.0, 2.5, -0.45, 0.0], rel=1e-14)
    assert gradient.flatten().tolist() == pytest.approx([1.0, 0.0, -0.45, 0.0], rel=1e-14)
    assert (plain.num_clipped.item(), dual.num_clipped.item()) == (1, 2)


@pytest.mark.parametrize(("advantage", "expected"), [(2.0, -3.0), (0.0, 0.0)])
def test_a_ratio_beyond_any_float_costs_nothing_where_it_is_clipped(advantage, expected):
    log_ratio = torch.tensor([[1000.0, -1000.0]], requires_grad=True)
    loss = clipped_surrogate_loss(log_ratio, torch.tensor([advantage]), clip_low=0.2, clip_high=0.5)
    loss.sum().backward()
    assert loss.tolist() == [[expected, 0.0]]
    assert log_ratio.grad.tolist() == [[0.0, 0.0]]


def test_a_ratio_beyond_any_float_shows_as_an_infinite_loss_where_nothing_clips_it():
    loss = clipped_surrogate_loss(
        torch.tensor([[1000.0]]), torch.tensor([-2.0]), clip_low=0.2, clip_high=0.5
    )
    assert loss.item() == math.inf


def test_a_low_clip_of_one_never_clips_from_below():
    log_ratio = torch.tensor([[-20.0]], requires_grad=True)
    loss = clipped_surrogate_loss(log_ratio, torch.tensor([-1.0]), clip_low=1.0, clip_high=0.2)
    assert loss.item() == pytest.approx(math.exp(-20), rel=1e-6)


def test_a_nan_log_ratio_is_not_hidden_by_clipping():
    loss = clipped_surrogate_loss(
        torch.tensor([[math.nan]]), torch.tensor([1.0]), clip_low=0.2, clip_high=0.2
    )
    assert math.isnan(loss.item())


@pytest.mark.parametrize(
    "bounds",
    [
        {"clip_low": 0.0, "clip_high": 0.2},
        {"clip_low": 1.1, "clip_high": 0.2},
        {"clip_low": 0.2, "clip_high": 0.0},
        {"clip_low": 0.2, "clip_high": math.inf},
        {"clip_low": 0.2, "clip_high": 0.2, "dual_clip": 1.0},
    ],
)
def test_bounds_out_of_range_are_refused(bounds):
    with pytest.raises(ValueError, match="clip"):
        clipped_surrogate_loss(torch.zeros(1, 1), torch.zeros(1), **bounds)


@pytest.mark.parametrize("shapes", [((2,), (2,)), ((2, 3), (3,)), ((2, 3), (2, 3))])
def test_shapes_that_do_not_fit_are_refused(shapes):
    with pytest.raises(ValueError, match="must be"):
        clipped_surrogate_loss(
            torch.zeros(shapes[0]), torch.zeros(shapes[1]), clip_low=0.2, clip_high=0.2
        )
