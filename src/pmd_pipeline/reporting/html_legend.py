"""Legends as the pages show them: buttons that wrap, below a figure or above several."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pmd_pipeline.reporting.drawing.interactive import InteractiveFigure

_DASHES = {"dash": "8 3", "dashdot": "8 3 2 3", "dot": "2 2.5", "longdash": "14 4"}
"""SVG's ``stroke-dasharray`` by plotly's names; a solid line has none."""

_GLYPHS = {
    "circle": "●",
    "square": "■",
    "diamond": "◆",
    "triangle-up": "▲",
    "x": "✖",
    "triangle-down": "▼",
    "star": "★",
    "cross": "✚",
    "circle-open": "○",
}
_BAR = "■"
_ANY_POINT = "●"


@dataclass(frozen=True, slots=True, kw_only=True)
class LegendEntry:
    """What a legend says of a line, of points or of bars.

    Attributes:
        label: What it is.
        group: By which the page hides and shows it.
        colour: Hexadecimal.
        has_line: Whether a line is drawn.
        dash: SVG's ``stroke-dasharray``; empty for a solid line.
        glyph: A character like the marker; empty where there is none.
    """

    label: str
    group: str
    colour: str
    has_line: bool
    dash: str
    glyph: str


def legend_entries(figure: InteractiveFigure) -> tuple[LegendEntry, ...]:
    """Return an entry per trace and level that is to have one, in their order.

    A figure whose layout says that it shows no legend has none.
    """
    if figure.layout.get("showlegend") is False:
        return ()
    drawn = [*figure.data, *figure.layout.get("shapes", ())]
    return tuple(
        _entry(part) for part in drawn if part.get("showlegend") is True and part.get("name")
    )


def _entry(drawn: Mapping[str, Any]) -> LegendEntry:
    marker, line = drawn.get("marker") or {}, drawn.get("line") or {}
    is_trace = "mode" in drawn or drawn.get("type") == "bar"
    has_line = "lines" in drawn["mode"] if "mode" in drawn else not is_trace
    glyph = ""
    if drawn.get("type") == "bar":
        glyph = _BAR
    elif "markers" in drawn.get("mode", ""):
        glyph = _GLYPHS.get(str(marker.get("symbol", "circle")), _ANY_POINT)
    name = str(drawn["name"])
    return LegendEntry(
        label=name,
        group=str(drawn.get("legendgroup") or name),
        colour=str((line if has_line else marker).get("color")),
        has_line=has_line,
        dash=_DASHES.get(str(line.get("dash")), ""),
        glyph=glyph,
    )
