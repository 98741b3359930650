"""The solvers against 50-digit arithmetic on random and extreme problems."""

import mpmath
import numpy as np
import pytest

from pmd_pipeline.theory import solve_pmd_mean, solve_pmd_part


def omega(z):
    """Return the w with ``w + log w = z``, for any z that occurs here."""
    if z < -150:
        return mpmath.exp(z)
    w = z - mpmath.log(z) if z > 100 else mpmath.lambertw(mpmath.exp(z)).real
    for _ in range(8):
        w -= (w + mpmath.log(w) - z) * w / (1 + w)
    return w


def exact_solution(probs, rewards, tau, baseline=None):
    """Return lambda, PMD-mean's log-ratios and PMD-part's log-ratios in 50 digits."""
    p = [mpmath.mpf(float(x)) for x in probs]
    p = [x / sum(p) for x in p]
    r = [mpmath.mpf(float(x)) for x in rewards]
    tau = mpmath.mpf(float(tau))
    mean = sum(x * y for x, y in zip(p, r, strict=True))
    b = mean if baseline is None else mpmath.mpf(float(baseline))
    d = [(x - b) / tau for x in r]
    top = max(d)
    mass = sum(x * mpmath.exp(y - top) for x, y in zip(p, d, strict=True))
    log_mass = top + mpmath.log(mass)
    high = mpmath.log(log_mass)
    low, u = high - 3000, high
    for _ in range(500):
        w = [omega(u + y) for y in d]
        terms = [x * mpmath.exp(y - z) for x, y, z in zip(p, d, w, strict=True)]
        residual = mpmath.log(sum(terms))
        slope = -sum(t * z / (1 + z) for t, z in zip(terms, w, strict=True)) / sum(terms)
        low, high = (u, high) if residual > 0 else (low, u)
        step = u - residual / slope
        step = step if low <= step <= high else (low + high) / 2
        u, moved = step, abs(step - u)
        if moved < mpmath.mpf(10) ** -28:
            break
    else:
        raise AssertionError("the reference did not settle")
    return mpmath.exp(u), [y - omega(u + y) for y in d], [y - log_mass for y in d]


def largest_relative_error(values, exact):
    pairs = zip(np.atleast_1d(values), exact, strict=True)
    return max(float(abs((float(x) - y) / y)) for x, y in pairs)


def random_problems():
    generator = np.random.default_rng(20260205)
    for index in range(200):
        num_actions = int(generator.integers(2, 8))
        tau = 10 ** generator.uniform(-4, 4)
        match index % 4:
            case 0:  # binary, down to one success in 1e12
                small = 10 ** generator.uniform(-12, -0.31)
                probs = generator.permutation([small, 1 - small])
                rewards = np.array([1.0, 0.0])
            case 1:  # few reward values, many of them equal
                probs = generator.dirichlet(np.ones(num_actions))
                rewards = np.append(generator.choice([0.0, 0.25, 1.0], num_actions - 1), 0.5)
            case 2:  # any rewards, very uneven policy
                probs = generator.dirichlet(np.full(num_actions, 0.3)) + 1e-12
                rewards = generator.normal(size=num_actions)
            case _:  # rewards that agree to seven digits
                probs = generator.dirichlet(np.ones(num_actions))
                rewards = 1000.0 + 1e-7 * generator.normal(size=num_actions)
        if np.ptp(rewards) > 0:
            yield probs / probs.sum(), rewards, tau


EXTREME = {
    "ten thousand scaled rewards": ([0.5, 0.5], [1.0, 0.0], 5e-5),
    "rare and hugely better": ([1e-4, 0.9999], [1.0, 0.0], 1e-4),
    "rare and hugely worse": ([0.9999, 1e-4], [1.0, 0.0], 1e-4),
    "nearly certain success": ([1 - 1e-13, 1e-13], [1.0, 0.0], 0.01),
    "one success in 1e30": ([1e-30, 1.0], [1.0, 0.0], 1e-3),
    "tiny lambda": ([0.3, 0.7], [1.0, 1.0 + 2**-40], 1.0),
    "huge tau": ([0.2, 0.3, 0.5], [1.0, -1.0, 0.0], 1e7),
    "far outlier": ([0.499, 0.499, 0.002], [0.0, 1.0, -1e4], 1.0),
}


@pytest.mark.parametrize("name", EXTREME)
def test_extreme_problems_agree_with_fifty_digits(name):
    """At the corners of the domain log-ratios hold 1e-12 and lambda 1e-12."""
    with mpmath.workdps(50):
        lam, mean, part = exact_solution(*EXTREME[name])
        solution = solve_pmd_mean(*EXTREME[name])
        assert largest_relative_error(solution.lam, [lam]) < 1e-12
        assert largest_relative_error(solution.log_ratios, mean) < 1e-12
        assert largest_relative_error(solve_pmd_part(*EXTREME[name]).log_ratios, part) < 1e-12


def test_random_problems_agree_with_fifty_digits():
    """On 200 random problems lambda holds 1e-13, log-ratios 1e-15 of their problem's largest."""
    errors = {"lam": 0.0, "mean": 0.0, "part": 0.0, "scaled": 0.0}
    with mpmath.workdps(50):
        for problem in random_problems():
            lam, mean, part = exact_solution(*problem)
            solution = solve_pmd_mean(*problem)
            found = {
                "lam": largest_relative_error(solution.lam, [lam]),
                "mean": largest_relative_error(solution.log_ratios, mean),
                "scaled": max(
                    float(abs(float(x) - y))
                    for x, y in zip(np.atleast_1d(solution.log_ratios), mean, strict=True)
                )
                / float(max(abs(y) for y in mean)),
                "part": largest_relative_error(solve_pmd_part(*problem).log_ratios, part),
            }
            errors = {key: max(errors[key], found[key]) for key in errors}
    assert errors["lam"] < 1e-13
    assert errors["scaled"] < 1e-15
    assert errors["mean"] < 1e-11
    assert errors["part"] < 1e-11


@pytest.mark.parametrize("share", [-3.0, 0.0, 0.5, 0.9])
def test_any_baseline_below_the_log_partition_agrees_with_fifty_digits(share):
    """Baselines from far below the mean to near the log-partition."""
    generator = np.random.default_rng(7)
    with mpmath.workdps(50):
        for _ in range(15):
            probs = generator.dirichlet(np.ones(4))
            rewards, tau = generator.normal(size=4), 10 ** generator.uniform(-3, 0.5)
            part = solve_pmd_part(probs, rewards, tau)
            baseline = part.mean_reward + share * (part.log_partition - part.mean_reward)
            lam, log_ratios, _ = exact_solution(probs, rewards, tau, baseline)
            solution = solve_pmd_mean(probs, rewards, tau, baseline=baseline)
            assert largest_relative_error(solution.lam, [lam]) < 1e-11
            assert largest_relative_error(solution.log_ratios, log_ratios) < 1e-10
            assert solution.baseline == pytest.approx(baseline, rel=1e-12)


def test_a_log_ratio_near_zero_is_as_exact_as_the_largest():
    """Beside log-ratios of 1 or more, 1.2e-9 has an error of rounding, not of its own size."""
    problem = ([0.3, 0.3, 0.4], [1.0, 0.0, 0.7333530466221998 * (1 + 1e-9)], 0.2)
    with mpmath.workdps(50):
        _, exact, _ = exact_solution(*problem)
        found = solve_pmd_mean(*problem).log_ratios
        assert abs(found[2]) < 1e-8
        errors = [float(abs(float(x) - y)) for x, y in zip(found, exact, strict=True)]
        assert max(errors) < 1e-15 * float(np.abs(found).max())
