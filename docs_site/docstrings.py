"""What docstrings write for readers of the code, as the page of the Python API shows it."""

import re

from markdown import Markdown
from markdown.extensions import Extension
from markdown.preprocessors import Preprocessor

_EXAMPLE = re.compile(r"^Example::$")
_SOURCE = re.compile(r"^Source: ")
_ROLE = re.compile(r":(?:meth|func|class|attr|mod):`~?([^`]+)`")


class _Docstrings(Preprocessor):
    def run(self, lines: list[str]) -> list[str]:
        shown: list[str] = []
        for line in lines:
            if _SOURCE.match(line) and shown and shown[-1]:
                shown.append("")  # a paragraph of its own
            shown.append(_ROLE.sub(r"`\1`", _EXAMPLE.sub("Example:", line)))
        return shown


class Docstrings(Extension):
    """Before anything else reads the lines."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 - Markdown's name
        md.preprocessors.register(_Docstrings(md), "docstrings", 40)


def makeExtension(**options: object) -> Extension:  # noqa: N802 - Markdown's name
    """Return the extension."""
    return Docstrings(**options)
