"""The files of a report on claims: a page of its own, and verdicts in a document with figures."""

from collections.abc import Sequence
from pathlib import Path

from pmd_pipeline.config.claims import HeadingConfig
from pmd_pipeline.files import whole_file
from pmd_pipeline.reporting.claims.judged import JudgedClaim
from pmd_pipeline.reporting.claims.markdown import claims_images, claims_markdown, with_verdicts
from pmd_pipeline.reporting.claims.page import render_claims_page


def write_claims_page(judged: Sequence[JudgedClaim], heading: HeadingConfig, path: Path) -> None:
    """Write the HTML page; its folder is made where it is missing.

    Raises:
        OSError: If it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_text(path, render_claims_page(judged, heading))


def write_claims_document(
    judged: Sequence[JudgedClaim], heading: HeadingConfig, path: Path, images: Path
) -> None:
    """Put the verdicts in the place of those that a Markdown document has, and draw their figures.

    Args:
        judged: In the order to show.
        heading: What is said above them.
        path: Of the document, which has the two lines of ``markdown.with_verdicts``.
        images: Folder of the PNG files, below that of the document.

    Raises:
        OSError: If the document cannot be read, or a file not be written.
        ValueError: If the document has not the two lines.
    """
    from pmd_pipeline.reporting.drawing.matplotlib_renderer import matplotlib_figure

    where = images.relative_to(path.parent).as_posix()
    document = with_verdicts(
        path.read_text(encoding="utf-8"), claims_markdown(judged, heading, images=where)
    )
    images.mkdir(parents=True, exist_ok=True)
    for spec in claims_images(judged):
        with whole_file(images / f"{spec.name}.png") as partial:
            # The version of matplotlib would change the bytes of equal pictures.
            matplotlib_figure(spec).savefig(partial, format="png", metadata={"Software": None})
    _write_text(path, document)


def _write_text(path: Path, text: str) -> None:
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")
