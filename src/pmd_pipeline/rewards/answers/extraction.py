"""Where a response states its answer."""

import re

from pmd_pipeline.config.rewards import Convention
from pmd_pipeline.rewards.answers.visible import visible_text

ANSWER_LINE_CHARACTERS = 300  # DAPO reads the end of a response only

# One or two backslashes: `\\boxed{5}` is what a model writes that has learnt escaped text.
BOX_OPENING = re.compile(r"\\{1,2}(?P<command>boxed|fbox)\s*\{")
_BRACES = re.compile(rf"{BOX_OPENING.pattern}|\\.|[{{}}]", re.DOTALL)
_ANSWER_LINE = re.compile(r"(?i)Answer\s*:\s*([^\n]+)")


def extract_answer(response: str, convention: Convention = "boxed") -> str | None:
    r"""Return the text that ``response`` gives as its answer, or None if it gives none.

    Args:
        response: The whole response, of which what it says to its reader is read.
        convention: ``"boxed"``: the content of the last complete ``\boxed{...}``.
            ``"answer_line"``: what follows the last ``Answer:`` within the last 300 characters.

    Returns:
        The answer as written, surrounding white space left out; None when there is none or it is
        empty.

    Raises:
        ValueError: If the convention is unknown.
    """
    if convention == "boxed":
        answer = last_box(visible_text(response))
    elif convention == "answer_line":
        answer = last_answer_line(visible_text(response))
    else:
        raise ValueError(
            f"unknown answer convention {convention!r}: use 'boxed' (the last \\boxed{{}}) "
            "or 'answer_line' (the last line 'Answer: ...')"
        )
    return (answer.strip() or None) if answer is not None else None


def last_box(response: str) -> str | None:
    r"""Return what stands in the last complete ``\boxed{...}``, or None.

    Braces are matched as TeX does (``\{`` and ``\}`` do not count). A box that is never closed is
    no box, but a complete one within it is. Of nested boxes the outermost complete one is read.
    ``\fbox{...}`` is read only where no complete ``\boxed{...}`` exists. Linear in the length.
    """
    found: dict[str, tuple[int, int]] = {}
    open_braces: list[tuple[str | None, int]] = []
    for match in _BRACES.finditer(response):
        token = match.group()
        if token == "{":
            open_braces.append((None, match.end()))
        elif token == "}":
            if open_braces:
                command, start = open_braces.pop()
                if command is not None:
                    found[command] = (start, match.start())
        elif match["command"]:
            open_braces.append((match["command"], match.end()))
    span = found.get("boxed", found.get("fbox"))
    return response[slice(*span)] if span is not None else None


def last_answer_line(response: str) -> str | None:
    """Return what follows the last ``Answer:`` (in any case) up to a line's end, or None.

    Blank lines between the two are passed over.

    Only the last 300 characters are searched.

    Source: DAPO, arXiv:2503.14476, the rule-based verifier of its released code.
    """
    matches = _ANSWER_LINE.findall(response[-ANSWER_LINE_CHARACTERS:])
    return str(matches[-1]) if matches else None
