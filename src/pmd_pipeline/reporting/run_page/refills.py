"""What it took to fill rounds whose prompt filter has a refill."""

import pandas as pd

from pmd_pipeline.reporting.formatting import count

_SUMMED = ["num_prompts", "num_kept_groups", "num_missing_groups", "num_generation_calls"]


def refill_sentences(round_metrics: pd.DataFrame) -> dict[str, str]:
    """Return a sentence for each algorithm whose rounds are refilled: the mean over its seeds.

    Args:
        round_metrics: One row per algorithm, training seed and round.
    """
    if "num_kept_groups" not in round_metrics:
        return {}
    rounds = round_metrics.dropna(subset="num_kept_groups")
    totals = rounds.groupby(["algorithm", "seed"], sort=False)[_SUMMED].sum()
    means = totals.groupby("algorithm", sort=False).mean()
    return {str(label): _sentence(str(label), row) for label, row in means.iterrows()}


def _sentence(label: str, totals: pd.Series) -> str:
    missing = totals["num_missing_groups"]
    found = "all that its rounds ask for"
    if missing > 0:
        found = f"{count(missing)} fewer than its rounds ask for"
    return (
        f"{label} drew more prompts in the place of those that its prompt filter dropped: "
        f"{count(totals['num_prompts'])} prompts in "
        f"{count(totals['num_generation_calls'])} generation calls gave it "
        f"{count(totals['num_kept_groups'])} groups to train on, {found}."
    )
