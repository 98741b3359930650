"""The page of claims: one HTML file that opens without a network."""

from collections.abc import Sequence
from dataclasses import dataclass

from pmd_pipeline.config.claims import HeadingConfig
from pmd_pipeline.reporting.claims.figures import caption, claim_figures, in_words, panels_of
from pmd_pipeline.reporting.claims.judged import JudgedClaim
from pmd_pipeline.reporting.claims.sections import ClaimSection, claim_section, opening
from pmd_pipeline.reporting.claims.tables import overview
from pmd_pipeline.reporting.drawing.plotly_renderer import plotly_figure
from pmd_pipeline.reporting.html_pages import HtmlFigure, html_figure, packed_plotly_js, template


@dataclass(frozen=True, slots=True, kw_only=True)
class _DrawnSection:
    section: ClaimSection
    figures: tuple[HtmlFigure, ...]


def render_claims_page(judged: Sequence[JudgedClaim], heading: HeadingConfig) -> str:
    """Return the page; the same verdicts give the same text."""
    sections = [claim_section(one) for one in judged]
    return template("claims.html.j2").render(
        title=heading.title,
        paragraphs=opening(judged, heading),
        overview=overview(judged),
        names=[section.name for section in sections],
        drawn=[
            _DrawnSection(section=section, figures=_html_figures(section)) for section in sections
        ],
        plotly_js=packed_plotly_js(),
    )


def _html_figures(section: ClaimSection) -> tuple[HtmlFigure, ...]:
    """Return a claim's figures; the page has their titles as headings, those of panels stay."""
    figures = []
    for spec in claim_figures(section.name, section.title, section.panels):
        shown = panels_of(spec, section.name, section.panels)
        title = spec.panels[0].title if len(spec.panels) == 1 else "What was measured"
        figures.append(
            html_figure(
                f"claim-{spec.name}", title, caption(shown), in_words(shown), plotly_figure(spec)
            )
        )
    return tuple(figures)
