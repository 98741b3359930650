"""The one scalar equation behind PMD-mean: its multiplier lambda.

PMD-mean minimises ``1/2 E_p (s - d)^2`` over log-ratios ``s`` with ``E_p exp(s) = 1``. With a
multiplier lambda >= 0 the solution is ``s = d - w``, ``w = W(lambda exp(d))`` (Lambert W), and
lambda is fixed by the constraint. Everything here is written in ``u = log(lambda)`` and the Wright
omega function, ``w = omega(u + d)``, so that no exponential of ``d`` is ever formed.

The weights of the regression may differ from the probabilities of the constraint (an empirical
loss): then ``s = d - omega(u + d + log p - log q)``.
"""

import numpy as np
from scipy.special import wrightomega

from pmd_pipeline.theory.arrays import FloatArray, log_sum_exp_rows, row_maxima, row_sums
from pmd_pipeline.theory.series import exp_remainder, log_mean_exp_rows

_MAX_ITERATIONS = 200
_STEP_TOLERANCE = 1e-9
"""Newton is quadratic here: after a step this small in log(lambda) the error is below rounding."""

_WIDE_BRACKET = 4.0
"""Width in log(lambda) above which slow Newton steps give way to bisection."""

_ROOM = 0.01
"""By how much the bracket in log(lambda) is widened on either side."""

_FINE_LIMIT = 1.0
"""Mean absolute target below which lambda can be tiny and the constraint is summed finely."""

_EXPONENT_LIMIT = 700.0

_LEAST_EXCESS = -1.0 + 1e-12
"""Far right of the root rounding could push the sum of new probabilities below zero."""

_EPSILON = float(np.finfo(np.float64).eps)
_ROUNDING = 8 * _EPSILON

_LEAST_SLOPE = 1e-300
"""Far left of the root the slope underflows; a step from there is bisected anyway."""

_TINY = np.finfo(np.float64).tiny


def solve_log_multiplier(
    log_probs: FloatArray,
    targets: FloatArray,
    *,
    mean_target: FloatArray,
    log_weight_ratio: FloatArray | None = None,
) -> FloatArray:
    """Return log(lambda) of each problem; minus infinity where the constraint is not active.

    Args:
        log_probs: Log of the probabilities in the constraint, [G, K].
        targets: Regression targets ``d`` of the log-ratios, nats, [G, K]; not all equal in a row.
        mean_target: Exact mean of the targets under the probabilities, [G]; zero for the mean
            baseline. Only used without ``log_weight_ratio``.
        log_weight_ratio: ``log p - log q`` for regression weights q other than p, [G, K].

    Returns:
        log(lambda), [G].

    Raises:
        ArithmeticError: If the iteration does not settle; none of the tests reaches it.
    """
    if log_weight_ratio is None:
        log_mass = log_mean_exp_rows(log_probs, targets, mean_target)
        fine = row_sums(np.exp(log_probs) * np.abs(targets)) < _FINE_LIMIT
        offset = np.zeros_like(targets)
    else:
        log_mass = log_sum_exp_rows(log_probs + targets)
        fine = np.zeros(len(targets), dtype=bool)
        offset = log_weight_ratio
    # What a log-mass of exactly 0 (a baseline equal to the log-partition) can round to.
    rounding = _ROUNDING * (
        np.abs(mean_target) + np.where(fine, 0.0, 1.0 + row_maxima(np.abs(targets)))
    )
    result = np.full(len(targets), -np.inf)
    for is_fine in (True, False):
        rows = np.flatnonzero((fine == is_fine) & (log_mass > rounding))
        if rows.size:
            mass = log_mass[rows]
            arrays = (log_probs[rows], targets[rows], offset[rows])
            result[rows] = _newton(
                *arrays,
                low=_lower_bound(*arrays, mass),
                high=np.log(mass),
                mean_target=mean_target[rows] if is_fine else None,
                noise=_EPSILON * np.abs(mean_target[rows]),
            )
    return result


def log_ratios_at(
    log_multiplier: FloatArray, targets: FloatArray, offset: FloatArray | float = 0.0
) -> tuple[FloatArray, FloatArray]:
    """Return ``s = d - w`` and ``w = omega(u + d + offset)``, both [G, K].

    ``s`` is taken from ``log w - u`` where ``w`` is large, so that it does not cancel.
    """
    z = log_multiplier[:, None] + targets + offset
    w = np.asarray(wrightomega(z))
    from_logarithm = np.log(np.maximum(w, _TINY)) - log_multiplier[:, None] - offset
    return np.where(z > 0, from_logarithm, targets - w), w


def _lower_bound(
    log_probs: FloatArray, targets: FloatArray, offset: FloatArray, log_mass: FloatArray
) -> FloatArray:
    """Return a lower bound of log(lambda): the root of a tangent of the convex ``log E exp(s)``."""
    steepness = log_sum_exp_rows(log_probs + offset + 2.0 * targets)
    return np.asarray(np.log(log_mass) + log_mass - steepness)


def _newton(
    log_probs: FloatArray,
    targets: FloatArray,
    offset: FloatArray,
    low: FloatArray,
    high: FloatArray,
    mean_target: FloatArray | None,
    noise: FloatArray,
) -> FloatArray:
    """Solve in u from the upper end of the bracket, by Newton's method with bisection.

    The residual falls in u with a slope between 0 and -1, mostly steeper to the right, where
    Newton's steps do not pass the root. Bisection takes over when a step leaves the bracket, and
    when the bracket spans orders of magnitude and Newton is slow: with a probability of 1e-280 the
    residual falls like lambda itself over hundreds of powers of e. A residual within ``noise``, the
    rounding of the targets' mean, cannot be improved.
    """
    u = high.copy()
    # The bounds can touch the root: leave room, or rounding turns the last Newton step away.
    low, high = low - _ROOM, high + _ROOM
    last = np.full_like(u, np.inf)
    active = np.arange(len(u))
    for _ in range(_MAX_ITERATIONS):
        now = u[active]
        residual, slope = _residual(
            now,
            log_probs[active],
            targets[active],
            offset[active],
            None if mean_target is None else mean_target[active],
        )
        is_left = residual > 0
        low[active[is_left]] = now[is_left]
        high[active[~is_left]] = now[~is_left]
        lower, upper = low[active], high[active]
        proposal = now - residual / np.minimum(slope, -_LEAST_SLOPE)
        is_slow = (np.abs(residual) > 0.25 * last[active]) & (upper - lower > _WIDE_BRACKET)
        # The other end of the bracket was tried before: rounding would send Newton to and fro.
        is_outside = ((proposal <= lower) & (lower != now)) | ((proposal >= upper) & (upper != now))
        bisects = is_outside | is_slow
        proposal = np.where(bisects, 0.5 * (lower + upper), proposal)
        last[active] = np.abs(residual)
        u[active] = proposal
        is_done = ~bisects & (np.abs(proposal - now) <= _STEP_TOLERANCE)
        is_done |= np.abs(residual) <= noise[active]
        is_done |= upper - lower <= _ROUNDING * (1.0 + np.abs(now))
        active = active[~is_done]
        if active.size == 0:
            return u
    raise ArithmeticError(f"lambda of {active.size} problems did not settle; please report this")


def _residual(
    u: FloatArray,
    log_probs: FloatArray,
    targets: FloatArray,
    offset: FloatArray,
    mean_target: FloatArray | None,
) -> tuple[FloatArray, FloatArray]:
    """Return ``log E_p exp(s(u))`` and its derivative in u, both [G]."""
    log_ratios, w = log_ratios_at(u, targets, offset)
    if mean_target is None:
        log_new = log_probs + log_ratios
        residual = log_sum_exp_rows(log_new)
        new_probs = np.exp(log_new - residual[:, None])
    else:
        excess = row_sums(_fine_terms(log_probs, log_ratios, targets, w)) + mean_target
        residual = np.log1p(np.maximum(excess, _LEAST_EXCESS))
        log_new = np.minimum(log_probs + log_ratios, _EXPONENT_LIMIT)
        new_probs = np.exp(log_new - residual[:, None])
    return residual, -row_sums(new_probs * (w / (1.0 + w)))


def _fine_terms(
    log_probs: FloatArray, log_ratios: FloatArray, targets: FloatArray, w: FloatArray
) -> FloatArray:
    """Return ``p * (exp(s) - 1 - d)`` to full accuracy.

    The sum of ``p * d`` is known exactly, so that taking ``d`` out leaves second-order terms only:
    summing ``exp(s) - 1`` itself would lose a small lambda in the rounding of first-order ones.
    """
    probs = np.exp(log_probs)
    near = targets.clip(-1.0, 1.0)
    fine = probs * (exp_remainder(near) + np.exp(near) * np.expm1(-w))
    # Left of the root the new probabilities may overflow; only the sign of the sum counts there.
    far = np.exp(np.minimum(log_probs + log_ratios, _EXPONENT_LIMIT)) - probs * (1.0 + targets)
    return np.where(np.abs(targets) < 1.0, fine, far)
