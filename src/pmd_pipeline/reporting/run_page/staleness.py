"""What the report says of lag: how old the policies were that sampled the rollouts."""

from dataclasses import dataclass

import pandas as pd

from pmd_pipeline.metrics.budgets import has_lag, wall_seconds
from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.html_tables import HtmlTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Staleness:
    """What a run with lag says of it.

    Attributes:
        sentence: For the first lines.
        table: One row per algorithm.
    """

    sentence: str
    table: HtmlTable


def staleness(round_metrics: pd.DataFrame) -> Staleness | None:
    """Return what is to be said of lag; None where each round trained the policy that sampled.

    Args:
        round_metrics: One row per algorithm, training seed and round.
    """
    if not has_lag(round_metrics):
        return None
    return Staleness(sentence=_sentence(round_metrics), table=_table(round_metrics))


def _sentence(rounds: pd.DataFrame) -> str:
    is_stale = rounds["staleness_rounds"] > 0
    most = formatting.counted(int(rounds["staleness_rounds"].max()), "round")
    updates = formatting.counted(int(rounds["staleness_updates"].max()), "update")
    return (
        "Rollouts were sampled ahead of training (training.lag): "
        f"{100 * is_stale.mean():.0f} % of the rounds were trained on those of an earlier policy, "
        f"up to {most} and {updates} old. A phase's first rounds were fresher."
    )


def _table(rounds: pd.DataFrame) -> HtmlTable:
    num_seeds = rounds["seed"].nunique()
    of_seeds = "" if num_seeds == 1 else f", over {num_seeds} training seeds"
    return HtmlTable(
        caption="Staleness: how far the policy that sampled a round's rollouts was behind the one "
        f"that the round began with{of_seeds}",
        header=(
            "algorithm",
            "stale rounds",
            "rounds behind, mean",
            "rounds behind, most",
            "updates behind, mean",
            "updates behind, most",
            "waiting, of the time",
        ),
        rows=tuple(_row(str(name), own) for name, own in rounds.groupby("algorithm", sort=False)),
        num_text_columns=1,
    )


def _row(algorithm: str, rounds: pd.DataFrame) -> tuple[str, ...]:
    in_rounds, in_updates = rounds["staleness_rounds"], rounds["staleness_updates"]
    waiting = rounds["waiting_seconds"].sum() / wall_seconds(rounds).sum()
    return (
        algorithm,
        f"{int((in_rounds > 0).sum()):,} of {len(rounds):,}",
        formatting.number(float(in_rounds.mean())),
        str(int(in_rounds.max())),
        formatting.number(float(in_updates.mean())),
        str(int(in_updates.max())),
        f"{100 * waiting:.0f} %",
    )
