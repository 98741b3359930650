"""What the HTML pages share: templates, and figures as they embed them."""

import base64
import gzip
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from pmd_pipeline.reporting.drawing.interactive import InteractiveFigure, plotly_js, script_safe
from pmd_pipeline.reporting.drawing.plotly_renderer import PANEL_TITLE
from pmd_pipeline.reporting.html_legend import LegendEntry, legend_entries

# Pixels above the axes: a heading of the page stands there already.
_ROOM_ABOVE, _ROOM_FOR_PANEL_TITLES = 12, 34
_DEFAULT_HEIGHT = 450
_DEFAULT_MARGIN = {"l": 62, "r": 12, "t": 60, "b": 48}


@dataclass(frozen=True, slots=True, kw_only=True)
class HtmlFigure:
    """A figure for the template's macro ``drawing``.

    Attributes:
        name: Its id on the page.
        title: Heading.
        caption: What stands below.
        alt_text: For who cannot see it.
        height: Pixels.
        legend: Its own; empty where it has none or another one serves it.
        json: Data and layout.
    """

    name: str
    title: str
    caption: str
    alt_text: str
    height: int
    legend: tuple[LegendEntry, ...]
    json: Markup


def template(name: str) -> Template:
    """Return a template of the folder ``templates``; what it lacks is an error."""
    environment = Environment(
        loader=PackageLoader("pmd_pipeline.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    return environment.get_template(name)


def html_figure(
    name: str, title: str, caption: str, alt_text: str, figure: InteractiveFigure
) -> HtmlFigure:
    """Return a figure as a page embeds it: the page has its title and its legend.

    Where it is drawn in several panels, the script of the page arranges them by its layout's
    ``meta`` (see `drawing.plotly_renderer`).
    """
    layout = figure.layout
    margin = _DEFAULT_MARGIN | (layout.get("margin") or {})
    titles = [note for note in layout.get("annotations", ()) if note.get("name") == PANEL_TITLE]
    above = _ROOM_FOR_PANEL_TITLES if titles else _ROOM_ABOVE
    between = (layout.get("meta") or {}).get("panel_height")
    if between is None:
        between = int(layout.get("height") or _DEFAULT_HEIGHT) - margin["t"] - margin["b"]
    height = above + between + margin["b"]
    shown = figure.with_layout(title=None, width=None, height=height, margin={**margin, "t": above})
    return HtmlFigure(
        name=name,
        title=title,
        caption=caption,
        alt_text=alt_text,
        height=height,
        legend=legend_entries(figure),
        json=Markup(script_safe(shown.to_json())),
    )


@cache
def packed_plotly_js() -> str:
    """Return plotly.js for a page to unpack: by gzip, in base64, a third of its own length."""
    # No time in the header: the same script gives the same page.
    return base64.b64encode(gzip.compress(plotly_js(), mtime=0)).decode("ascii")


def _breakable(name: str) -> Markup:
    """Return a name that may be wrapped after its underscores and dots."""
    wrapped = str(escape(name)).replace("_", "_<wbr>").replace(".", ".<wbr>")
    return Markup(wrapped)
