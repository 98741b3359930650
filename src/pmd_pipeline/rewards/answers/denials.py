"""Words that take back what stands beside them: ``not x = 5``, ``False: 5``, ``5 is wrong``."""

import re
from typing import Final

_DENIALS: Final = """
not no never false wrong incorrect untrue impossible invalid neither except excluding excluded isn
isnt aren doesn cannot disproved rejected if unless suppose assume assuming otherwise
"""
_CONDITIONS: Final = frozenset({"for", "when", "where", "given", "let", "say"})
DENIALS: Final = frozenset(_DENIALS.split())
# In a label, also what bounds, estimates or changes the value: "at least: 5", "minus: 5".
_HEDGE_WORDS: Final = """
least most about approximately roughly around nearly almost than less but plus minus negative
opposite inverse double twice half triple
"""
_HEDGES: Final = frozenset(_HEDGE_WORDS.split())


def denies(words: str) -> bool:
    """Tell words whose first or last one denies, as ``not x`` and ``x is not`` do, or supposes."""
    found = re.findall(r"[a-z]+", words.lower())
    return bool(found) and (found[0] in DENIALS | _CONDITIONS or found[-1] in DENIALS)


def hedges(label: str) -> bool:
    """Tell a label of which any word denies, bounds or estimates."""
    return not (DENIALS | _HEDGES).isdisjoint(re.findall(r"[a-z]+", label.lower()))
