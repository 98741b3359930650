"""Raw rows of local files and hub data sets."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pmd_pipeline.config.data_preparation import StoredSource
from pmd_pipeline.problems.errors import ProblemSourceError
from pmd_pipeline.problems.stored.text_files import Row, damaged, first_line, read_text_rows

_BATCH_ROWS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRows:
    """Rows that have not been read yet.

    Attributes:
        location: The file, or the hub data set and its revision, for messages.
        columns: Names of the columns that can be read.
        iterate: Reads the named columns, row by row.
        line_numbers: Of a text file: the line of each row, from 1, None where a row has no line
            of its own; empty for other places.
    """

    location: str
    columns: frozenset[str]
    iterate: Callable[[Sequence[str]], Iterator[Row]]
    line_numbers: Sequence[int | None] = ()

    def error(self, number: int, what: object, remedy: str) -> ProblemSourceError:
        """Return the error that says what is wrong with a row, and where it lies."""
        line = self.line_numbers[number] if self.line_numbers else None
        where = "" if line is None else f" (line {line})"
        return ProblemSourceError(
            f"{self.location}, row {number} (from 0): {what}{where}; {remedy}"
        )


def open_rows(source: StoredSource) -> RawRows:
    """Return the rows of a local file or a hub data set.

    Raises:
        ProblemSourceError: If the file is missing, empty, cut short or damaged, or the data set
            cannot be had; also while iterating.
    """
    if source.path is None:
        return _open_hub(source)
    if source.address is not None:
        raise ProblemSourceError(
            f"{source.address} is on another machine, and only `kedro run` and `kedro study` bring "
            "files here; copy it to this machine first"
        )
    path = Path(source.path)
    if not path.is_file():
        raise ProblemSourceError(
            f"data_preparation: there is no file {str(path)!r} (looked for {path.absolute()}); "
            "correct path, or download the file first"
        )
    if path.stat().st_size == 0:
        raise ProblemSourceError(f"{path} is empty (0 bytes); download it again")
    return _open_parquet(path) if path.suffix == ".parquet" else _open_text(path)


def count_rows(path: Path) -> int | None:
    """Return how many rows a local file holds, None if it cannot be read."""
    try:
        if path.suffix == ".parquet":
            return int(pq.read_metadata(path).num_rows)
        return sum(1 for _ in read_text_rows(path))
    except (pa.ArrowException, OSError, ProblemSourceError):
        return None


def _open_parquet(path: Path) -> RawRows:
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise damaged(path, error) from error
    if file.metadata.num_rows == 0:
        raise _no_rows(str(path))

    def iterate(columns: Sequence[str]) -> Iterator[Row]:
        try:
            for batch in file.iter_batches(_BATCH_ROWS, columns=list(columns)):
                yield from batch.to_pylist()
        except (pa.ArrowException, OSError) as error:
            raise damaged(path, error) from error

    return RawRows(location=str(path), columns=frozenset(file.schema_arrow.names), iterate=iterate)


def _open_text(path: Path) -> RawRows:
    numbered = list(read_text_rows(path))
    if not numbered:
        raise _no_rows(str(path))
    columns = frozenset(column for _, row in numbered for column in row)

    def iterate(wanted: Sequence[str]) -> Iterator[Row]:
        # JSON lines leave out what has no value; the same row of a parquet file holds a null.
        return ({column: row.get(column) for column in wanted} for _, row in numbered)

    return RawRows(
        location=str(path),
        columns=columns,
        iterate=iterate,
        line_numbers=[line for line, _ in numbered],
    )


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
            f"{first_line(error)}); check name, configuration, split, revision and the network, "
            "or give a local path"
        ) from error
    if len(dataset) == 0:
        raise _no_rows(location)

    def iterate(columns: Sequence[str]) -> Iterator[Row]:
        selected = dataset.select_columns(list(columns)).with_format("arrow")
        for batch in selected.iter(batch_size=_BATCH_ROWS):
            yield from batch.to_pylist()

    return RawRows(location=location, columns=frozenset(dataset.column_names), iterate=iterate)


def _no_rows(location: str) -> ProblemSourceError:
    return ProblemSourceError(f"{location} holds no rows; give a file with problems")
