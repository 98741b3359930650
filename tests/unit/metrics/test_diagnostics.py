import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmd_pipeline.metrics import diagnostics

LOG_RATIOS = st.lists(st.floats(-50, 50), min_size=1, max_size=20)


def test_group_pass_rates_are_shares_by_group() -> None:
    correct, groups = [True, False, True, True, False], ["b", "a", "b", "a", "b"]
    np.testing.assert_allclose(diagnostics.group_pass_rates(correct, groups), [1 / 2, 2 / 3])
    assert diagnostics.group_pass_rate(correct, groups) == pytest.approx(7 / 12)


def test_groups_of_equal_rewards_carry_no_signal() -> None:
    rewards = [1.0, 1.0, -1.0, 1.0, -1.0, -1.0, 0.5]
    assert diagnostics.no_signal_fraction(rewards, [0, 0, 1, 1, 2, 2, 9]) == 0.75


def test_log_ratios_are_summarised() -> None:
    assert diagnostics.summarise_log_ratios([-3.0, 1.0, 0.5]) == (-3.0, -0.5, 1.0)


def test_divergences_of_a_known_pair_of_distributions() -> None:
    # behaviour p = (1/2, 1/4, 1/4), policy q = (1/4, 1/4, 1/2); a sample that mirrors p exactly
    s = np.log([0.5, 0.5, 1.0, 2.0])
    kl = 0.25 * np.log(0.5) + 0.5 * np.log(2.0)
    reverse = -(0.5 * np.log(0.5) + 0.25 * np.log(2.0))
    for estimator in ("k1", "k3"):
        assert diagnostics.kl_estimate(s, estimator) == pytest.approx(kl, rel=1e-14)
        assert diagnostics.reverse_kl_estimate(s, estimator) == pytest.approx(reverse, rel=1e-14)
    assert diagnostics.chi_squared_estimate(s) == pytest.approx(0.5 * 0.25 + 0.25 * 1.0, rel=1e-14)


def test_estimators_of_one_divergence_agree_in_expectation() -> None:
    # log-ratios of two Gaussians with means 0 and 1/2: both divergences are 1/8
    x = np.random.default_rng(0).normal(0.0, 1.0, 400_000)
    s = 0.5 * x - 0.125
    for estimate in (diagnostics.kl_estimate, diagnostics.reverse_kl_estimate):
        for estimator in ("k1", "k3"):
            assert estimate(s, estimator) == pytest.approx(0.125, abs=0.005)
    assert diagnostics.chi_squared_estimate(s) == pytest.approx(np.expm1(0.25), abs=0.01)


@given(LOG_RATIOS)
def test_k3_estimates_and_chi_squared_are_never_negative(s: list[float]) -> None:
    assert diagnostics.kl_estimate(s, "k3") >= -1e-12
    assert diagnostics.reverse_kl_estimate(s, "k3") >= -1e-12
    assert diagnostics.chi_squared_estimate(s) >= 0


def test_unmoved_policy_has_no_divergence() -> None:
    zeros = np.zeros(5)
    assert diagnostics.kl_estimate(zeros) == 0
    assert str(diagnostics.reverse_kl_estimate(zeros)) == "0.0"
    assert diagnostics.chi_squared_estimate(zeros) == 0


def test_small_log_ratios_keep_their_digits() -> None:
    s = [1e-6]
    assert diagnostics.kl_estimate(s, "k3") == pytest.approx(5e-13, rel=1e-3)
    assert diagnostics.chi_squared_estimate(s) == pytest.approx(1e-12, rel=1e-5)


def test_huge_log_ratios_give_infinity_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for s in ([800.0, -1.0], [800.0]):
            assert diagnostics.kl_estimate(s, "k1") == np.inf
            assert diagnostics.kl_estimate(s, "k3") == np.inf
            assert diagnostics.reverse_kl_estimate(s, "k3") == np.inf
            assert diagnostics.chi_squared_estimate(s) == np.inf
        assert diagnostics.reverse_kl_estimate([800.0, -1.0]) == -399.5
        assert diagnostics.kl_estimate([-800.0]) == pytest.approx(1.0)
        assert diagnostics.chi_squared_estimate([-800.0]) == 1.0


def test_mismatch_looks_at_response_tokens_only() -> None:
    sampler = np.array([[-1.0, -2.0, 7.0], [-0.5, 9.0, 9.0]], dtype=np.float32)
    trainer = np.array([[-1.5, -2.0, -np.inf], [-0.25, 0.0, 0.0]], dtype=np.float32)
    mask = np.array([[True, True, False], [True, False, False]])
    found = diagnostics.measure_sampler_mismatch(sampler, trainer, mask)
    assert found.mean == 0.25
    assert found.max == 0.5
    expected = ((np.exp(-0.5) - 1 + 0.5) + 0.0 + (np.exp(0.25) - 1 - 0.25)) / 3
    assert found.kl == pytest.approx(expected, rel=1e-14)
    assert diagnostics.mismatch_kl_estimate([-0.5, 0.0, 0.25]) == found.kl


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: diagnostics.group_pass_rates([True], [1, 2]), r"shapes \(1,\) and \(2,\)"),
        (lambda: diagnostics.no_signal_fraction([], []), "no rollout"),
        (lambda: diagnostics.kl_estimate([]), "at least one value"),
        (lambda: diagnostics.kl_estimate([0.0, np.nan]), "nan at position 1"),
        (lambda: diagnostics.reverse_kl_estimate([-np.inf]), "-inf at position 0"),
        (lambda: diagnostics.kl_estimate([0.0], "k2"), "'k2'"),
        (lambda: diagnostics.chi_squared_estimate([[0.0]]), r"shape \(1, 1\)"),
        (lambda: diagnostics.measure_sampler_mismatch([0.0], [0.0], [False]), r"shape \(0,\)"),
        (lambda: diagnostics.measure_sampler_mismatch([0.0], [0.0, 1.0], [True]), "must be equal"),
    ],
)
def test_unusable_input_is_refused(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        call()
