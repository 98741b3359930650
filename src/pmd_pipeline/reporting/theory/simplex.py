"""The simplex of three actions, with both methods' solutions."""

import numpy as np
import pandas as pd

from pmd_pipeline.reporting.drawing.spec import Axis, Marker, Panel, Series, Text
from pmd_pipeline.reporting.drawing.styles import GREY, INK
from pmd_pipeline.reporting.theory.methods import METHOD_COLOURS, METHOD_NAMES, rows_by_method

_HEIGHT = 0.75**0.5
"""Of a triangle with sides of length 1."""

_LABEL_RISES = (-0.06, -0.06, 0.09)
"""Of each corner's name over the corner."""


def simplex_panel(table: pd.DataFrame) -> Panel:
    """Return the triangle of policies over three actions, with both methods' paths.

    Args:
        table: The result of `simplex_table`.
    """
    corners = _positions(np.eye(3))
    outline = corners[[0, 1, 2, 0]]
    series = [Series(x=outline[:, 0], y=outline[:, 1], colour=GREY, hover=())]
    tau = float(table.loc[table["role"] == "solution", "tau"].iloc[0])
    for method, rows in rows_by_method(table):
        colour, name = METHOD_COLOURS[method], METHOD_NAMES[method]
        path = rows[rows["role"].isin(["initial", "path", "small_tau_limit"])]
        series.append(
            _policies(path.sort_values("tau", ascending=False), colour, f"{name}, path over τ")
        )
        series.append(
            _policies(
                rows[rows["role"] == "solution"], colour, f"{name}, τ = {tau:g}", marker="circle"
            )
        )
        limit = rows[rows["role"] == "small_tau_limit"]
        series.append(_policies(limit, colour, f"{name}, τ → 0", marker="star", size=11.0))
    start = table[table["role"] == "initial"].iloc[:1]
    series.append(_policies(start, INK, "initial policy", marker="square"))
    first = table.iloc[0]
    labels = [f"action {i + 1}: reward {first[f'reward_{i + 1}']:g}" for i in range(3)]
    return Panel(
        title="Solutions for three actions",
        x=Axis(range=(-0.2, 1.2)),
        y=Axis(range=(-0.12, _HEIGHT + 0.15)),
        series=tuple(series),
        texts=tuple(
            Text(x=float(x), y=float(y) + rise, text=label)
            for (x, y), rise, label in zip(corners, _LABEL_RISES, labels, strict=True)
        ),
        has_axes=False,
        has_equal_scales=True,
    )


def _policies(
    rows: pd.DataFrame, colour: str, label: str, *, marker: Marker = "none", size: float = 7.0
) -> Series:
    """Return policies as points in the triangle: a line, or markers when one is named."""
    policies = rows[["probability_1", "probability_2", "probability_3"]].to_numpy(dtype=float)
    points = _positions(policies)
    return Series(
        x=points[:, 0],
        y=points[:, 1],
        colour=colour,
        label=label,
        dash="solid" if marker == "none" else "none",
        marker=marker,
        size=size,
        hover=tuple(
            f"{label}: {first:.3f}, {second:.3f}, {third:.3f}" for first, second, third in policies
        ),
    )


def _positions(policies: np.ndarray) -> np.ndarray:
    """Return where policies [N, 3] lie in the triangle whose third corner is the top, [N, 2]."""
    return np.column_stack([policies[:, 1] + 0.5 * policies[:, 2], _HEIGHT * policies[:, 2]])
