"""Interactive figures on one page that needs no network: plotly.js is in it once."""

from collections.abc import Mapping

from pmd_pipeline.reporting.drawing.interactive import InteractiveFigure
from pmd_pipeline.reporting.html_pages import HtmlFigure, html_figure, packed_plotly_js, template


def figures_page(title: str, figures: Mapping[str, InteractiveFigure]) -> str:
    """Return the page.

    Args:
        title: Of the page.
        figures: By name, in the order to show.
    """
    return template("figures.html.j2").render(
        title=title,
        figures=[_figure(name, figure) for name, figure in figures.items()],
        plotly_js=packed_plotly_js(),
    )


def _figure(name: str, figure: InteractiveFigure) -> HtmlFigure:
    words = str((figure.layout.get("title") or {}).get("text") or name.replace("_", " "))
    return html_figure(name, words, "", words, figure)
