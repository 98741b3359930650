"""Raw rows of local files and hub data sets."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pmd_pipeline.config.data_preparation import StoredSource
from pmd_pipeline.problems.errors import ProblemSourceError

Row = dict[str, Any]
_BATCH_ROWS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRows:
    """Rows that have not been read yet.

    Attributes:
        location: The file, or the hub data set and its revision, for messages.
        columns: Names of the columns that can be read.
        iterate: Reads the named columns, row by row.
    """

    location: str
    columns: frozenset[str]
    iterate: Callable[[Sequence[str]], Iterator[Row]]


def open_rows(source: StoredSource) -> RawRows:
    """Return the rows of a local file or a hub data set.

    Raises:
        ProblemSourceError: If the file is missing, empty, cut short or damaged, or the data set
            cannot be had; also while iterating.
    """
    if source.path is None:
        return _open_hub(source)
    path = Path(source.path)
    if not path.is_file():
        raise ProblemSourceError(
            f"data_preparation: there is no file {str(path)!r} (looked for {path.absolute()}); "
            "correct path, or download the file first"
        )
    if path.stat().st_size == 0:
        raise ProblemSourceError(f"{path} is empty (0 bytes); download it again")
    return _open_parquet(path) if path.suffix == ".parquet" else _open_jsonl(path)


def _open_parquet(path: Path) -> RawRows:
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error
    if file.metadata.num_rows == 0:
        raise _no_rows(str(path))

    def iterate(columns: Sequence[str]) -> Iterator[Row]:
        try:
            for batch in file.iter_batches(_BATCH_ROWS, columns=list(columns)):
                yield from batch.to_pylist()
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path, error) from error

    return RawRows(location=str(path), columns=frozenset(file.schema_arrow.names), iterate=iterate)


def _open_jsonl(path: Path) -> RawRows:
    rows = list(_parse_lines(path))
    if not rows:
        raise _no_rows(str(path))
    columns = frozenset(column for row in rows for column in row)

    def iterate(wanted: Sequence[str]) -> Iterator[Row]:
        # JSON lines leave out what has no value; the same row of a parquet file holds a null.
        return ({column: row.get(column) for column in wanted} for row in rows)

    return RawRows(location=str(path), columns=columns, iterate=iterate)


def _parse_lines(path: Path) -> Iterator[Row]:
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(path, error) from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ProblemSourceError(
                f"{path}, line {number}: no valid JSON ({error}), found {line[:60]!r}; the file "
                "may be cut short: download it again or correct the line"
            ) from error
        if not isinstance(row, dict):
            raise ProblemSourceError(
                f"{path}, line {number}: each line must hold a JSON object, found {line[:60]!r}"
            )
        yield row


def _open_hub(source: StoredSource) -> RawRows:
    import datasets  # it takes seconds to import, and most runs need no hub

    location = f"{source.hub_name}@{source.revision}"
    try:
        dataset = datasets.load_dataset(
            source.hub_name, source.hub_config, revision=source.revision, split=source.hub_split
        )
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise ProblemSourceError(
            f"data_preparation: the hub data set {location} (configuration {source.hub_config!r}, "
            f"split {source.hub_split!r}) cannot be loaded ({type(error).__name__}: "
            f"{_first_line(error)}); check name, configuration, split, revision and the network, "
            "or give a local path"
        ) from error
    if len(dataset) == 0:
        raise _no_rows(location)

    def iterate(columns: Sequence[str]) -> Iterator[Row]:
        selected = dataset.select_columns(list(columns)).with_format("arrow")
        for batch in selected.iter(batch_size=_BATCH_ROWS):
            yield from batch.to_pylist()

    return RawRows(location=location, columns=frozenset(dataset.column_names), iterate=iterate)


def _damaged(path: Path, error: Exception) -> ProblemSourceError:
    return ProblemSourceError(
        f"{path} cannot be read ({type(error).__name__}: {_first_line(error)}); it may be cut "
        "short or damaged: download it again"
    )


def _no_rows(location: str) -> ProblemSourceError:
    return ProblemSourceError(f"{location} holds no rows; give a file with problems")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0]
