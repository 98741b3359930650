"""The theory stage's figures, from their tables."""

from itertools import cycle

import numpy as np
import pandas as pd

from pmd_pipeline.reporting.drawing.spec import Axis, Dash, FigureSpec, Marker, Panel, Series
from pmd_pipeline.reporting.drawing.styles import GREY, ordered_colours
from pmd_pipeline.reporting.theory.methods import METHOD_COLOURS, METHOD_NAMES, rows_by_method
from pmd_pipeline.reporting.theory.simplex import simplex_panel
from pmd_pipeline.theory.tables import TheoryTables

_DASHES: tuple[Dash, ...] = ("solid", "dash", "dot", "dashdot", "longdash")
_MARKERS: tuple[Marker, ...] = ("circle", "square", "diamond", "triangle-up", "star")

_PROBABILITY = "success probability p"

_LABORATORY_PANELS = (
    ("expected_reward", "Expected reward", "reward units"),
    ("reward_gap", "Best reward minus expected reward", "reward units"),
    ("kl", "KL(after || before) of a round", "nats"),
    ("chi2", "χ²(after || before) of a round", "χ²"),
    ("min_log_ratio", "Smallest log-ratio of a round", "nats"),
    ("max_log_ratio", "Largest log-ratio of a round", "nats"),
)
_LEAST_SHOWN = {"reward_gap": 1e-6, "kl": 1e-6, "chi2": 1e-6}
"""Quantities on a logarithmic axis, and where it ends: below, they count as zero."""


def theory_figures(tables: TheoryTables) -> dict[str, FigureSpec]:
    """Return every figure of the theory stage by name.

    Args:
        tables: The result of `build_theory_tables`.

    Returns:
        ``theory_figure_1`` (log-partition; simplex), ``theory_figure_2`` (log-ratios),
        ``theory_figure_3`` (estimation error) and ``theory_laboratory``, in this order.
    """
    figures = (
        log_partition_and_simplex(tables.log_partition, tables.simplex),
        log_ratios(tables.log_ratio),
        estimation_error(tables.estimation_error),
        laboratory(tables.laboratory),
    )
    return {figure.name: figure for figure in figures}


def log_partition_and_simplex(log_partition: pd.DataFrame, simplex: pd.DataFrame) -> FigureSpec:
    """Return Figure 1 from `log_partition_table` and `simplex_table`."""
    by_tau = log_partition.groupby("tau")
    series = [
        Series(
            x=rows["p"].to_numpy(),
            y=rows["scaled_log_partition"].to_numpy(),
            colour=colour,
            label=f"log-partition, τ = {tau:g}",
        )
        for (tau, rows), colour in zip(by_tau, ordered_colours(len(by_tau)), strict=True)
    ]
    one = log_partition[log_partition["tau"] == log_partition["tau"].iloc[0]]
    series.append(
        Series(
            x=one["p"].to_numpy(),
            y=one["mean_reward"].to_numpy(),
            colour=GREY,
            label="mean reward",
            dash="dash",
        )
    )
    left = Panel(
        title="Scaled log-partition and mean reward",
        x=Axis(label=_PROBABILITY, range=(0.0, 1.0)),
        y=Axis(label="reward units", range=(-0.02, 1.03)),
        series=tuple(series),
    )
    return FigureSpec(
        name="theory_figure_1",
        title="What PMD-mean replaces, and where it leads",
        panels=(left, simplex_panel(simplex)),
        most_columns=2,
    )


def log_ratios(table: pd.DataFrame) -> FigureSpec:
    """Return Figure 2 from `log_ratio_table`."""
    panels = []
    for response in ("right", "wrong"):
        series = []
        chosen = table[table["response"] == response]
        for method, rows in rows_by_method(chosen):
            for (tau, points), dash in zip(rows.groupby("tau"), cycle(_DASHES), strict=False):
                series.append(
                    Series(
                        x=points["p"].to_numpy(),
                        y=points["log_ratio"].to_numpy(),
                        colour=METHOD_COLOURS[method],
                        label=f"{METHOD_NAMES[method]}, τ = {tau:g}",
                        dash=dash,
                    )
                )
        panels.append(
            Panel(
                title=f"{response.capitalize()} responses",
                x=Axis(label=_PROBABILITY, range=(0.0, 1.0)),
                y=Axis(label="log-ratio new / old (nats)"),
                series=tuple(series),
            )
        )
    return FigureSpec(
        name="theory_figure_2",
        title="Log-ratios of the exact updates",
        panels=tuple(panels),
        most_columns=2,
    )


def estimation_error(table: pd.DataFrame) -> FigureSpec:
    """Return Figure 3 from `estimation_error_table`."""
    panels = []
    for title, column, label in (
        ("Unscaled", "error", "squared target error (nats²)"),
        ("Scaled by exp(B₊)", "scaled_error", "scaled squared target error (nats²)"),
    ):
        series = []
        for method, rows in rows_by_method(table):
            colour = METHOD_COLOURS[method]
            for (group_size, points), dash, marker in zip(
                rows.groupby("group_size"), cycle(_DASHES), cycle(_MARKERS), strict=False
            ):
                x, name = points["p"].to_numpy(), f"{METHOD_NAMES[method]}, n = {group_size}"
                series.append(
                    Series(
                        x=x,
                        y=points[f"exact_{column}"].to_numpy(),
                        colour=colour,
                        dash=dash,
                        label=f"{name}, exact",
                    )
                )
                series.append(
                    Series(
                        x=x,
                        # All of few seeds can agree with the target, and 0 has no logarithm.
                        y=points[f"simulated_{column}"].replace(0.0, np.nan).to_numpy(),
                        colour=colour,
                        dash="none",
                        marker=marker,
                        size=4.0,
                        opacity=0.65,
                        label=f"{name}, simulated",
                    )
                )
        panels.append(
            Panel(
                title=title,
                x=Axis(label=_PROBABILITY),
                y=Axis(label=label, scale="log"),
                series=tuple(series),
            )
        )
    return FigureSpec(
        name="theory_figure_3",
        title="Error of targets estimated from n rollouts",
        panels=tuple(panels),
        most_columns=2,
        panel_inches=(5.2, 3.6),
    )


def laboratory(table: pd.DataFrame) -> FigureSpec:
    """Return the laboratory's curves from `laboratory_table`."""
    panels = []
    for quantity, title, unit in _LABORATORY_PANELS:
        least = _LEAST_SHOWN.get(quantity)
        series = []
        for method, rows in rows_by_method(table[table["quantity"] == quantity]):
            for rollouts in ("exact", "sampled"):
                points = rows[rows["rollouts"] == rollouts].sort_values("round")
                is_sampled = rollouts == "sampled"
                low, middle, high = (
                    (
                        points[column] if least is None else points[column].clip(lower=least)
                    ).to_numpy()
                    for column in ("low", "median", "high")
                )
                series.append(
                    Series(
                        x=points["round"].to_numpy(),
                        y=middle,
                        colour=METHOD_COLOURS[method],
                        dash="dash" if is_sampled else "solid",
                        label=f"{METHOD_NAMES[method]}, {rollouts}",
                        low=low if is_sampled else None,
                        high=high if is_sampled else None,
                    )
                )
        panels.append(
            Panel(
                title=title,
                x=Axis(label="round", is_integer=True),
                y=Axis(label=unit, scale="linear" if least is None else "log"),
                series=tuple(series),
            )
        )
    return FigureSpec(
        name="theory_laboratory",
        title="Rounds on one bandit: exact, and from sampled groups (median, 10-90 % of seeds)",
        panels=tuple(panels),
        panel_inches=(4.0, 3.0),
    )
