"""How often each of two algorithms failed, on the same training seeds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special


@dataclass(frozen=True, slots=True, kw_only=True)
class CollapseComparison:
    """Counts of collapsed runs and McNemar's exact test.

    Attributes:
        num_first: Runs of the first algorithm that collapsed.
        num_second: Of the second.
        num_first_only: Seeds on which the first alone did.
        num_second_only: Seeds on which the second alone did.
        p_value: Two-sided, of both collapsing as readily.
    """

    num_first: int
    num_second: int
    num_first_only: int
    num_second_only: int
    p_value: float


def compare_collapses(first: ArrayLike, second: ArrayLike) -> CollapseComparison:
    """Return whether one algorithm collapses more often than another, by McNemar's exact test.

    Seeds on which both did, or neither, say nothing of which does more often. Of the others, each
    is as likely to have hit either one if they collapse as readily.

    Args:
        first: Whether each run of the first algorithm collapsed, [S].
        second: The same of the second, on the same training seeds.

    Raises:
        ValueError: If the shapes differ.

    Source: McNemar 1947; exact form as in Agresti, Categorical Data Analysis, section 11.1.
    """
    ours, theirs = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if ours.ndim != 1 or ours.shape != theirs.shape:
        raise ValueError(
            "both must say of each training seed whether its run collapsed, [S]; found shapes "
            f"{ours.shape} and {theirs.shape}"
        )
    first_only, second_only = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    fewer, discordant = min(first_only, second_only), first_only + second_only
    tail = float(special.bdtr(fewer, discordant, 0.5)) if discordant else 1.0
    return CollapseComparison(
        num_first=int(ours.sum()),
        num_second=int(theirs.sum()),
        num_first_only=first_only,
        num_second_only=second_only,
        p_value=min(1.0, 2.0 * tail),
    )
