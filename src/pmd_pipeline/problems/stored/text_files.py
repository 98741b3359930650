"""Rows of JSON and CSV files, compressed or not.

Rows come with the line that they end on, for messages.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from pmd_pipeline.config.data_preparation import COMPRESSIONS
from pmd_pipeline.problems.errors import ProblemSourceError

Row = dict[str, Any]
NumberedRow = tuple[int | None, Row]

# A cell beyond this is no problem and no answer, and every table would hold a copy of it.
LARGEST_CELL_CHARACTERS: Final = 10_000_000
_OTHER_SEPARATORS: Final = (";", "\t", "|")


def read_text_rows(path: Path) -> Iterator[NumberedRow]:
    """Yield the rows of a .jsonl, .json or .csv file, each with its line's number from 1.

    The entries of a JSON list have none.

    Raises:
        ProblemSourceError: If the file is damaged, or a line is no row.
    """
    kind = next(suffix for suffix in reversed(path.suffixes) if suffix not in COMPRESSIONS)
    try:
        with _open(path, newline="" if kind == ".csv" else "\n") as stream:
            yield from _READERS[kind](path, stream)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> ProblemSourceError:
    """Return the error of a file that cannot be read."""
    return ProblemSourceError(
        f"{path} cannot be read ({type(error).__name__}: {first_line(error)}); it may be cut "
        "short or damaged: download it again"
    )


def first_line(error: Exception) -> str:
    """Return the first line of an error's message."""
    return (str(error).strip().splitlines() or ["no message"])[0]


def _open(path: Path, *, newline: str) -> io.TextIOWrapper:
    compression = COMPRESSIONS.get(path.suffix)
    # The byte order mark that some programs put before the text is no part of it.
    return io.TextIOWrapper(
        pa.input_stream(str(path), compression=compression), encoding="utf-8-sig", newline=newline
    )


def _json_lines(path: Path, stream: Iterable[str]) -> Iterator[NumberedRow]:
    for number, line in enumerate(stream, start=1):
        if line.strip():
            yield number, _json_object(path, number, line)


def _json_rows(path: Path, stream: io.TextIOWrapper) -> Iterator[NumberedRow]:
    """Yield the objects of a JSON list, or of lines that hold one each."""
    text = stream.read()
    if not text.lstrip().startswith("["):
        yield from _json_lines(path, io.StringIO(text, newline="\n"))
        return
    try:
        rows = json.loads(text)
    except json.JSONDecodeError as error:
        raise _no_json(path, error.lineno, error, text[max(error.pos - 30, 0) :]) from error
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise ProblemSourceError(
                f"{path}, row {number} (from 0): each entry of the list must be a JSON object, "
                f"found {repr(row)[:60]}"
            )
        yield None, row


def _json_object(path: Path, number: int, line: str) -> Row:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise _no_json(path, number, error, line) from error
    if not isinstance(row, dict):
        raise ProblemSourceError(
            f"{path}, line {number}: each line must hold a JSON object, found {line[:60]!r}"
        )
    return row


def _no_json(path: Path, number: int, error: Exception, found: str) -> ProblemSourceError:
    return ProblemSourceError(
        f"{path}, line {number}: no valid JSON ({error}), found {found[:60]!r}; the file "
        "may be cut short: download it again or correct the line"
    )


def _csv_rows(path: Path, stream: io.TextIOWrapper) -> Iterator[NumberedRow]:
    # Not pandas or pyarrow: they guess types ("007" becomes 7), and name no line.
    csv.field_size_limit(LARGEST_CELL_CHARACTERS)
    reader = csv.reader(stream, strict=True)
    try:
        header = next(reader, [])
        _check_header(path, header)
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                raise ProblemSourceError(
                    f"{path}, line {reader.line_num}: {len(cells)} values under {len(header)} "
                    f"columns {header}; put quotes around texts that hold a comma or a line end, "
                    "or correct the row"
                )
            # A CSV file cannot tell nothing from an empty text.
            row = {name: cell or None for name, cell in zip(header, cells, strict=True)}
            yield reader.line_num, row
    except csv.Error as error:
        raise ProblemSourceError(
            f"{path}, line {reader.line_num}: no valid CSV ({error}); look for a quote that is "
            f"never closed, or a text of more than {LARGEST_CELL_CHARACTERS:,} characters"
        ) from error


def _check_header(path: Path, header: list[str]) -> None:
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise ProblemSourceError(f"{path}, line 1: columns {twice} come twice; rename them")
    if len(header) == 1:
        for separator in _OTHER_SEPARATORS:
            if separator in header[0]:
                raise ProblemSourceError(
                    f"{path}, line 1: one column {header[0]!r}; the values seem to be separated "
                    f"by {separator!r}: save the file with commas"
                )


_READERS: Final[Mapping[str, Any]] = {
    ".jsonl": _json_lines,
    ".json": _json_rows,
    ".csv": _csv_rows,
}
