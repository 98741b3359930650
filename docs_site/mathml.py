"""Formulas as MathML, which browsers draw without a script or a network.

They stand between dollar signs or, as GitHub has it too, in a fence named math.
"""

import re
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert
from markdown import Markdown
from markdown.extensions import Extension
from markdown.inlinepatterns import InlineProcessor
from markdown.preprocessors import Preprocessor

_BLOCK = re.compile(r"^\$\$\s*\n?(.+?)\n?\s*\$\$\s*$", re.DOTALL | re.MULTILINE)
_FENCE = re.compile(r"^```math\n(.+?)\n```$", re.DOTALL | re.MULTILINE)
_INLINE = r"\$(?![\s$])([^$\n]*?[^\s$\\])\$"


# Browsers know no other way to draw a double-struck letter.
_DOUBLE_STRUCK = re.compile(r'<mi mathvariant="double-struck">(.)</mi>')
_LETTERS = {"E": "\U0001d53c", "P": "\u2119", "R": "\u211d", "N": "\u2115"}


def _as_mathml(formula: str, display: str) -> str:
    return _DOUBLE_STRUCK.sub(
        lambda match: f"<mi>{_LETTERS.get(match.group(1), match.group(1))}</mi>",
        convert(formula, display=display),
    )


class _Blocks(Preprocessor):
    def __init__(self, md: Markdown, form: re.Pattern[str]) -> None:
        super().__init__(md)
        self._form = form

    def run(self, lines: list[str]) -> list[str]:
        def as_mathml(match: re.Match[str]) -> str:
            return f"\n\n{self.md.htmlStash.store(_as_mathml(match.group(1), 'block'))}\n\n"

        return self._form.sub(as_mathml, "\n".join(lines)).split("\n")


class _Inline(InlineProcessor):
    def handleMatch(  # type: ignore[override]  # noqa: N802 - Markdown's name
        self, match: re.Match[str], data: str
    ) -> tuple[str | Element, int, int]:
        return (
            self.md.htmlStash.store(_as_mathml(match.group(1), "inline")),
            match.start(0),
            match.end(0),
        )


class MathMl(Extension):
    """Fences just before code is set aside, the rest after it, before underscores are read."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 - Markdown's name
        md.preprocessors.register(_Blocks(md, _FENCE), "mathml_fences", 28)
        md.preprocessors.register(_Blocks(md, _BLOCK), "mathml_blocks", 20)
        md.inlinePatterns.register(_Inline(_INLINE, md), "mathml_inline", 185)


def makeExtension(**options: object) -> Extension:  # noqa: N802 - Markdown's name
    """Return the extension."""
    return MathMl(**options)
