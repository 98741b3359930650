"""What of a response is said to its reader."""

import re
from typing import Final

_END_OF_THINKING: Final = re.compile(r"</think(?:ing)?>|◁/think▷|\[/THINK\]")
_COMMENT: Final = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_STRUCK_OUT: Final = re.compile(r"~~[^~\n]*~~|<(?P<tag>del|s|strike)>[^<]*</(?P=tag)>")
_ANSWER: Final = re.compile(r"(?i)\\f?boxed|\\fbox|answer\s*:")
_UNSEEN: Final = re.compile(r"\\(?:[hv]?phantom|[bx]?cancel|sout|st)\s*\{")
_BRACES: Final = re.compile(rf"(?P<unseen>{_UNSEEN.pattern})|\\.|[{{}}]", re.DOTALL)


def visible_text(response: str) -> str:
    r"""Return ``response`` without closed thinking and without what is hidden or struck out.

    Once a response closes its thinking (``</think>``), only what follows counts; one that never
    does is read whole. HTML comments, ``\phantom{...}``, ``\cancel{...}`` and answers between
    ``~~`` are left out. Linear in the length.
    """
    text = _COMMENT.sub("", _END_OF_THINKING.split(response)[-1])
    text = _STRUCK_OUT.sub(_without_answer, text)
    return _without_unseen(text) if _UNSEEN.search(text) else text


def _without_answer(struck_out: re.Match[str]) -> str:
    """Leave out what gives an answer; elsewhere ``~~`` may be two spaces of TeX."""
    return "" if _ANSWER.search(struck_out.group()) else struck_out.group()


def _without_unseen(text: str) -> str:
    r"""Leave out each ``\phantom{...}`` and the like that is closed."""
    kept, position = list[str](), 0
    opened: list[int | None] = []  # where what is unseen begins; None for other braces
    num_unseen = 0
    for match in _BRACES.finditer(text):
        if match["unseen"] or match.group() == "{":
            opened.append(match.start() if match["unseen"] else None)
            num_unseen += bool(match["unseen"])
        elif match.group() == "}" and opened:
            start = opened.pop()
            if start is None:
                continue
            num_unseen -= 1
            if num_unseen == 0:
                kept.append(text[position:start])
                position = match.end()
    return "".join([*kept, text[position:]])
