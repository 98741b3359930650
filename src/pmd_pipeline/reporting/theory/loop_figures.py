"""Figures of training held against theory, from the tables of theory in the loop."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pmd_pipeline.reporting.drawing.drawn import DrawnFigure, draw_figure
from pmd_pipeline.reporting.drawing.spec import (
    REFERENCE_COLOUR,
    SEQUENCE,
    Curve,
    Dash,
    FigureSpec,
    Panel,
)
from pmd_pipeline.reporting.drawing.styles import algorithm_styles

_WIDE_SPAN = 30.0
"""Largest over smallest value above which a linear axis would hide the small ones."""

_DODGE = 0.014
"""Between the rounds' points at one pass rate, so that they stand side by side."""

_MOST_ROUNDS = 4
"""Rounds whose groups are shown; more points would hide one another."""


def draw_predicted_against_measured(groups: pd.DataFrame) -> DrawnFigure:
    """Return the log-ratios of each group against its pass rate, predicted and measured.

    Args:
        groups: The result of `loop_group_table`; one row of panels per algorithm.

    Raises:
        ValueError: If the table is empty: no round of PMD-mean or PMD-part was compared.
    """
    _require_rows("groups", groups)
    panels = []
    for algorithm, rows in groups.groupby("algorithm", sort=False):
        for response in ("right", "wrong"):
            chosen = rows[rows["response"] == response].sort_values("pass_rate")
            predicted = chosen.drop_duplicates("pass_rate")
            panels.append(
                Panel(
                    title=f"{algorithm}: {response} responses",
                    x_label="pass rate before the update",
                    y_label="sequence log-ratio (nats)",
                    x_range=(0.0, 1.0),
                    curves=(
                        *_measured_by_round(chosen),
                        Curve(
                            x=predicted["pass_rate"].tolist(),
                            y=predicted["predicted_log_ratio"].tolist(),
                            colour="#000000",
                            label="predicted (exact update)",
                        ),
                    ),
                )
            )
    return draw_figure(
        FigureSpec(
            name="theory_in_the_loop_by_pass_rate",
            title="Log-ratios after a round: measured against the exact update",
            panels=tuple(panels),
            num_columns=2,
        )
    )


def draw_progress(rounds: pd.DataFrame, *, algorithms: Sequence[str] | None = None) -> DrawnFigure:
    """Return how far each round went towards its fixed point, and its divergences.

    Args:
        rounds: The result of `loop_round_table`.
        algorithms: All of the run's algorithms in their order, so that each has the colour that it
            has in the report's other figures; those of ``rounds`` when None.

    Raises:
        ValueError: If the table is empty: no round of PMD-mean or PMD-part was compared.
    """
    _require_rows("rounds", rounds)
    styles = algorithm_styles([*(algorithms or ()), *rounds["algorithm"]])

    def curves(table: pd.DataFrame, column: str, dash: Dash, suffix: str) -> tuple[Curve, ...]:
        return tuple(
            Curve(
                x=rows["round"].tolist(),
                y=rows[column].tolist(),
                colour=styles[str(name)].colour,
                dash=dash,
                marker="circle" if dash == "solid" else "none",
                size=4,
                label=f"{name}{suffix}",
            )
            for name, rows in table.groupby("algorithm", sort=False)
        )

    span = [float(rounds["round"].min()), float(rounds["round"].max())]
    fixed_point = Curve(
        x=span,
        y=[1.0, 1.0],
        colour=REFERENCE_COLOUR,
        dash="dotted",
        label="the fixed point itself",
    )
    panels = [
        Panel(
            title=title,
            x_label="round",
            y_label="slope of measured on predicted",
            curves=(*curves(rounds, column, "solid", ""), fixed_point),
            integer_x=True,
        )
        for title, column in (
            ("Progress towards the fixed point", "slope"),
            ("Progress of right responses alone", "slope_success"),
        )
    ]
    panels.append(
        Panel(
            title="Groups past the bound",
            x_label="round",
            y_label="fraction",
            curves=curves(rounds, "past_bound_fraction", "solid", ""),
            y_range=(-0.03, 1.03),
            integer_x=True,
        )
    )
    for title, unit, quantity in (
        ("Multiplier λ", "λ", "lam"),
        ("KL(after || before)", "nats, mean over groups", "kl"),
        ("χ²(after || before)", "mean over groups", "chi2"),
    ):
        measured = "implied_lam" if quantity == "lam" else f"measured_{quantity}"
        predicted = f"predicted_{quantity}"
        # A negative λ says that no update with a multiplier fits: a gap on either axis.
        known = rounds[["algorithm", "round"]].join(
            rounds[[measured, predicted]].where(rounds[[measured, predicted]] >= 0)
        )
        panels.append(
            Panel(
                title=title,
                x_label="round",
                y_label=unit,
                curves=(
                    *curves(known, measured, "solid", ""),
                    *curves(known, predicted, "dashed", ", exact update"),
                ),
                log_y=_spans_decades(known[[measured, predicted]]),
                integer_x=True,
            )
        )
    return draw_figure(
        FigureSpec(
            name="theory_in_the_loop_by_round",
            title="Training against theory, by round",
            panels=tuple(panels),
            num_columns=3,
            panel_inches=(4.0, 3.0),
        )
    )


def _measured_by_round(rows: pd.DataFrame) -> tuple[Curve, ...]:
    """Return the groups of a few rounds, spread evenly from the first to the last."""
    rounds = np.unique(rows["round"])
    if len(rounds) > _MOST_ROUNDS:
        rounds = rounds[np.linspace(0, len(rounds) - 1, _MOST_ROUNDS).round().astype(int)]
    curves = []
    for index, (number, colour) in enumerate(zip(rounds, SEQUENCE, strict=False)):
        points = rows[rows["round"] == number]
        shift = _DODGE * (index - (len(rounds) - 1) / 2)
        curves.append(
            Curve(
                x=(points["pass_rate"] + shift).tolist(),
                y=points["measured_log_ratio"].tolist(),
                colour=colour,
                dash="none",
                marker="circle",
                size=3.5,
                opacity=0.6,
                label=f"measured, round {number}",
            )
        )
    return tuple(curves)


def _spans_decades(values: pd.DataFrame) -> bool:
    """Return True where the positive values need a logarithmic axis; it leaves zeros out."""
    array = values.to_numpy(dtype=np.float64)
    positive = array[np.isfinite(array) & (array > 0)]
    return bool(positive.size and positive.max() > _WIDE_SPAN * positive.min())


def _require_rows(name: str, table: pd.DataFrame) -> None:
    if table.empty:
        raise ValueError(
            f"{name} is empty: there is no compared round to draw; leave the figure out"
        )
