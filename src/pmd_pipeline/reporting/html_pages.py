"""What the HTML pages share: templates, and figures as they embed them."""

import base64
import gzip
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from pmd_pipeline.reporting.drawing.interactive import InteractiveFigure, plotly_js, script_safe

_SMALLEST_SCALE = 0.6
_LEAST_PANEL_WIDTH = 290


@dataclass(frozen=True, slots=True, kw_only=True)
class HtmlFigure:
    """A figure for the template's macro ``drawing``.

    Attributes:
        name: Its id on the page.
        title: Heading.
        caption: What stands below.
        alt_text: For who cannot see it.
        height, min_width: Pixels.
        json: Data and layout.
    """

    name: str
    title: str
    caption: str
    alt_text: str
    height: int
    min_width: int
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
    """Return a figure as a page embeds it."""
    return HtmlFigure(
        name=name,
        title=title,
        caption=caption,
        alt_text=alt_text,
        height=int(figure.layout.get("height", 450)),
        min_width=_least_width(figure),
        json=Markup(script_safe(figure.to_json())),
    )


def _least_width(figure: InteractiveFigure) -> int:
    """Return from where on panels side by side scroll sideways: narrower, their titles meet."""
    spans = {
        tuple(axis["domain"])
        for name, axis in figure.layout.items()
        if name.startswith("xaxis") and "domain" in axis
    }
    beside = len(spans) * _LEAST_PANEL_WIDTH if len(spans) > 1 else 0
    return max(beside, int(_SMALLEST_SCALE * figure.layout.get("width", 0)))


@cache
def packed_plotly_js() -> str:
    """Return plotly.js for a page to unpack: by gzip, in base64, a third of its own length."""
    # No time in the header: the same script gives the same page.
    return base64.b64encode(gzip.compress(plotly_js(), mtime=0)).decode("ascii")


def _breakable(name: str) -> Markup:
    """Return a name that may be wrapped after its underscores and dots."""
    wrapped = str(escape(name)).replace("_", "_<wbr>").replace(".", ".<wbr>")
    return Markup(wrapped)
