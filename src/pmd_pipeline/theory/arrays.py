"""Array types of the theory, and row reductions that neither overflow nor warn."""

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray: TypeAlias = NDArray[np.float64]
FloatOrArray: TypeAlias = float | FloatArray
"""A number for one problem, [G] for G problems."""


def row_sums(values: FloatArray) -> FloatArray:
    """Return the sums over the last axis.

    As a product with ones: numpy's reduction over a short last axis is several times slower.
    """
    return values @ np.ones(values.shape[-1])


def row_maxima(values: FloatArray) -> FloatArray:
    """Return the largest entries along the last axis of [G, K]; transposed for the same reason."""
    return np.asarray(np.ascontiguousarray(values.T).max(axis=0))


def log_sum_exp_rows(values: FloatArray) -> FloatArray:
    """Return ``log(sum(exp(values)))`` over the last axis; entries of minus infinity count as 0."""
    largest = values.max(axis=-1) if values.ndim != 2 else row_maxima(values)
    total = row_sums(np.exp(values - largest[..., None]))
    return np.asarray(np.log(total) + largest)


def finite_array(name: str, value: ArrayLike) -> FloatArray:
    """Return ``value`` as a float64 array.

    Raises:
        ValueError: If it is empty, not numeric, or holds a NaN or an infinity.
    """
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be numbers in a rectangular array: {error}") from error
    if array.size == 0:
        raise ValueError(f"{name} is empty; give at least one number")
    bad = ~np.isfinite(array)
    if bad.any():
        raise ValueError(
            f"{name} must be finite; found {array[bad].flat[0]} among {array.size} values"
        )
    return array


def positive_array(name: str, value: ArrayLike) -> FloatArray:
    """Return ``value`` as a float64 array of positive, finite numbers.

    Raises:
        ValueError: If any entry is not positive and finite.
    """
    array = finite_array(name, value)
    if (array <= 0).any():
        raise ValueError(f"{name} must be positive; found {array.min()}")
    return array


def success_probability_array(value: ArrayLike) -> FloatArray:
    """Return success probabilities strictly between 0 and 1 as a float64 array.

    Raises:
        ValueError: If any entry is not inside (0, 1): at the ends all rewards are equal on the
            support and there is nothing to update.
    """
    array = finite_array("p", value)
    if (array <= 0).any() or (array >= 1).any():
        outside = array[(array <= 0) | (array >= 1)].flat[0]
        raise ValueError(
            f"p must lie strictly between 0 and 1; found {outside}. Leave out prompts that are "
            "always right or always wrong: their rewards carry no signal"
        )
    return array
