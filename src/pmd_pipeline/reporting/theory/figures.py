"""The theory stage's figures, and those of theory in the loop, from their tables."""

from itertools import cycle

import numpy as np
import pandas as pd

from pmd_pipeline.reporting.drawing.drawn import DrawnFigure, draw_figure
from pmd_pipeline.reporting.drawing.spec import (
    METHOD_COLOURS,
    METHOD_NAMES,
    REFERENCE_COLOUR,
    SEQUENCE,
    Curve,
    Dash,
    FigureSpec,
    Marker,
    Panel,
    rows_by_method,
)
from pmd_pipeline.reporting.theory.simplex import simplex_panel
from pmd_pipeline.theory.tables import TheoryTables

_DASHES: tuple[Dash, ...] = ("solid", "dashed", "dotted")
_MARKERS: tuple[Marker, ...] = ("circle", "square", "diamond", "triangle", "star")

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


def draw_theory_figures(tables: TheoryTables) -> dict[str, DrawnFigure]:
    """Return every figure of the theory stage by name.

    Args:
        tables: The result of `build_theory_tables`.

    Returns:
        ``theory_figure_1`` (log-partition; simplex), ``theory_figure_2`` (log-ratios),
        ``theory_figure_3`` (estimation error) and ``theory_laboratory``, in this order.
    """
    figures = (
        draw_log_partition_and_simplex(tables.log_partition, tables.simplex),
        draw_log_ratios(tables.log_ratio),
        draw_estimation_error(tables.estimation_error),
        draw_laboratory(tables.laboratory),
    )
    return {figure.name: figure for figure in figures}


def draw_log_partition_and_simplex(
    log_partition: pd.DataFrame, simplex: pd.DataFrame
) -> DrawnFigure:
    """Return Figure 1 from `log_partition_table` and `simplex_table`."""
    curves = [
        Curve(
            x=rows["p"].tolist(),
            y=rows["scaled_log_partition"].tolist(),
            colour=colour,
            label=f"log-partition, τ = {tau:g}",
        )
        for (tau, rows), colour in zip(log_partition.groupby("tau"), SEQUENCE, strict=False)
    ]
    one = log_partition[log_partition["tau"] == log_partition["tau"].iloc[0]]
    curves.append(
        Curve(
            x=one["p"].tolist(),
            y=one["mean_reward"].tolist(),
            colour=REFERENCE_COLOUR,
            label="mean reward",
            dash="dashed",
        )
    )
    left = Panel(
        title="Scaled log-partition and mean reward",
        x_label="success probability p",
        y_label="reward units",
        curves=tuple(curves),
        x_range=(0.0, 1.0),
        y_range=(-0.02, 1.03),
    )
    return draw_figure(
        FigureSpec(
            name="theory_figure_1",
            title="What PMD-mean replaces, and where it leads",
            panels=(left, simplex_panel(simplex)),
            num_columns=2,
        )
    )


def draw_log_ratios(table: pd.DataFrame) -> DrawnFigure:
    """Return Figure 2 from `log_ratio_table`."""
    panels = []
    for response in ("right", "wrong"):
        curves = []
        chosen = table[table["response"] == response]
        for method, rows in rows_by_method(chosen):
            for (tau, points), dash in zip(rows.groupby("tau"), _DASHES, strict=False):
                curves.append(
                    Curve(
                        x=points["p"].tolist(),
                        y=points["log_ratio"].tolist(),
                        colour=METHOD_COLOURS[method],
                        label=f"{METHOD_NAMES[method]}, τ = {tau:g}",
                        dash=dash,
                    )
                )
        panels.append(
            Panel(
                title=f"{response.capitalize()} responses",
                x_label="success probability p",
                y_label="log-ratio new / old (nats)",
                curves=tuple(curves),
                x_range=(0.0, 1.0),
            )
        )
    return draw_figure(
        FigureSpec(
            name="theory_figure_2",
            title="Log-ratios of the exact updates",
            panels=tuple(panels),
            num_columns=2,
        )
    )


def draw_estimation_error(table: pd.DataFrame) -> DrawnFigure:
    """Return Figure 3 from `estimation_error_table`."""
    panels = []
    for title, column, label in (
        ("Unscaled", "error", "squared target error (nats²)"),
        ("Scaled by exp(B₊)", "scaled_error", "scaled squared target error (nats²)"),
    ):
        curves = []
        for method, rows in rows_by_method(table):
            colour = METHOD_COLOURS[method]
            for (group_size, points), dash, marker in zip(
                rows.groupby("group_size"), cycle(_DASHES), _MARKERS, strict=False
            ):
                x, name = points["p"].tolist(), f"{METHOD_NAMES[method]}, n = {group_size}"
                curves.append(
                    Curve(
                        x=x,
                        y=points[f"exact_{column}"].tolist(),
                        colour=colour,
                        dash=dash,
                        label=f"{name}, exact",
                    )
                )
                curves.append(
                    Curve(
                        x=x,
                        # All of few seeds can agree with the target, and 0 has no logarithm.
                        y=points[f"simulated_{column}"].replace(0.0, np.nan).tolist(),
                        colour=colour,
                        dash="none",
                        marker=marker,
                        size=3.5,
                        opacity=0.65,
                        label=f"{name}, simulated",
                    )
                )
        panels.append(
            Panel(
                title=title,
                x_label="success probability p",
                y_label=label,
                curves=tuple(curves),
                log_y=True,
            )
        )
    return draw_figure(
        FigureSpec(
            name="theory_figure_3",
            title="Error of targets estimated from n rollouts",
            panels=tuple(panels),
            num_columns=2,
            panel_inches=(5.2, 3.6),
        )
    )


def draw_laboratory(table: pd.DataFrame) -> DrawnFigure:
    """Return the laboratory's curves from `laboratory_table`."""
    panels = []
    for quantity, title, unit in _LABORATORY_PANELS:
        least = _LEAST_SHOWN.get(quantity)
        curves = []
        for method, rows in rows_by_method(table[table["quantity"] == quantity]):
            for rollouts in ("exact", "sampled"):
                points = rows[rows["rollouts"] == rollouts].sort_values("round")
                is_sampled = rollouts == "sampled"
                low, middle, high = (
                    (points[column] if least is None else points[column].clip(lower=least)).tolist()
                    for column in ("low", "median", "high")
                )
                curves.append(
                    Curve(
                        x=points["round"].tolist(),
                        y=middle,
                        colour=METHOD_COLOURS[method],
                        dash="dashed" if is_sampled else "solid",
                        label=f"{METHOD_NAMES[method]}, {rollouts}",
                        low=low if is_sampled else None,
                        high=high if is_sampled else None,
                    )
                )
        panels.append(
            Panel(
                title=title,
                x_label="round",
                y_label=unit,
                curves=tuple(curves),
                log_y=least is not None,
                integer_x=True,
            )
        )
    return draw_figure(
        FigureSpec(
            name="theory_laboratory",
            title="Rounds on one bandit: exact, and from sampled groups (median, 10-90 % of seeds)",
            panels=tuple(panels),
            num_columns=3,
            panel_inches=(4.0, 3.0),
        )
    )
