"""Figures of training held against theory, from the tables of theory in the loop."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from pmd_pipeline.reporting.curves.seed_lines import SeedLines, thin_lines
from pmd_pipeline.reporting.drawing.spec import Axis, Dash, FigureSpec, Panel, Series
from pmd_pipeline.reporting.drawing.styles import (
    GREY,
    INK,
    algorithm_styles,
    ordered_colours,
)

_WIDE_SPAN = 30.0
"""Largest over smallest value above which a linear axis would hide the small ones."""

_DODGE = 0.014
"""Between the rounds' points at one pass rate, so that they stand side by side."""

_MOST_ROUNDS = 4
"""Rounds whose groups are shown; more points would hide one another."""

_MOST_POINTS = 120
"""Of a round, for the same reason; the line through them is the mean of all."""

_ROUNDS = Axis(label="round", is_integer=True)


def predicted_against_measured(groups: pd.DataFrame) -> FigureSpec:
    """Return the log-ratios of each group against its pass rate, predicted and measured.

    Args:
        groups: The result of `loop_group_table`, of one training seed or of several together; one
            row of panels per algorithm.

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
                    x=Axis(label="pass rate before the update", range=(0.0, 1.0)),
                    y=Axis(label="sequence log-ratio (nats)"),
                    series=(
                        *_measured_by_round(chosen),
                        Series(
                            x=predicted["pass_rate"].to_numpy(),
                            y=predicted["predicted_log_ratio"].to_numpy(),
                            colour=INK,
                            label="predicted (exact update)",
                        ),
                    ),
                )
            )
    return FigureSpec(
        name="theory_in_the_loop_by_pass_rate",
        title="Log-ratios after a round: measured against the exact update",
        panels=tuple(panels),
        most_columns=2,
    )


def progress(rounds: pd.DataFrame, *, algorithms: Sequence[str] | None = None) -> FigureSpec:
    """Return how far each round went towards its fixed point, and its divergences.

    Args:
        rounds: The results of `loop_round_table`, with a column ``seed``.
        algorithms: All of the run's algorithms in their order, so that each has the colour that it
            has in the report's other figures; those of ``rounds`` when None.

    Raises:
        ValueError: If the table is empty: no round of PMD-mean or PMD-part was compared.
    """
    _require_rows("rounds", rounds)
    styles = algorithm_styles([*(algorithms or ()), *rounds["algorithm"]])

    def curves(table: pd.DataFrame, column: str, dash: Dash, suffix: str) -> tuple[Series, ...]:
        lines = {
            str(name): SeedLines.of(rows, column)
            for name, rows in table.groupby("algorithm", sort=False)
        }
        thin = [thin_lines(name, styles[name], line) for name, line in lines.items()]
        means = [
            Series(
                x=line.rounds,
                y=line.mean,
                colour=styles[name].colour,
                dash=dash,
                marker="circle" if dash == "solid" else "none",
                size=4.0,
                label=f"{name}{suffix}",
            )
            for name, line in lines.items()
        ]
        # What was measured shows its seeds; the exact updates' would cover them.
        return (*(line for some in thin for line in some if dash == "solid"), *means)

    span = np.array([rounds["round"].min(), rounds["round"].max()])
    fixed_point = Series(
        x=span,
        y=np.ones(2),
        colour=GREY,
        dash="dot",
        label="the fixed point itself",
    )
    panels = [
        Panel(
            title=title,
            x=_ROUNDS,
            y=Axis(label="slope of measured on predicted"),
            series=(*curves(rounds, column, "solid", ""), fixed_point),
        )
        for title, column in (
            ("Progress towards the fixed point", "slope"),
            ("Progress of right responses alone", "slope_success"),
        )
    ]
    panels.append(
        Panel(
            title="Groups past the bound",
            x=_ROUNDS,
            y=Axis(label="fraction", range=(-0.03, 1.03)),
            series=curves(rounds, "past_bound_fraction", "solid", ""),
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
        known = rounds.assign(
            **{
                column: rounds[column].where(rounds[column] >= 0)
                for column in (measured, predicted)
            }
        )
        panels.append(
            Panel(
                title=title,
                x=_ROUNDS,
                y=Axis(label=unit, scale=_scale(known[[measured, predicted]])),
                series=(
                    *curves(known, measured, "solid", ""),
                    *curves(known, predicted, "dash", ", exact update"),
                ),
            )
        )
    return FigureSpec(
        name="theory_in_the_loop_by_round",
        title="Training against theory, by round",
        panels=tuple(panels),
        panel_inches=(4.0, 3.0),
    )


def _measured_by_round(rows: pd.DataFrame) -> tuple[Series, ...]:
    """Return groups of a few rounds, spread evenly from the first to the last, and their means."""
    rounds = np.unique(rows["round"])
    if len(rounds) > _MOST_ROUNDS:
        rounds = rounds[np.linspace(0, len(rounds) - 1, _MOST_ROUNDS).round().astype(int)]
    curves, mean_curves = [], []
    colours = ordered_colours(len(rounds))
    for index, (number, colour) in enumerate(zip(rounds, colours, strict=True)):
        points = rows[rows["round"] == number]
        shift = _DODGE * (index - (len(rounds) - 1) / 2)
        label = f"measured, round {number}"
        few = points.iloc[:: -(-len(points) // _MOST_POINTS)]
        curves.append(
            Series(
                x=(few["pass_rate"] + shift).to_numpy(),
                y=few["measured_log_ratio"].to_numpy(),
                colour=colour,
                dash="none",
                marker="circle",
                size=4.0,
                opacity=0.6,
                label=label,
            )
        )
        means = points.groupby("pass_rate")["measured_log_ratio"].mean()
        mean_curves.append(
            Series(
                x=means.index.to_numpy() + shift,
                y=means.to_numpy(),
                colour=colour,
                group=label,
                name=f"mean of round {number}",
            )
        )
    return (*curves, *mean_curves)


def _scale(values: pd.DataFrame) -> Literal["linear", "log"]:
    """Return the scale that shows the small ones too; a logarithmic one leaves zeros out."""
    array = values.to_numpy(dtype=np.float64)
    positive = array[np.isfinite(array) & (array > 0)]
    return "log" if positive.size and positive.max() > _WIDE_SPAN * positive.min() else "linear"


def _require_rows(name: str, table: pd.DataFrame) -> None:
    if table.empty:
        raise ValueError(
            f"{name} is empty: there is no compared round to draw; leave the figure out"
        )
