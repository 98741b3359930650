r"""Options of a multiple-choice problem: ``(C)``, ``\text{(C)} 5``, ``Option C``, ``C: Plane``."""

import re
from dataclasses import dataclass
from typing import Final

_LETTER: Final = "[A-J]"
_HEAD: Final = re.compile(
    r"(?P<opening>\\text\{|\{)?\s*"
    r"(?P<word>(?i:(?:the )?(?:correct |right |final )?(?:option|choice|answer)(?: is)?:?\s*))?"
    rf"(?:\((?P<enclosed>{_LETTER})\)|(?P<bare>{_LETTER})(?![\w'^(!]))"
    r"(?:\s*(?P<delimiter>[).:]))?(?P<closing>\s*\})?(?P<space>\s*)(?P<after>[:.])?\s*"
)
_TEXT: Final = re.compile(r"\\text\{([^{}]*)\}")
# Another option than the first, or words about the option: what is said is no longer one option.
_ANOTHER: Final = re.compile(
    rf"(?<![a-zA-Z])\(\s*{_LETTER}\s*\)"
    r"|(?:^|\b(?:and|or|not|but)\b|[,;/&|]|\\\\|\\(?:vee|lor|wedge|land|quad)(?![a-zA-Z]))\s*"
    rf"(?:(?i:option|choice|answer)\s*)?{_LETTER}\s*(?:$|[).:,;/&|\\]|\b(?:and|or|is|not)\b)"
)
_ABOUT: Final = re.compile(
    r"^(?:is|isn't|was|wasn't|are|can|cannot|can't|does|doesn't|will|would|seems?|may|might)\b"
    r"|\b(?:wrong|incorrect|rejected|excluded|eliminated)\b"
)
_CONFIRMED: Final = re.compile(r"is (?:the )?(?:correct|right)?(?: ?(?:answer|option|choice))?")


@dataclass(frozen=True, slots=True)
class Option:
    """An option by its letter.

    Attributes:
        letter: A capital letter from A to J.
        content: What the option says, empty where the letter stands alone.
    """

    letter: str
    content: str = ""


def parse_option(text: str) -> Option | None:
    """Read normalised ``text`` as one option, alone or with what it says; None if it is none.

    ``A cat``, ``C - x`` and ``(C)(D)`` are none: a letter is parted from its content by parentheses
    and a blank, a colon or a full stop. ``(C) or (D)`` and ``(C) is wrong`` are none either.
    """
    head = _HEAD.match(text)
    if head is None:
        return None
    content = text[head.end() :]
    if head["opening"] and not head["closing"]:
        content = f"{head['opening']}{content}" if content else ""
        if content.count("{") != content.count("}"):
            return None
    elif head["closing"] and not head["opening"]:
        return None
    letter = head["enclosed"] or head["bare"]
    plain = _TEXT.sub(r" \1 ", content).strip(" .{}")
    if not plain:
        return Option(letter)
    mark = head["delimiter"] or head["after"]
    parted = head["opening"] or head["space"] or mark
    if not (parted and (head["enclosed"] or mark)):
        return None
    if _CONFIRMED.fullmatch(plain.lower()):
        return Option(letter)
    if _ANOTHER.search(plain) or _ABOUT.search(plain.lower()) or not re.search(r"\w", plain):
        return None
    return Option(letter, content)
