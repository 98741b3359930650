"""Learning curves as panels of figures."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from pmd_pipeline.metrics.comparison import headline_metric
from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.curves.columns import POLICY_CURVES, REWARD_CURVE, Curve, part_curves
from pmd_pipeline.reporting.drawing.scales import SymlogScale, is_widely_spread
from pmd_pipeline.reporting.drawing.spec import Axis, FigureSpec, Panel, Series
from pmd_pipeline.reporting.drawing.styles import AlgorithmStyle, algorithm_styles

_ROUNDS = Axis(label="round", is_integer=True)
_UNITS = {"avg_at_k": "share of right responses", "mean_reward": "reward"}
_MEANINGS = {"avg_at_k": "Mean correctness", "mean_reward": "Mean reward"}
_PADDING = 0.06  # share of the data's range left free on either side


def learning_curve_panels(
    round_metrics: pd.DataFrame,
    comparison: pd.DataFrame,
    *,
    interval_level: float = 0.95,
    smoothing_rounds: int = 1,
) -> tuple[Panel, ...]:
    """Return the panels in reading order: reward and its parts, evaluations, how the policy moves.

    Args:
        round_metrics: One row per algorithm and round.
        comparison: The comparison table; it gives avg@k (or the mean reward) with its intervals,
            from round 0 on.
        interval_level: Of those intervals.
        smoothing_rounds: Curves of means show the mean of so many rounds up to each.

    Raises:
        ValueError: If ``round_metrics`` lacks a column.
    """
    styles = algorithm_styles([*comparison["algorithm"], *round_metrics["algorithm"]])

    def of_rounds(curve: Curve) -> Panel:
        return _round_panel(curve, round_metrics, styles, smoothing_rounds)

    return (
        of_rounds(REWARD_CURVE),
        *(of_rounds(curve) for curve in part_curves(round_metrics.columns)),
        *_evaluation_panels(comparison, styles, interval_level),
        *(of_rounds(curve) for curve in POLICY_CURVES),
    )


def learning_curve_grid(panels: Sequence[Panel], *, name: str, title: str) -> FigureSpec:
    """Return the panels side by side as one figure."""
    return FigureSpec(name=name, title=title, panels=tuple(panels), panel_inches=(4.0, 3.0))


def alt_text(panel: Panel) -> str:
    """Return a learning curve in words: each algorithm's first and last value."""
    lines = [text for text in map(_in_words, panel.series) if text]
    return f"{panel.title} by round. {'; '.join(lines)}."


def _round_panel(
    curve: Curve,
    round_metrics: pd.DataFrame,
    styles: dict[str, AlgorithmStyle],
    smoothing_rounds: int,
) -> Panel:
    missing = {"algorithm", "round", curve.column} - set(round_metrics.columns)
    if missing:
        raise ValueError(
            f"round_metrics lacks columns {sorted(missing)}, found {list(round_metrics.columns)}"
        )
    smooths = curve.smooths and smoothing_rounds > 1
    series = []
    for algorithm, style in styles.items():
        rows = round_metrics[round_metrics["algorithm"] == algorithm].sort_values("round")
        raw = rows[curve.column].astype(float)
        values = raw.where(np.isfinite(raw))
        if smooths:
            means = values.rolling(smoothing_rounds, min_periods=1).mean()
            values = means.where(values.notna())
        series.append(_series(algorithm, style, rows["round"], values))
    scale = None
    if curve.linear_width is not None and is_widely_spread(_all_values(series)):
        scale = SymlogScale(linear_width=curve.linear_width)
    note = f" Mean of the {smoothing_rounds} rounds up to each." if smooths else ""
    return _panel(
        curve.column,
        series,
        title=curve.title,
        meaning=curve.meaning + note,
        y_label=curve.y_label + (", log scale" if scale else ""),
        scale=scale,
        includes_zero=curve.includes_zero,
    )


def _evaluation_panels(
    comparison: pd.DataFrame, styles: dict[str, AlgorithmStyle], interval_level: float
) -> list[Panel]:
    averages = comparison[comparison["metric"] == headline_metric(comparison)]
    panels = [
        _evaluation_panel(str(eval_set), rows, styles, interval_level)
        for eval_set, rows in averages.groupby("eval_set", sort=False)
    ]
    ks = averages["k"].unique()
    if len(panels) > 1 and len(ks) == 1:
        panels.append(_mean_panel(averages, len(panels), styles))
    return panels


def _evaluation_panel(
    eval_set: str,
    rows: pd.DataFrame,
    styles: dict[str, AlgorithmStyle],
    interval_level: float,
) -> Panel:
    series = []
    for algorithm, style in styles.items():
        mine = rows[rows["algorithm"] == algorithm].sort_values("round")
        bounds = (mine["ci_low"], mine["ci_high"])
        series.append(_series(algorithm, style, mine["round"], mine["value"], bounds))
    metric = headline_metric(rows)
    return _panel(
        f"{metric}_{eval_set}",
        series,
        title=f"{_named(rows)} on {eval_set}",
        meaning=f"{_MEANINGS[metric]} of the sampled responses on held-out problems; the band is "
        f"the {formatting.percent(interval_level)} interval over problems, and round 0 "
        "the initial policy.",
        y_label=_UNITS[metric],
    )


def _mean_panel(averages: pd.DataFrame, num_sets: int, styles: dict[str, AlgorithmStyle]) -> Panel:
    means = averages.groupby(["algorithm", "round"])["value"].mean().reset_index()
    series = []
    for algorithm, style in styles.items():
        mine = means[means["algorithm"] == algorithm].sort_values("round")
        series.append(_series(algorithm, style, mine["round"], mine["value"]))
    metric = headline_metric(averages)
    return _panel(
        f"mean_{metric}",
        series,
        title=f"{_named(averages)}, mean of {num_sets} sets",
        meaning="Mean over the evaluation sets, each counted once whatever its size.",
        y_label=_UNITS[metric],
    )


def _named(rows: pd.DataFrame) -> str:
    """Return the name of what policies are compared by, with its k."""
    return formatting.metric_name(headline_metric(rows), int(rows["k"].max()))


def _series(
    algorithm: str,
    style: AlgorithmStyle,
    rounds: pd.Series,
    values: pd.Series,
    bounds: tuple[pd.Series, pd.Series] | None = None,
) -> Series:
    low, high = (None, None) if bounds is None else (_floats(end) for end in bounds)
    return Series(
        x=rounds.to_numpy(dtype=np.int64),
        y=_floats(values),
        low=low,
        high=high,
        label=algorithm,
        colour=style.colour,
        dash=style.dash,
        marker=style.marker,
    )


def _panel(
    name: str,
    series: list[Series],
    *,
    title: str,
    meaning: str,
    y_label: str,
    scale: SymlogScale | None = None,
    includes_zero: bool = False,
) -> Panel:
    return Panel(
        name=name,
        title=title,
        meaning=meaning,
        x=_ROUNDS,
        y=Axis(
            label=y_label,
            scale=scale or "linear",
            range=_padded_range(_all_values(series), scale, includes_zero=includes_zero),
        ),
        series=tuple(series),
    )


def _floats(values: pd.Series) -> np.ndarray:
    return values.to_numpy(dtype=np.float64)


def _all_values(series: Iterable[Series]) -> np.ndarray:
    parts = [
        part
        for line in series
        for part in (line.y, line.low, line.high)
        if part is not None and len(part) > 0
    ]
    values = np.concatenate(parts) if parts else np.empty(0)
    finite: np.ndarray = values[np.isfinite(values)]
    return finite


def _padded_range(
    values: np.ndarray, scale: SymlogScale | None, *, includes_zero: bool
) -> tuple[float, float]:
    if includes_zero:
        values = np.append(values, 0.0)
    if len(values) == 0:
        return 0.0, 1.0
    positions = values if scale is None else scale.forward(values)
    low, high = float(positions.min()), float(positions.max())
    # A constant is shown in the middle of the axis.
    padding = _PADDING * (high - low) if high > low else max(0.1 * abs(high), 0.1)
    ends = np.array([low - padding, high + padding])
    low, high = ends if scale is None else scale.inverse(ends)
    return float(low), float(high)


def _in_words(series: Series) -> str:
    measured = np.flatnonzero(np.isfinite(series.y))
    if len(measured) == 0:
        return ""
    first, last = measured[0], measured[-1]
    return (
        f"{series.label}: {series.y[first]:.3g} at round {series.x[first]}, "
        f"{series.y[last]:.3g} at round {series.x[last]}"
    )
