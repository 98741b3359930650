"""Learning curves as panels of figures."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from pmd_pipeline.metrics.comparison import headline_metric
from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.curves.axes import all_values, value_axis
from pmd_pipeline.reporting.curves.columns import (
    POLICY_CURVES,
    REWARD_CURVE,
    Curve,
    lag_curves,
    part_curves,
)
from pmd_pipeline.reporting.curves.evaluations import Scores, score_lines, scores_by_set
from pmd_pipeline.reporting.curves.seed_lines import SeedLines, by_algorithm, mean_line, thin_lines
from pmd_pipeline.reporting.drawing.scales import SymlogScale, is_widely_spread
from pmd_pipeline.reporting.drawing.spec import Axis, FigureSpec, Panel, Series
from pmd_pipeline.reporting.drawing.styles import AlgorithmStyle, algorithm_styles
from pmd_pipeline.reporting.drawing.thinning import thinning_note

_ROUNDS = Axis(label="round", is_integer=True)
_MEANINGS = {"avg_at_k": "Mean correctness", "mean_reward": "Mean reward"}


def learning_curve_panels(
    round_metrics: pd.DataFrame,
    comparison: pd.DataFrame,
    comparison_by_seed: pd.DataFrame | None = None,
    *,
    interval_level: float = 0.95,
    smoothing_rounds: int = 1,
) -> tuple[Panel, ...]:
    """Return the panels in reading order: reward and its parts, evaluations, how the policy moves.

    With several training seeds, each algorithm has the line of their means, a band, and a thin
    line for each seed.

    Args:
        round_metrics: One row per algorithm, training seed and round.
        comparison: The comparison table; it gives avg@k (or the mean reward) with its intervals,
            from round 0 on.
        comparison_by_seed: The same for each training seed; None: evaluations show no seed.
        interval_level: Of those intervals.
        smoothing_rounds: Curves of means show, for each seed, the mean of so many rounds up to
            each.

    Raises:
        ValueError: If ``round_metrics`` lacks a column.
    """
    styles = algorithm_styles([*comparison["algorithm"], *round_metrics["algorithm"]])

    def of_rounds(curve: Curve) -> Panel:
        return _round_panel(curve, round_metrics, styles, smoothing_rounds)

    scores = scores_by_set(comparison, comparison_by_seed)
    described = _MEANINGS[headline_metric(comparison)]
    return (
        of_rounds(REWARD_CURVE),
        *(of_rounds(curve) for curve in part_curves(round_metrics.columns)),
        *(_score_panel(each, styles, interval_level, described) for each in scores),
        *(of_rounds(curve) for curve in POLICY_CURVES),
        *(of_rounds(curve) for curve in lag_curves(round_metrics)),
    )


def learning_curve_grid(panels: Sequence[Panel], *, name: str, title: str) -> FigureSpec:
    """Return the panels side by side as one figure."""
    return FigureSpec(name=name, title=title, panels=tuple(panels), panel_inches=(4.0, 3.0))


def alt_text(panel: Panel) -> str:
    """Return a learning curve in words: each algorithm's first and last value."""
    lines = [text for text in map(_in_words, panel.series) if text]
    return f"{panel.title} by round. {'; '.join(lines)}."


def thinning_of(panel: Panel) -> str:
    """Return what the caption says of points left out; empty where all are drawn."""
    ends = [[0, *series.breaks.tolist(), len(series.x)] for series in panel.series]
    longest = max((max(np.diff(each)) for each in ends), default=0)
    return thinning_note(int(longest), max((len(each) - 1 for each in ends), default=1))


def _round_panel(
    curve: Curve,
    round_metrics: pd.DataFrame,
    styles: Mapping[str, AlgorithmStyle],
    smoothing_rounds: int,
) -> Panel:
    missing = {"algorithm", "seed", "round", curve.column} - set(round_metrics.columns)
    if missing:
        raise ValueError(
            f"round_metrics lacks columns {sorted(missing)}, found {list(round_metrics.columns)}"
        )
    window = smoothing_rounds if curve.smooths else 1
    thin: list[Series] = []
    means = []
    num_seeds = 1
    for algorithm, style, rows in by_algorithm(round_metrics, styles):
        lines = SeedLines.of(rows, curve.column, smoothing_rounds=window)
        num_seeds = max(num_seeds, lines.num_seeds)
        thin += thin_lines(algorithm, style, lines)
        means.append(
            mean_line(
                algorithm,
                style,
                lines.rounds,
                lines.mean,
                bounds=lines.range if lines.num_seeds > 1 else None,
                num_seeds=lines.num_seeds,
            )
        )
    series = [*thin, *means]
    scale = None
    if curve.linear_width is not None and is_widely_spread(all_values(series)):
        scale = SymlogScale(linear_width=curve.linear_width)
    notes = [curve.meaning]
    if window > 1:
        notes.append(f"Mean of the {window} rounds up to each.")
    if num_seeds > 1:
        notes.append(curve.over_seeds.format(num_seeds=num_seeds))
    label = curve.y_label + (", log scale" if scale else "")
    return Panel(
        name=curve.column,
        title=curve.title,
        meaning=" ".join(notes),
        x=_ROUNDS,
        y=value_axis(label, series, scale=scale, includes_zero=curve.includes_zero),
        series=tuple(series),
    )


def _score_panel(
    scores: Scores,
    styles: Mapping[str, AlgorithmStyle],
    interval_level: float,
    described: str,
) -> Panel:
    if scores.num_sets > 1:
        notes = ["Mean over the evaluation sets, each counted once whatever its size."]
        if scores.num_seeds > 1:
            notes.append(f"The line is the mean of {scores.num_seeds} seeds, thin lines the seeds.")
    else:
        seeds = f", thin lines are the {scores.num_seeds} seeds" if scores.num_seeds > 1 else ""
        notes = [
            f"{described} of the sampled responses on held-out problems; the band is the "
            f"{formatting.percent(interval_level)} interval {scores.covered()}{seeds}. Round 0 is "
            "the initial policy. Look for lines that part: bands that overlap decide nothing, the "
            "table of pairs does."
        ]
    series = score_lines(scores, styles)
    return Panel(
        name=scores.name,
        title=scores.title,
        meaning=" ".join(notes),
        x=_ROUNDS,
        y=value_axis(scores.units, series),
        series=tuple(series),
    )


def _in_words(series: Series) -> str:
    measured = np.flatnonzero(np.isfinite(series.y))
    if series.label is None or len(measured) == 0:
        return ""
    first, last = measured[0], measured[-1]
    band = ""
    if series.low is not None and series.high is not None:
        band = f", band from {series.low[last]:.3g} to {series.high[last]:.3g}"
    return (
        f"{series.name or series.label}: {series.y[first]:.3g} at round {series.x[first]}, "
        f"{series.y[last]:.3g} at round {series.x[last]}{band}"
    )
