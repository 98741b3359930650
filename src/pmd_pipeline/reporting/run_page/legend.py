"""The page's one legend of algorithms, drawn in SVG."""

from dataclasses import dataclass

from pmd_pipeline.reporting.drawing.spec import Dash, Marker, Panel

_DASHES: dict[Dash, str] = {
    "none": "0 1",
    "solid": "",
    "dash": "8 3",
    "dashdot": "8 3 2 3",
    "dot": "2 2.5",
    "longdash": "14 4",
}
_GLYPHS: dict[Marker, str] = {
    "none": "",
    "circle": "●",
    "square": "■",
    "diamond": "◆",
    "triangle-up": "▲",
    "x": "✖",
    "triangle-down": "▼",
    "star": "★",
    "cross": "✚",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LegendEntry:
    """An algorithm's line in the legend.

    Attributes:
        label: The algorithm.
        colour: Hexadecimal.
        dash: SVG's ``stroke-dasharray``.
        glyph: A character like the marker.
    """

    label: str
    colour: str
    dash: str
    glyph: str


def legend_entries(panel: Panel) -> list[LegendEntry]:
    """Return an entry per labelled line of a panel."""
    return [
        LegendEntry(
            label=series.label,
            colour=series.colour,
            dash=_DASHES[series.dash],
            glyph=_GLYPHS[series.marker],
        )
        for series in panel.series
        if series.label is not None
    ]
