r"""The outer form of an answer: one value, a list, a tuple, a set or an interval."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pmd_pipeline.rewards.answers.notation import join_thousands, strip_group

_MAX_NESTING: Final = 20
_PAIRS: Final = {
    "(": (")", "]"),
    "[": ("]", ")"),
    r"\{": (r"\}",),
}
_DELIMITER: Final = re.compile(r"\\begin\{[a-z]*\*?\}|\\end\{[a-z]*\*?\}|\\[{}]|[(){}\[\]]")
_SEPARATOR: Final = re.compile(r"\s*(?:,|;|\\\\|(?<![a-zA-Z\\])(?:and|or)(?![a-zA-Z]))\s*")
_ROWS: Final = r"(?:(?!\\begin|\\end|(?<!\\)&).)*"
_COLUMN: Final = re.compile(
    rf"\s*(?:\\begin\{{(?P<kind>[pb](?:small)?matrix)\}}(?P<rows>{_ROWS})\\end\{{(?P=kind)\}}"
    rf"|[(\[]\s*\\begin\{{array\}}\s*\{{[lcr]\}}(?P<array>{_ROWS})\\end\{{array\}}\s*[)\]])\s*"
)
_OPENING: Final = frozenset({"(", "[", "{", r"\{"})


@dataclass(frozen=True, slots=True)
class Collection:
    r"""The elements of an answer and what encloses them.

    Attributes:
        opening: ``"("``, ``"["``, ``"\{"`` or empty.
        elements: What separators (comma, semicolon, "and", "or", a new line) set apart.
        closing: The matching delimiter or empty; ``(3, 4]`` has ``"("`` and ``"]"``.
    """

    opening: str
    elements: tuple[str, ...]
    closing: str

    @property
    def ordered(self) -> bool:
        """True for tuples, vectors and intervals, False for lists of solutions and sets."""
        return self.opening in ("(", "[")

    def text(self) -> str:
        """Write the collection in TeX again."""
        return f"{self.opening}{', '.join(self.elements)}{self.closing}"


def parse_collection(text: str, *, thousands: bool = True) -> Collection:
    """Split normalised ``text`` into its elements.

    Args:
        text: Normalised notation.
        thousands: True to read ``1,234`` outside brackets as one number, not as two.
    """
    text = _column_as_tuple(text)
    for _ in range(_MAX_NESTING):
        text = strip_group(join_thousands(text) if thousands else text)
        opening, closing = _enclosing(text)
        inner = text[len(opening) : len(text) - len(closing)] if opening else text
        elements = [
            element for part in split_outside(inner, _SEPARATOR) if (element := strip_group(part))
        ]
        if not opening or len(elements) != 1:
            break
        text = elements[0]  # (5), [5] and \{5\} are 5
    return Collection(opening, tuple(elements), closing)


def _column_as_tuple(text: str) -> str:
    r"""Write a column vector, ``\begin{pmatrix} 1 \\ 2 \end{pmatrix}``, as ``({1}, {2})``."""
    column = _COLUMN.fullmatch(text)
    rows = re.split(r"\\\\", column["rows"] or column["array"]) if column is not None else []
    entries = [f"{{{row.strip()}}}" for row in rows if row.strip()]
    return f"({', '.join(entries)})" if len(entries) > 1 else text


def _enclosing(text: str) -> tuple[str, str]:
    """Return the delimiters that enclose the whole of ``text``, or two empty strings."""
    opening = next((o for o in _PAIRS if text.startswith(o)), "")
    if not opening:
        return "", ""
    depth = 0
    for match in _DELIMITER.finditer(text):
        depth += 1 if _opens(match.group()) else -1
        if depth == 0:
            closing = match.group()
            whole = match.end() == len(text) and closing in _PAIRS[opening]
            return (opening, closing) if whole else ("", "")
    return "", ""


def split_outside(text: str, separator: re.Pattern[str]) -> list[str]:
    """Split at separators outside all brackets; leave text with unbalanced brackets whole."""
    spans: list[tuple[int, int]] = []
    depth = start = 0
    for match in _delimiter_or(separator).finditer(text):
        token = match.group()
        if _DELIMITER.fullmatch(token):
            depth += 1 if _opens(token) else -1
            if depth < 0:
                return [text]
        elif depth == 0:
            spans.append((start, match.start()))
            start = match.end()
    if depth != 0:
        return [text]
    return [text[a:b] for a, b in [*spans, (start, len(text))]]


@lru_cache(maxsize=16)
def _delimiter_or(separator: re.Pattern[str]) -> re.Pattern[str]:
    return re.compile(rf"{_DELIMITER.pattern}|{separator.pattern}")


def _opens(delimiter: str) -> bool:
    return delimiter in _OPENING or delimiter.startswith(r"\begin")
