"""What it costs to get there: held-out scores against what training has used."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from pmd_pipeline.metrics.budgets import wall_seconds
from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.curves.axes import value_axis
from pmd_pipeline.reporting.curves.evaluations import Scores, score_lines, scores_by_set
from pmd_pipeline.reporting.curves.seed_lines import SeedLines, by_algorithm
from pmd_pipeline.reporting.drawing.spec import Axis, FigureSpec, Panel, Series
from pmd_pipeline.reporting.drawing.styles import AlgorithmStyle, algorithm_styles

NAME = "cost_curves"
TITLE = "What it costs to get there"

_TITLES = {
    "rollouts": "Rollouts",
    "updates": "Updates",
    "sampled tokens": "Sampled tokens",
    "seconds": "Time",
}

# From which value on an axis counts in what.
_COUNTS = ((2e6, 1e6, "million "), (1e4, 1e3, "thousand "), (0.0, 1.0, ""))
_TIMES = ((10800.0, 3600.0, "hours"), (600.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))


def used_until(round_metrics: pd.DataFrame) -> pd.DataFrame:
    """Return what each training run has used by the end of each round.

    Args:
        round_metrics: One row per algorithm, training seed and round.

    Returns:
        Columns ``algorithm, seed, round, rollouts, updates, sampled tokens, seconds``; round 0 has
        used nothing.
    """
    rounds = round_metrics.sort_values("round")
    runs = [rounds["algorithm"], rounds["seed"]]

    def added_up(values: pd.Series) -> pd.Series:
        return values.groupby(runs, sort=False).cumsum()

    used = rounds[["algorithm", "seed", "round"]].assign(
        **{
            "rollouts": added_up(rounds["num_rollouts"]),
            "updates": rounds["policy_version"],
            "sampled tokens": added_up(rounds["num_sampled_tokens"]),
            "seconds": added_up(wall_seconds(rounds)),
        }
    )
    first = used.drop_duplicates(["algorithm", "seed"])
    start = first.assign(round=0, **dict.fromkeys(_TITLES, 0))
    return pd.concat([start, used], ignore_index=True)


def cost_figure(
    round_metrics: pd.DataFrame,
    comparison: pd.DataFrame,
    comparison_by_seed: pd.DataFrame | None = None,
) -> FigureSpec:
    """Return the headline metric against rollouts, updates, sampled tokens and seconds.

    It is that of the only evaluation set, or the mean of all.

    Args:
        round_metrics: One row per algorithm, training seed and round.
        comparison: The comparison table.
        comparison_by_seed: The same for each training seed; None: no seed is drawn.
    """
    styles = algorithm_styles([*comparison["algorithm"], *round_metrics["algorithm"]])
    scores = _scores(comparison, comparison_by_seed)
    used = used_until(round_metrics)
    return FigureSpec(
        name=NAME,
        title=f"{scores.title}: {TITLE[0].lower()}{TITLE[1:]}",
        panels=tuple(_panel(quantity, used, scores, styles) for quantity in _TITLES),
        most_columns=2,
        panel_inches=(4.6, 3.0),
    )


def cost_caption(
    comparison: pd.DataFrame,
    comparison_by_seed: pd.DataFrame | None,
    *,
    interval_level: float,
    has_lag: bool = False,
) -> str:
    """Return what the figure shows, for who meets it for the first time.

    Args:
        comparison: The comparison table.
        comparison_by_seed: The same for each training seed.
        interval_level: Of its intervals.
        has_lag: Whether rollouts were sampled beside the updates of earlier rounds.
    """
    scores = _scores(comparison, comparison_by_seed)
    words = [
        f"{scores.title}, against what training had used by then. Look at the upper left: a line "
        "that is there first is good and cheap. The first point is the initial policy."
    ]
    if scores.num_sets == 1:
        level = formatting.percent(interval_level)
        words.append(f"The band is the {level} interval {scores.covered()}.")
    if scores.num_seeds > 1:
        words.append(
            f"The line is the mean of {scores.num_seeds} seeds, thin lines are the seeds, each at "
            "its own cost."
        )
    work = (
        "the rounds, where sampling and grading went on beside the updates of earlier ones,"
        if has_lag
        else "sampling, grading and updating"
    )
    words.append(
        f"Tokens are those of the responses; time is that of {work} on the machine of this run, "
        "and nothing else."
    )
    return " ".join(words)


def cost_alt_text(figure: FigureSpec) -> str:
    """Return the figure in words: where each algorithm ended, and what it had used by then."""
    ends: dict[str, list[Series]] = {}
    for panel in figure.panels:
        for series in panel.series:
            if series.label is not None and len(series.x) > 0:
                ends.setdefault(series.label, []).append(series)
    lines = []
    for label, drawn in ends.items():
        used = [
            f"{formatting.short_number(float(series.x[-1]))} {panel.x.label}"
            for series, panel in zip(drawn, figure.panels, strict=True)
        ]
        lines.append(f"{label}: {drawn[0].y[-1]:.3g} after {formatting.listed(used)}")
    return f"{figure.title}. {'; '.join(lines)}."


def _scores(comparison: pd.DataFrame, by_seed: pd.DataFrame | None) -> Scores:
    """Return the mean of all sets where there is one, the first set's scores otherwise."""
    found = scores_by_set(comparison, by_seed)
    return max(found, key=lambda scores: scores.num_sets)


def _panel(
    quantity: str, used: pd.DataFrame, scores: Scores, styles: Mapping[str, AlgorithmStyle]
) -> Panel:
    units = _TIMES if quantity == "seconds" else _COUNTS
    largest = used.groupby("algorithm")[quantity].max().max()
    _, unit, name = next(each for each in units if largest >= each[0])
    places = {
        algorithm: SeedLines.of(rows, quantity).table / unit
        for algorithm, _, rows in by_algorithm(used, styles)
    }
    series = score_lines(scores, styles, places)
    return Panel(
        name=f"{NAME}_{quantity.replace(' ', '_')}",
        title=_TITLES[quantity],
        x=Axis(label=name if quantity == "seconds" else f"{name}{quantity}", range=_range(series)),
        y=value_axis(scores.units, series),
        series=tuple(series),
    )


def _range(series: Sequence[Series]) -> tuple[float, float]:
    """Return a range from 0 on, with some room beside the last point."""
    ends = [float(np.nanmax(line.x)) for line in series if np.isfinite(line.x).any()]
    last = max(ends, default=1.0) or 1.0
    return -0.03 * last, 1.04 * last
