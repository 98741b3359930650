"""What the HTML pages share: templates, and figures as they embed them."""

from dataclasses import dataclass

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape
from plotly.io.json import to_json_plotly

_SMALLEST_SCALE = 0.6


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
    name: str, title: str, caption: str, alt_text: str, figure: go.Figure
) -> HtmlFigure:
    """Return a figure as a page embeds it."""
    content = figure.to_plotly_json()
    text = to_json_plotly({"data": content["data"], "layout": content["layout"]}, engine="json")
    return HtmlFigure(
        name=name,
        title=title,
        caption=caption,
        alt_text=alt_text,
        height=int(figure.layout.height or 450),
        # A figure of several panels scrolls sideways before they get too small to read.
        min_width=int(_SMALLEST_SCALE * (figure.layout.width or 0)),
        # Within a script element HTML ends at "</" and "<!--" alone, whatever the JSON around it.
        json=Markup(text.replace("<", "\\u003c")),
    )


def _breakable(name: str) -> Markup:
    """Return a name that may be wrapped after its underscores and dots."""
    wrapped = str(escape(name)).replace("_", "_<wbr>").replace(".", ".<wbr>")
    return Markup(wrapped)
