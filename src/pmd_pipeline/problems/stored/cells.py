"""What stands in a cell of a raw row: text, numbers, chat turns, and values within values."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from pmd_pipeline.problems.metadata import json_value, num_characters
from pmd_pipeline.problems.stored.text_files import LARGEST_CELL_CHARACTERS
from pmd_pipeline.problems.turns import BadTurnsError, Turn, check_turns, last_user_text

ColumnPath = tuple[str, ...]

# More than any policy reads; tokenizers need minutes for it, and some the square of its length.
LARGEST_TEXT_CHARACTERS: Final = 1_000_000
# Every table of a run holds the metadata, and every response goes to its reward with it.
LARGEST_METADATA_CHARACTERS: Final = LARGEST_CELL_CHARACTERS


class BadValueError(ValueError):
    """A value of a row cannot be right; the caller adds where the row lies."""


class ProblemText(NamedTuple):
    """A problem's text, and its turns where it came as a chat."""

    problem: str | None
    turns: Sequence[Turn] = ()


def read_text(value: Any, column: str) -> str | None:
    """Return a cell as text; whole numbers, which some copies store as numbers, are taken too."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        if value != value:  # NaN: how pandas writes a missing number
            return None
        return str(int(value)) if value.is_integer() else str(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise BadValueError(
        f"{column} must be text or a number, found {type(value).__name__} {repr(value)[:60]} (a "
        "column that is not named becomes metadata, whatever it holds)"
    )


def read_text_or_turns(value: Any, column: str) -> ProblemText:
    """Return a cell that holds text or chat turns."""
    if not isinstance(value, list):
        return ProblemText(read_text(value, column))
    try:
        turns = check_turns(value)
    except BadTurnsError as error:
        raise BadValueError(f"{column}: {error}") from error
    return ProblemText(last_user_text(turns), turns)


def read_one_user_turn(value: Any, column: str) -> str | None:
    """Return the text of a conversation of one user turn."""
    if value is None:
        return None
    if (
        not isinstance(value, list)
        or len(value) != 1
        or not isinstance(value[0], dict)
        or value[0].get("role") != "user"
    ):
        raise BadValueError(
            f"{column} must be a list of one turn {{role: user, content: ...}}, found "
            f"{repr(value)[:60]}"
        )
    return read_text(value[0].get("content"), f"{column}[0].content")


def read_member(row: Mapping[str, Any], path: ColumnPath, *, required: bool = True) -> Any:
    """Return the value that a path leads to; None where a value on the way is missing.

    Raises:
        BadValueError: If a value on the way holds no values, or, where it is required, not this.
    """
    value: Any = row.get(path[0])
    for depth, key in enumerate(path[1:], start=1):
        if value is None:
            return None
        if not isinstance(value, dict) or (required and key not in value):
            raise BadValueError(
                f"{'.'.join(path[:depth])} must hold {key!r}, found {repr(value)[:60]}"
            )
        value = value.get(key)
    return value


def rest_of_row(row: Mapping[str, Any], used: Iterable[ColumnPath]) -> dict[str, Any]:
    """Return all that a row holds beside the values at the paths, as JSON values."""
    rest: Any = dict(row)
    for path in used:
        rest = _without(rest, path)
    metadata = {}
    for column, value in rest.items():
        try:
            metadata[column] = json_value(value)
        except TypeError as error:
            raise BadValueError(
                f"column {column!r} cannot become metadata: {error}; name it in ignored_columns"
            ) from error
    return metadata


def check_size(problem: str | None, answer: str | None, metadata: Mapping[str, Any]) -> None:
    """Raise BadValueError if a text or the metadata is too large to be what it should be."""
    for name, text in (("problem", problem), ("answer", answer)):
        if text is not None and len(text) > LARGEST_TEXT_CHARACTERS:
            raise BadValueError(
                f"the {name} has {len(text):,} characters, more than the "
                f"{LARGEST_TEXT_CHARACTERS:,} that are taken; it begins {text[:40]!r}"
            )
    size = num_characters(metadata)
    if size > LARGEST_METADATA_CHARACTERS:
        largest = max(metadata, key=lambda column: num_characters(metadata[column]))
        raise BadValueError(
            f"the columns that become metadata have {size:,} characters, more than the "
            f"{LARGEST_METADATA_CHARACTERS:,} that are taken; the largest is {largest!r}: name it "
            "in ignored_columns"
        )


def check_characters(*values: Any) -> None:
    """Raise BadValueError if a text among values, or within them, is none that a file can hold.

    JSON can name half of a character that takes two: a lone surrogate, as where a text was cut in
    the middle of an emoji.
    """
    for text in _texts(values):
        if text.isascii():
            continue
        try:
            text.encode()
        except UnicodeEncodeError as error:
            before = text[max(error.start - 20, 0) : error.start]
            raise BadValueError(
                f"a text holds half a character, the lone surrogate U+{ord(text[error.start]):04X}"
                f" after {before!r}, which no table can hold"
            ) from None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            yield key
            yield from _texts(entry)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _texts(entry)


def _without(value: Any, path: ColumnPath) -> Any:
    """Return a mapping without the value at a path, and without what that leaves empty."""
    key, *below = path
    if not isinstance(value, dict) or key not in value:
        return value
    rest = {name: entry for name, entry in value.items() if name != key}
    if below and value[key] is not None:
        left = _without(value[key], tuple(below))
        if left:
            rest[key] = left
    return rest
