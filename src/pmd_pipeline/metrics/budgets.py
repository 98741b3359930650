"""What each training run has used: the budget that its result was bought with."""

import pandas as pd

SECONDS = ("sampling_seconds", "grading_seconds", "updating_seconds", "waiting_seconds")
"""Wall times by kind of work; they overlap: see `wall_seconds`."""
_SUMMED = (
    "num_prompts",
    "num_rollouts",
    "num_generation_calls",
    "num_sampled_tokens",
    "num_trained_tokens",
    "num_skipped_updates",
    *SECONDS,
)
BUDGET_COLUMNS = (
    "algorithm",
    "seed",
    "num_rounds",
    "num_prompts",
    "num_rollouts",
    "num_generation_calls",
    "num_sampled_tokens",
    "num_trained_tokens",
    "num_updates",
    "num_skipped_updates",
    *SECONDS,
    "total_seconds",
)


def wall_seconds(round_metrics: pd.DataFrame) -> pd.Series:
    """Return the wall time of rounds, or of their sums: that of updates, and of waiting for them.

    Sampling and grading are what is waited for. Those of ``training.lag`` go on beside the updates
    of earlier rounds, so their seconds would count that time twice.

    Args:
        round_metrics: Has columns ``updating_seconds`` and ``waiting_seconds``.
    """
    return round_metrics["updating_seconds"] + round_metrics["waiting_seconds"]


def has_lag(round_metrics: pd.DataFrame) -> bool:
    """Return whether rounds were trained on rollouts of an earlier policy than their own.

    Args:
        round_metrics: One row per algorithm, training seed and round.
    """
    return bool((round_metrics["staleness_rounds"] > 0).any())


def training_budgets(round_metrics: pd.DataFrame) -> pd.DataFrame:
    """Return one row per training run: what its rounds have used, added up.

    Evaluation and the rollouts that choose the prompts are not part of it: they are the same for
    all.

    Args:
        round_metrics: One row per algorithm, training seed and round; see
            `training.round_metrics.RoundMetrics`.

    Returns:
        A table of ``BUDGET_COLUMNS``, in the order of ``round_metrics``. ``num_updates`` are those
        that changed the policy, ``num_skipped_updates`` those that had nothing to change. Seconds
        are wall time on the machine that trained, ``total_seconds`` that of whole rounds: see
        :func:`wall_seconds`.

    Raises:
        ValueError: If a column is missing.
    """
    run = ["algorithm", "seed"]
    missing = {*run, "policy_version", *_SUMMED} - set(round_metrics.columns)
    if missing:
        raise ValueError(f"round_metrics lacks columns {sorted(missing)}")
    by_run = round_metrics.groupby(run, sort=False)
    table = by_run[list(_SUMMED)].sum()
    table["num_rounds"] = by_run.size()
    table["num_updates"] = by_run["policy_version"].max()
    table["total_seconds"] = wall_seconds(table)
    return table.reset_index()[list(BUDGET_COLUMNS)]
