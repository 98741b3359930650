"""What rounds aim at whose rollouts an earlier policy has sampled: docs/lag.md."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import make_algorithm, make_setup
from torch import Tensor

from pmd_pipeline.algorithms import (
    LossDenominators,
    LossInputs,
    advantages_of,
    mini_batch_loss,
    sequence_importance_weights,
)
from pmd_pipeline.theory import solve_pmd_mean, solve_pmd_part
from pmd_pipeline.training.theory_in_the_loop import exact_update_of, theory_metrics

TAU = 0.5
BASELINES = {"pmd_mean": "mean", "pmd_part": "log_partition"}
SOLVE: dict[str, Any] = {"pmd_mean": solve_pmd_mean, "pmd_part": solve_pmd_part}


class StaleGroup:
    """A group in which each action is as frequent as the stale policy has it; float64.

    So what the group estimates is exact: its baseline is that of the stale policy.

    Args:
        kind: The algorithm.
        stale: The policy that sampled, [K].
        now: The policy at the round's start, [K].
        rewards: Of the actions, [K].
        size: Rollouts.
    """

    def __init__(
        self, kind: str, stale: list[float], now: list[float], rewards: list[float], size: int = 10
    ) -> None:
        self.stale, self.now = np.array(stale), np.array(now)
        self.action_rewards = np.array(rewards)
        self.algorithm = make_algorithm(kind=kind, tau=TAU, baseline=BASELINES[kind])
        counts = np.round(self.stale * size).astype(int)
        self.actions = np.repeat(np.arange(len(stale)), counts)
        assert len(self.actions) == size
        self.rewards = torch.tensor(self.action_rewards[self.actions])
        self.mask = torch.ones(size, 1, dtype=torch.bool)

    def fixed_point(self, *, cap: float | None = None) -> np.ndarray:
        """Return the policy with the least loss, [K], begun at the policy of now.

        Args:
            cap: Of importance weights, with which log-ratios begin at the policy of now; None:
                they begin at the policy that sampled.
        """
        stale, now = (
            self._log_probs(torch.tensor(probs).log()) for probs in (self.stale, self.now)
        )
        weights = None
        if cap is not None:
            weights = sequence_importance_weights(now, stale, self.mask, cap=cap)
        logits = torch.tensor(self.now).log().requires_grad_()
        optimizer = torch.optim.LBFGS(
            [logits],
            max_iter=500,
            tolerance_grad=1e-13,
            tolerance_change=0.0,
            line_search_fn="strong_wolfe",
        )

        def loss() -> Tensor:
            optimizer.zero_grad()
            result = mini_batch_loss(
                self.algorithm,
                LossInputs(
                    log_probs=self._log_probs(logits.log_softmax(dim=0)),
                    behaviour_log_probs=stale if cap is None else now,
                    response_mask=self.mask,
                    advantages=advantages_of(
                        self.algorithm,
                        self.rewards,
                        torch.zeros(len(self.actions), dtype=torch.int64),
                    ),
                    rollout_weights=weights,
                ),
                LossDenominators.from_response_mask(self.mask, max_response_tokens=1),
            ).loss
            result.backward()
            return result

        optimizer.step(loss)
        return np.asarray(logits.detach().softmax(dim=0).numpy())

    def _log_probs(self, of_actions: Tensor) -> Tensor:
        return of_actions[torch.tensor(self.actions)][:, None]


@pytest.mark.parametrize("kind", ["pmd_mean", "pmd_part"])
def test_stale_rollouts_lead_to_the_exact_step_from_the_policy_that_sampled(kind: str) -> None:
    """Wherever the policy of now is: its own step is another one."""
    rewards = [1.0, -1.0, 0.5]
    group = StaleGroup(kind, [0.2, 0.5, 0.3], [0.4, 0.2, 0.4], rewards)
    found = group.fixed_point()
    np.testing.assert_allclose(found, SOLVE[kind](group.stale, rewards, TAU).probs, rtol=1e-6)
    assert abs(found[0] - SOLVE[kind](group.now, rewards, TAU).probs[0]) > 0.05


def test_theory_in_the_loop_predicts_and_measures_from_the_policy_that_sampled() -> None:
    """At that fixed point the whole way is gone; what a large group estimates is nearly exact."""
    group = StaleGroup("pmd_mean", [0.25, 0.75], [0.5, 0.5], [1.0, -1.0], size=4000)
    log_ratios = np.log(group.fixed_point() / group.stale)
    rollouts = pd.DataFrame(
        {
            "round": 1,
            "problem_id": "one",
            "correct": group.actions == 0,
            "reward": group.rewards.numpy(),
            "sequence_log_ratio": log_ratios[group.actions],
        }
    )
    metrics = theory_metrics(rollouts, exact_update_of(group.algorithm, (-1.0, 1.0)))
    assert metrics["theory_slope"] == pytest.approx(1.0, abs=1e-3)
    assert metrics["theory_implied_lam"] == pytest.approx(metrics["theory_predicted_lam"], rel=1e-3)


@pytest.mark.parametrize(
    ("kind", "cap", "success"),
    [
        ("pmd_mean", 1.0, 0.822),
        ("pmd_mean", 2.0, 0.847),
        ("pmd_mean", 100.0, 0.856),
        ("pmd_part", 1.0, 0.958),
        ("pmd_part", 2.0, 0.959),
        ("pmd_part", 100.0, 0.959),
    ],
)
def test_importance_weights_lead_to_a_policy_between_both_steps(
    kind: str, cap: float, success: float
) -> None:
    """One in five right when sampled, one in two now; the stale baseline holds the step back.

    It obeys ``s + lam * max(1, weight / cap) * exp(s) = (r - stale baseline) / tau``.
    """
    rewards = [1.0, -1.0]
    group = StaleGroup(kind, [0.2, 0.8], [0.5, 0.5], rewards)
    found = group.fixed_point(cap=cap)
    assert found[0] == pytest.approx(success, abs=5e-4)
    from_stale, from_now = (SOLVE[kind](p, rewards, TAU) for p in (group.stale, group.now))
    assert from_stale.probs[0] < found[0] < from_now.probs[0]

    log_ratios = np.log(found / group.now)
    targets = (group.action_rewards - from_stale.baseline) / TAU
    held_back = np.maximum(1.0, group.now / group.stale / cap) * found / group.now
    lam = (targets - log_ratios) / held_back
    assert lam[0] == pytest.approx(lam[1], rel=1e-5)
    if cap == 100.0:  # nothing is truncated: PMD from the policy of now with another baseline
        known = solve_pmd_mean(group.now, rewards, TAU, baseline=from_stale.baseline)
        np.testing.assert_allclose(found, known.probs, rtol=1e-6)
        assert lam[0] == pytest.approx(known.lam, rel=1e-5)


@pytest.mark.parametrize("lag", [0, 1, 4])
def test_rounds_that_are_carried_out_exactly_advance_one_chain_in_turn(lag: int) -> None:
    """After 20 rounds a policy has seen 20 / (lag + 1) steps of PMD-part."""
    setup = make_setup(make_algorithm(), num_phases=1, rounds_per_phase=20, lag=lag)
    assert advance(setup, 1.0)[-1] == pytest.approx(20 / (lag + 1))


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("lag", [0, 1, 4])
def test_rounds_that_go_a_share_of_the_way_are_slower_by_what_the_anchor_is_behind(
    lag: int, share: float
) -> None:
    """A round of PMD-part advances by share / (1 + share * lag) exact steps."""
    setup = make_setup(make_algorithm(), num_phases=1, rounds_per_phase=400, lag=lag)
    log_odds = advance(setup, share)
    over = 2 * (lag + 1) * 10  # whole turns of all chains
    speed = (log_odds[-1] - log_odds[-1 - over]) / over
    assert speed == pytest.approx(share / (1 + share * lag), rel=1e-6)
    # Measured from the anchor, as theory in the loop does.
    slope = np.mean(log_odds[-over:] - log_odds[-over - lag - 1 : -lag - 1])
    assert slope == pytest.approx((lag + 1) * share / (1 + share * lag), rel=1e-6)


def advance(setup: Any, share: float) -> np.ndarray:
    """Return the log-odds before the first round and after each, in exact steps of PMD-part.

    An exact step adds 1; a round goes a share of the way to a step from its anchor.
    """
    log_odds = [0.0]
    for index in range(setup.training.num_rounds):
        anchor = log_odds[index - setup.staleness_rounds(index)]
        log_odds.append((1 - share) * log_odds[-1] + share * (anchor + 1))
    return np.array(log_odds)
