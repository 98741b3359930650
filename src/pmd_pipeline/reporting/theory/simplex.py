"""The simplex of three actions, with both methods' solutions."""

import pandas as pd

from pmd_pipeline.reporting.drawing.spec import (
    METHOD_COLOURS,
    METHOD_NAMES,
    REFERENCE_COLOUR,
    Curve,
    Marker,
    Panel,
    Text,
    rows_by_method,
)

_HEIGHT = 0.75**0.5
"""Of a triangle with sides of length 1."""


def simplex_panel(table: pd.DataFrame) -> Panel:
    """Return the triangle of policies over three actions, with both methods' paths.

    Args:
        table: The result of `simplex_table`.
    """
    corners = [_position(1.0, 0.0, 0.0), _position(0.0, 1.0, 0.0), _position(0.0, 0.0, 1.0)]
    outline = [*corners, corners[0]]
    curves = [
        Curve(x=[x for x, _ in outline], y=[y for _, y in outline], colour=REFERENCE_COLOUR),
    ]
    tau = float(table.loc[table["role"] == "solution", "tau"].iloc[0])
    for method, rows in rows_by_method(table):
        colour, name = METHOD_COLOURS[method], METHOD_NAMES[method]
        path = rows[rows["role"].isin(["initial", "path", "small_tau_limit"])]
        curves.append(
            _simplex_curve(path.sort_values("tau", ascending=False), colour, f"{name}, path over τ")
        )
        curves.append(
            _simplex_curve(
                rows[rows["role"] == "solution"], colour, f"{name}, τ = {tau:g}", marker="circle"
            )
        )
        limit = rows[rows["role"] == "small_tau_limit"]
        curves.append(_simplex_curve(limit, colour, f"{name}, τ → 0", marker="star", size=11.0))
    start = table[table["role"] == "initial"].iloc[:1]
    curves.append(_simplex_curve(start, "#000000", "initial policy", marker="square"))
    first = table.iloc[0]
    labels = [f"action {i + 1}: reward {first[f'reward_{i + 1}']:g}" for i in range(3)]
    return Panel(
        title="Solutions for three actions",
        x_label="",
        y_label="",
        curves=tuple(curves),
        texts=(
            Text(x=corners[0][0], y=corners[0][1] - 0.06, text=labels[0]),
            Text(x=corners[1][0], y=corners[1][1] - 0.06, text=labels[1]),
            Text(x=corners[2][0], y=corners[2][1] + 0.09, text=labels[2]),
        ),
        x_range=(-0.2, 1.2),
        y_range=(-0.12, _HEIGHT + 0.15),
        is_diagram=True,
    )


def _simplex_curve(
    rows: pd.DataFrame, colour: str, label: str, *, marker: Marker = "none", size: float = 7.0
) -> Curve:
    """Return policies as points in the triangle: a line, or markers when one is named."""
    points = [
        _position(*policy)
        for policy in rows[["probability_1", "probability_2", "probability_3"]].to_numpy()
    ]
    return Curve(
        x=[x for x, _ in points],
        y=[y for _, y in points],
        colour=colour,
        label=label,
        dash="solid" if marker == "none" else "none",
        marker=marker,
        size=size,
    )


def _position(first: float, second: float, third: float) -> tuple[float, float]:
    """Return where a policy lies in the triangle whose third corner is the top."""
    return float(second + 0.5 * third), float(_HEIGHT * third)
