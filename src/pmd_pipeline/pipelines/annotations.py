"""Types that nodes name, where the library that has them takes long to import.

Kedro evaluates the annotations of all nodes whenever it reads parameters, so the names must exist;
type checkers see the types themselves.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure
else:
    Figure = Any

__all__ = ["Figure"]
