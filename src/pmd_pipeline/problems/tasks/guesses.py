"""How often the demonstrator would have to guess to be right as often as wanted."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from pmd_pipeline.problems.tasks.task import (
    DemonstratedTask,
    Mistakes,
    is_right,
    sample_demonstrations,
)

_DEMONSTRATIONS = 8192


def guess_share_of_demonstrator(
    wanted: float,
    task: DemonstratedTask,
    mistakes: Mistakes,
    *,
    seed: int,
    excluded: Collection[str] = frozenset(),
) -> float:
    """Return the share of guesses with which demonstrations are right as often as wanted.

    Args:
        wanted: Share of right demonstrations.
        task: Makes them.
        mistakes: Theirs; how often they guess is left aside.
        seed: Decides those that are counted.
        excluded: Problems that are not demonstrated.

    Raises:
        ValueError: If there is no such share.
    """
    rng = np.random.default_rng(seed)

    def rate(skip: float) -> float:
        shown = sample_demonstrations(
            task, _DEMONSTRATIONS, rng, replace(mistakes, skip=skip), excluded=excluded
        )
        return float(np.mean([is_right(task, *demonstration) for demonstration in shown]))

    worked_rate, guess_rate = rate(0.0), rate(1.0)
    if not guess_rate < wanted < worked_rate:
        raise ValueError(
            f"policy_initialisation.policy.warm_start.wanted_pass_rate is {wanted:g}, but "
            f"demonstrations with working are right {worked_rate:.3f} of the time and guesses "
            f"{guess_rate:.3f}; choose a rate between the two, or, for a higher one, lower "
            "drop_carry_probability and slip_probability"
        )
    return (worked_rate - wanted) / (worked_rate - guess_rate)
