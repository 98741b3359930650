"""The solvers against 60-digit cases."""

import json
from pathlib import Path

import pytest

from pmd_pipeline.theory import baseline_moments, solve_pmd_mean, solve_pmd_part

ORACLE = json.loads(
    (Path(__file__).parents[2] / "fixtures" / "oracles" / "pmd_cases.json").read_text("utf-8")
)
SOLVERS = {"pmd_mean": solve_pmd_mean, "pmd_part": solve_pmd_part}


@pytest.mark.parametrize(
    "case", ORACLE["population"], ids=lambda case: f"{case['kind']}-{case['name']}"
)
def test_population_update_agrees_with_sixty_digits(case):
    """Log-ratios to 1e-12 relative, lambda and everything derived from them to 1e-12."""
    solution = SOLVERS[case["kind"]](case["probs"], case["rewards"], case["tau"])
    close = {"rel": 1e-12, "abs": 1e-16}
    assert solution.log_ratios == pytest.approx(case["log_ratios"], **close)
    assert solution.probs == pytest.approx(case["solution"], **close)
    assert solution.lam == pytest.approx(case["lambda"], **close)
    assert solution.log_partition == pytest.approx(case["log_partition"], **close)
    assert solution.kl == pytest.approx(case["kl"], **close)
    assert solution.reverse_kl == pytest.approx(case["reverse_kl"], **close)
    assert solution.chi2 == pytest.approx(case["chi2"], **close)
    assert solution.mean_reward == pytest.approx(case["mean_reward"], **close)
    assert solution.expected_reward == pytest.approx(case["new_mean_reward"], **close)
    assert solution.mixed_objective == pytest.approx(case["objective_kl_chi2"], **close)


@pytest.mark.parametrize(
    "case", ORACLE["estimator_moments"], ids=lambda case: f"p{case['p']}-n{case['n']}-{case['tau']}"
)
@pytest.mark.parametrize(
    ("baseline", "key"),
    [
        ("mean", "mean"),
        ("leave_one_out_mean", "loo_mean"),
        ("log_partition", "log_partition"),
        ("leave_one_out_log_partition", "loo_log_partition"),
    ],
)
def test_baseline_moments_agree_with_sixty_digits(case, baseline, key):
    """Conditional means, variances, biases and the squared error of every baseline."""
    moments = baseline_moments(case["p"], case["n"], case["tau"], baseline)
    expected = case[key]
    close = {"rel": 1e-12, "abs": 1e-15}
    for own, name in (("1", "success"), ("0", "failure")):
        mean = getattr(moments, f"mean_given_{name}")
        variance = getattr(moments, f"variance_given_{name}")
        bias = getattr(moments, f"bias_given_{name}")
        assert mean == pytest.approx(expected[f"E_baseline_given_r{own}"], **close)
        assert variance == pytest.approx(expected[f"Var_baseline_given_r{own}"], **close)
        assert bias == pytest.approx(expected[f"bias_given_r{own}"], **close)
    assert moments.target == pytest.approx(expected["target"], **close)
    assert moments.squared_error == pytest.approx(expected["mse_vs_target"], **close)
    assert moments.squared_log_ratio_error == pytest.approx(expected["mse_log_ratio"], **close)
