"""The process that compares answers by computer algebra; never imported by the package.

It is started as a script, so that it loads SymPy and, of the package, the server and ``algebra``.
"""

import logging
from collections.abc import Sequence

from pmd_pipeline.algebra.reading import compare
from pmd_pipeline.processes.server import serve


class Algebra:
    """What the process serves; made when SymPy and the parser's tables are loaded.

    That is so before the first comparison, whose time limit does not include it.
    """

    def __init__(self) -> None:
        logging.disable(logging.CRITICAL)
        if compare(r"\frac{\sqrt{3}}{3}", [r"\frac{1}{\sqrt{3}}"]) != "equal":
            raise RuntimeError("computer algebra does not find sqrt(3)/3 equal to 1/sqrt(3)")

    def compare(self, gold: str, values: Sequence[str], parameter: str) -> str:
        """See the function."""
        return compare(gold, values, parameter)


if __name__ == "__main__":
    serve(Algebra)
