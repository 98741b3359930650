"""The methods of the theory's tables: their names and colours in every figure."""

from collections.abc import Iterator

import pandas as pd

from pmd_pipeline.reporting.drawing.styles import BLUE, GREEN, ORANGE

METHOD_COLOURS = {"pmd_mean": BLUE, "pmd_part": ORANGE, "group_standardised": GREEN}
METHOD_NAMES = {
    "pmd_mean": "PMD-mean",
    "pmd_part": "PMD-part",
    "group_standardised": "group-standardised gradient",
}


def rows_by_method(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the methods of a table in their fixed order, each with its rows."""
    for method in METHOD_COLOURS:
        rows = table[table["method"] == method]
        if len(rows):
            yield method, rows
