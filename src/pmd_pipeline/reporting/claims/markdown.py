"""The page of claims in Markdown, for docs/claims.md, with still figures beside it."""

from collections.abc import Sequence

from pmd_pipeline.config.claims import HeadingConfig
from pmd_pipeline.reporting.claims.figures import caption, claim_figures, in_words, panels_of
from pmd_pipeline.reporting.claims.judged import JudgedClaim
from pmd_pipeline.reporting.claims.sections import ClaimSection, claim_section, opening
from pmd_pipeline.reporting.claims.tables import overview
from pmd_pipeline.reporting.drawing.spec import FigureSpec
from pmd_pipeline.reporting.html_tables import HtmlTable

BEGIN = "<!-- What follows is written by `kedro claims report`. -->"
END = "<!-- What `kedro claims report` has written ends here. -->"


def claims_markdown(judged: Sequence[JudgedClaim], heading: HeadingConfig, *, images: str) -> str:
    """Return the verdicts as Markdown, under headings of the second and third level.

    Args:
        judged: In the order to show.
        heading: What is said above them; the document has a title of its own.
        images: Where the figures of ``claims_images`` lie, beside the document: a relative path.
    """
    parts = [
        "## Verdicts",
        *opening(judged, heading),
        _table(overview(judged)),
        *(_section(claim_section(one), images) for one in judged),
    ]
    return "\n\n".join(parts) + "\n"


def claims_images(judged: Sequence[JudgedClaim]) -> tuple[FigureSpec, ...]:
    """Return the figures that ``claims_markdown`` shows, to be saved as ``<name>.png``."""
    return tuple(
        spec
        for one in judged
        if one.verdict.judgement is not None
        for spec in claim_figures(one.name, one.claim.title, one.verdict.judgement.panels)
    )


def with_verdicts(document: str, verdicts: str) -> str:
    """Return a document with other verdicts between the two lines that mark them.

    Raises:
        ValueError: If the document has not each of the two lines once, in their order.
    """
    if document.count(BEGIN) != 1 or document.count(END) != 1:
        raise ValueError(
            f"the document must have the lines {BEGIN!r} and {END!r} once each, around the "
            f"verdicts; found {document.count(BEGIN)} and {document.count(END)}"
        )
    before, _, rest = document.partition(BEGIN)
    if END not in rest:
        raise ValueError(f"the line {END!r} must come after {BEGIN!r}")
    return f"{before}{BEGIN}\n\n{verdicts}\n{END}{rest.partition(END)[2]}"


def _section(section: ClaimSection, images: str) -> str:
    parts = [
        f"### {section.title}: {section.outcome}",
        section.sentence,
        "\n".join(
            [
                f"- **Hypothesis.** {section.hypothesis} ({section.source})",
                f"- **Counts as holding.** {section.holds}",
                f"- **Counts as not holding.** {section.fails}",
                *(f"- **Tried.** {sentence}" for sentence in section.protocol),
                *(f"- **Limit.** {sentence}" for sentence in section.limits),
            ]
        ),
    ]
    specs = claim_figures(section.name, section.title, section.panels)
    parts += (f"![{_alt_text(section, spec)}]({images}/{spec.name}.png)" for spec in specs)
    if specs:
        parts.append(f"*{caption(section.panels)}*")
    parts += (_table(table) for table in (section.findings, section.arms) if table is not None)
    return "\n\n".join(parts)


def _alt_text(section: ClaimSection, spec: FigureSpec) -> str:
    words = in_words(panels_of(spec, section.name, section.panels))
    return words.replace("[", "(").replace("]", ")")


def _table(table: HtmlTable) -> str:
    aligned = [
        "---" if place < table.num_text_columns else "---:" for place in range(len(table.header))
    ]
    rows = [table.header, tuple(aligned), *table.rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", "<br>")
