"""Tables as the report shows them: every cell a text, escaped by the template."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HtmlTable:
    """A table of texts; its first column names the rows.

    Attributes:
        caption: What it shows.
        header: One text per column; may be empty.
        rows: Texts, each row as long as the header; a line break stays one.
        num_text_columns: So many columns from the left hold text; the others hold numbers and are
            aligned to the right.
        collapsed: True if the reader opens it first.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    num_text_columns: int
    collapsed: bool = False
