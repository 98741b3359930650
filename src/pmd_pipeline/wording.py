"""Words that every room writes alike: lists, counts, and signs of their own."""

from collections.abc import Sequence

MISSING = "–"
"""In the place of a number that there is not."""

NO_SPREAD = "[all equal]"
"""In the place of an interval without a width: all scores, or all differences, are the same."""

MINUS = "−"


def listed(names: Sequence[str]) -> str:
    """Return ``a``, ``a and b`` or ``a, b and c``."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def counted(count: int, singular: str, plural: str | None = None) -> str:
    """Return ``1 round`` or ``6 rounds``."""
    return f"{count} {singular if count == 1 else plural or singular + 's'}"


def counted_from_to(fewest: int, most: int, singular: str) -> str:
    """Return ``6 rounds``, or ``2 to 6 rounds``."""
    return counted(most, singular) if fewest == most else f"{fewest} to {counted(most, singular)}"


def rough_time(seconds: float) -> str:
    """Return ``about 2.5 hours``, ``about 3 minutes`` or ``less than a minute``."""
    if seconds < 60:
        return "less than a minute"
    if seconds < 90:
        return "about a minute"
    minutes = seconds / 60
    return f"about {minutes:.0f} minutes" if minutes < 59.5 else f"about {minutes / 60:.1f} hours"


def brief_time(seconds: float) -> str:
    """Return ``45 s``, ``12 min``, ``2.4 h`` or ``3.1 days``, for where there is little room."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    if minutes < 99.5:
        return f"{minutes:.0f} min"
    hours = minutes / 60
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"
