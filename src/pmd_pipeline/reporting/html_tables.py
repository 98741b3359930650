"""Tables as the report shows them: every cell a text, escaped by the template."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pandas as pd

from pmd_pipeline.reporting import formatting


@dataclass(frozen=True, slots=True, kw_only=True)
class HtmlTable:
    """A table of texts.

    Attributes:
        caption: What it shows.
        header: One text per column; may be empty.
        rows: Texts, each row as long as the header.
        numeric: Columns that are aligned to the right, by position.
        collapsed: True if the reader opens it first.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = field(default_factory=frozenset)
    collapsed: bool = False
