"""Checks that several functions of this package share."""

import math

from torch import Tensor


def check_tau(tau: float) -> None:
    """Raise a ValueError unless ``tau`` is positive and finite."""
    if not (math.isfinite(tau) and tau > 0):
        raise ValueError(f"tau must be positive and finite (reward units per nat), found {tau}")


def check_per_rollout(name: str, values: Tensor, num_rollouts: int) -> None:
    """Raise a ValueError unless ``values`` is [num_rollouts]."""
    if values.shape != (num_rollouts,):
        raise ValueError(
            f"{name} must be [{num_rollouts}], one entry per rollout; found {list(values.shape)}"
        )


def check_per_token(name: str, values: Tensor, shape: tuple[int, ...]) -> None:
    """Raise a ValueError unless ``values`` is a matrix [B, T] of the given shape."""
    if values.ndim != 2 or values.shape != shape:
        raise ValueError(f"{name} must be [B, T] = {list(shape)}; found {list(values.shape)}")
