"""How numbers and names are written, in the console, the figures and the report alike."""

import math

import numpy as np
import pandas as pd

from pmd_pipeline.wording import MINUS, MISSING, NO_SPREAD, counted, counted_from_to, listed

__all__ = [
    "MINUS",
    "MISSING",
    "NO_SPREAD",
    "count",
    "counted",
    "counted_from_to",
    "interval",
    "listed",
    "metric_name",
    "number",
    "p_value",
    "percent",
    "plain_ascii",
    "seconds",
    "share",
    "short_number",
    "signed_share",
    "tick",
    "with_interval",
]

_METRIC_NAMES = {
    "avg_at_k": "avg@{k}",
    "mean_reward": "mean reward",
    "pass_at_k": "pass@{k}",
    "maj_at_k": "maj@{k}",
    "truncated_fraction": "truncated share",
    "mean_response_tokens": "mean response tokens",
}


def count(value: float) -> str:
    """Return a count, or a mean of counts, in words such as ``6,144`` and ``47.3``."""
    is_whole = float(value).is_integer() or abs(value) >= 1000
    return f"{value:,.0f}" if is_whole else f"{value:,.1f}"


def metric_name(metric: str, k: int | str) -> str:
    """Return the name that people read, such as ``avg@4``; an unknown metric keeps its own."""
    return _METRIC_NAMES.get(metric, metric).format(k=k)


def share(value: float) -> str:
    """Return a 0-1 quantity with three decimals."""
    return MISSING if math.isnan(value) else f"{value:.3f}"


def signed_share(value: float) -> str:
    """Return a difference of 0-1 quantities with its sign; what rounds to 0 is +0.000."""
    return MISSING if math.isnan(value) else f"{value:+z.3f}".replace("-", MINUS)


def interval(low: float, high: float, *, signed: bool = False) -> str:
    """Return ``[low, high]``; empty where there is none, ``[all equal]`` where it has no width."""
    if math.isnan(low) or math.isnan(high):
        return ""
    if low == high:
        return NO_SPREAD
    write = signed_share if signed else share
    return f"[{write(low)}, {write(high)}]"


def with_interval(
    value: float, low: float, high: float, *, signed: bool = False, between: str = " "
) -> str:
    """Return ``0.873 [0.841, 0.905]``; the value alone where there is no interval."""
    write = signed_share if signed else share
    ends = interval(low, high, signed=signed)
    return f"{write(value)}{between}{ends}" if ends else write(value)


def p_value(value: float) -> str:
    """Return a p-value: ``p = 0.004``, or ``p < 0.001``."""
    if math.isnan(value):
        return ""
    return f"p = {value:.3f}" if value >= 0.0005 else "p < 0.001"


def plain_ascii(text: str) -> str:
    """Return the text for terminals that know few characters."""
    return text.replace(MISSING, "-").replace(MINUS, "-")


def percent(fraction: float) -> str:
    """Return ``0.95`` as ``95 %``."""
    return f"{100 * fraction:.4g} %"


def seconds(value: float) -> str:
    """Return a duration that people read: ``0.4 s``, ``38 s``, ``2 min 05 s``, ``1 h 02 min``."""
    if math.isnan(value):
        return MISSING
    if value < 9.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(value / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def number(value: object) -> str:
    """Return any cell as text: integers whole, other numbers to four digits."""
    if value is None or value is pd.NA:
        return MISSING
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (float, np.number)):
        as_float = float(value)
        if math.isnan(as_float):
            return MISSING
        if as_float.is_integer() and abs(as_float) < 1e7:
            return str(int(as_float)).replace("-", MINUS)
        return short_number(as_float)
    return str(value)


def short_number(value: float) -> str:
    """Return a number to four digits."""
    return MISSING if math.isnan(value) else f"{value:.4g}".replace("-", MINUS)


def tick(value: float) -> str:
    """Return a round number as an axis shows it."""
    return f"{value:g}".replace("-", MINUS)
