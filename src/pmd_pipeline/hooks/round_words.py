"""What a console says of a round and of an evaluation, in a line."""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def round_words(table: "pd.DataFrame") -> str:
    """Return ``reward 0.31, accuracy 0.66, KL 0.0021``, without what has no meaning.

    Args:
        table: ``round_metrics`` of one round.
    """
    row = table.iloc[0]
    said = [
        f"{name} {value:{form}}"
        for name, value, form in (
            ("reward", float(row["mean_reward"]), ".3f"),
            ("accuracy", float(row["group_pass_rate"]), ".3f"),
            ("KL", float(row["kl"]), ".2g"),
        )
        if math.isfinite(value)
    ]
    return ", ".join(said)


def speed_words(table: "pd.DataFrame") -> str:
    """Return ``5,210 tokens/s``: sampled tokens by the time of sampling, grading and updating.

    Args:
        table: ``round_metrics`` of one round.
    """
    row = table.iloc[0]
    seconds = float(row["waiting_seconds"] + row["updating_seconds"])
    return f"{row['num_sampled_tokens'] / seconds:,.0f} tokens/s" if seconds > 0 else ""


def evaluation_words(table: "pd.DataFrame") -> str:
    """Return ``addition avg@4 0.842`` for each evaluation set.

    Args:
        table: ``eval_metrics`` of one policy.
    """
    from pmd_pipeline.metrics.comparison import headline_metric
    from pmd_pipeline.reporting import formatting

    metric = headline_metric(table)
    rows = table[table["metric"] == metric]
    said = []
    for eval_set in rows["eval_set"].unique():
        row = rows[rows["eval_set"] == eval_set].sort_values("k").iloc[-1]
        name = formatting.metric_name(metric, int(row["k"]))
        said.append(f"{eval_set} {name} {row['value']:.3f}")
    return ", ".join(said)
