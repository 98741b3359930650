r"""Answers in words: ``\text{Evelyn}``, ``no solution``; and products that only look like them."""

import re
from typing import Final

_WORD_ANSWER: Final = re.compile(r"(?:[A-Za-z]{3,}|[Nn]o)(?:[ -][A-Za-z]+)*|\(?[A-J]\)?")
_WRAPPED: Final = re.compile(r"\(?\s*\\text\{([^{}]*)\}\s*\)?")
_NO_SOLUTION: Final = re.compile(
    r"(?:there (?:is|are|exists?) |(?:the )?(?:equation|inequality|system|it) has )?"
    r"no (?:real )?(?:solutions?|roots?)(?: exists?)?|none"
)
_EMPTY_SET: Final = r"\emptyset"
_EMPTY_BRACES: Final = re.compile(r"\\\{\s*\\\}")
# Letters that stand for quantities rather than in words: of these, or without a vowel.
_VARIABLES: Final = re.compile(r"[abcdkmnpqrxyz]+|[b-df-hj-np-tv-xz]+")
_FACTORS: Final = re.compile(r"[a-z](?:\s*(?:\\cdot\s*)?[a-z])+")


def words_of(text: str) -> str | None:
    r"""Return the words of an answer in words, in one spelling; None if it is none.

    ``\emptyset``, ``\{\}`` and ``no solution`` are the same words.
    """
    if text == _EMPTY_SET or _EMPTY_BRACES.fullmatch(text):
        return _EMPTY_SET
    wrapped = _WRAPPED.fullmatch(text)
    if wrapped is None and _WORD_ANSWER.fullmatch(text) is None:
        return None
    plain = (wrapped[1] if wrapped else text).strip().strip("().").strip()
    plain = re.sub(r"\s*,\s*", ",", plain).casefold()
    if _NO_SOLUTION.fullmatch(plain):
        return _EMPTY_SET
    return plain or None


def factors_of(text: str) -> str | None:
    r"""Return the letters of a bare product in one order: ``abc`` for ``bca`` and ``c \cdot ba``.

    None for anything else, words as well: ``east`` is no product of four letters.
    """
    if _FACTORS.fullmatch(text) is None:
        return None
    letters = "".join(re.findall(r"(?<![a-z\\])[a-z]+", text.replace(r"\cdot", " ")))
    return "".join(sorted(letters)) if _VARIABLES.fullmatch(letters) else None
