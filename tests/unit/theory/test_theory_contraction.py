"""Propositions 4.7 and 4.8 (reconstructed): how the failure gap contracts."""

import numpy as np
import pytest

from pmd_pipeline.theory import failure_gap_contraction, run_laboratory, solve_binary

P, TAU = np.meshgrid(np.linspace(0.01, 0.99, 50), np.geomspace(0.02, 5.0, 40))


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 1.0)])
def test_the_factor_is_what_happens_to_the_failure_probability(low, high):
    """``1 - p`` is multiplied by the factor, for both methods and reward scales."""
    factor = failure_gap_contraction(P, TAU, reward_low=low, reward_high=high)
    for method, value in (("pmd_mean", factor.pmd_mean), ("pmd_part", factor.pmd_part)):
        update = solve_binary(P, TAU, method=method, reward_low=low, reward_high=high)
        failure = 1 - update.new_success_probability
        assert failure == pytest.approx((1 - P) * value, abs=1e-14)


def test_pmd_mean_contracts_at_least_by_exp_of_minus_p_over_tau():
    """Proposition 4.7: the bound holds everywhere and is approached exponentially fast."""
    factor = failure_gap_contraction(P, TAU)
    assert (factor.pmd_mean <= factor.pmd_mean_bound).all()  # equal where it underflows
    assert (factor.pmd_mean < factor.pmd_mean_bound)[TAU > 0.1].all()
    small = failure_gap_contraction(0.3, np.array([0.1, 0.05, 0.025, 0.0125]))
    excess = 1 - small.pmd_mean / small.pmd_mean_bound
    assert excess[0] > 0.05
    assert (excess[1:] < 0.25 * excess[:-1]).all()
    assert excess[-1] < 1e-8


def test_pmd_part_contracts_by_its_closed_form():
    """Proposition 4.8: ``1 / (1 + p (exp(1 / tau) - 1))``, faster than PMD-mean everywhere."""
    factor = failure_gap_contraction(P, TAU)
    assert factor.pmd_part == pytest.approx(1 / (1 + P * np.expm1(1 / TAU)), rel=1e-12)
    assert (factor.pmd_part < factor.pmd_mean).all()
    assert failure_gap_contraction(0.2, 0.01).pmd_part == pytest.approx(
        np.exp(-100) / 0.2, rel=1e-12
    )


def test_pmd_mean_is_slow_where_success_is_rare_and_pmd_part_is_not():
    """The rate of PMD-mean is proportional to p, that of PMD-part nearly independent of it."""
    rare, common = failure_gap_contraction(0.02, 0.01), failure_gap_contraction(0.8, 0.01)
    assert np.log(common.pmd_mean) / np.log(rare.pmd_mean) == pytest.approx(40, rel=0.2)
    assert np.log(common.pmd_part) / np.log(rare.pmd_part) == pytest.approx(1.0, rel=0.05)


def test_rounds_of_exact_updates_obey_the_contraction():
    """Over five rounds the gap after is at most the gap before times ``exp(-p / tau)``."""
    for tau in (0.1, 0.5):
        run = run_laboratory([0.1, 0.9], [1.0, 0.0], method="pmd_mean", tau=tau, num_rounds=5)
        p = run.expected_reward[:, 0]
        assert (1 - p[1:] <= (1 - p[:-1]) * np.exp(-p[:-1] / tau) + 1e-15).all()
