"""Long lines with fewer points that look the same on a screen."""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from pmd_pipeline.reporting.drawing.spec import Series

MOST_POINTS = 300
"""Of a line: about as many as an interactive panel is wide, in pixels."""

_FEWEST_POINTS = 60  # of each of many thin lines, however many there are


def thinned(series: Series) -> Series:
    """Return a line as it is, or the highest and lowest point of every few where it is too long.

    All points are of the line, its first and last among them; a gap stays a gap. Lines drawn alike
    share the points that one may have, down to a fewest. Points without a line are left alone.
    """
    ends = [0, *series.breaks.tolist(), len(series.x)]
    most = _most_points(len(ends) - 1)
    longest = max(np.diff(ends), default=0)
    if series.dash == "none" or longest <= most:
        return series
    chosen = [
        first + place
        for first, last in pairwise(ends)
        for place in _telling(series.y[first:last], _step(int(longest), most))
    ]
    return replace(
        series,
        x=series.x[chosen],
        y=series.y[chosen],
        low=None if series.low is None else series.low[chosen],
        high=None if series.high is None else series.high[chosen],
        strands=None if series.strands is None else series.strands[chosen],
        hover=tuple(series.hover[i] for i in chosen) if series.hover else series.hover,
    )


def thinning_note(num_rounds: int, num_strands: int = 1) -> str:
    """Return a sentence for the caption of lines over so many rounds; empty where all are drawn.

    Args:
        num_rounds: Points of a line.
        num_strands: Thin lines of an algorithm, if there are any.
    """
    step, thin_step = (
        _step(num_rounds, most) if num_rounds > most else 1
        for most in (MOST_POINTS, _most_points(num_strands))
    )
    begin = "Drawn are the highest and the lowest of every"
    if step == thin_step == 1:
        return ""
    if step == thin_step:
        return f"{begin} {step} rounds."
    if step == 1:
        return f"{begin} {thin_step} rounds of a thin line."
    return f"{begin} {step} rounds, of a thin line of every {thin_step}."


def _telling(y: np.ndarray, step: int) -> list[int]:
    """Return where the ends of a line are, and the extremes and first gap of every few points."""
    kept = {0, len(y) - 1}
    for start in range(0, len(y), step):
        part = y[start : start + step]
        gaps = np.flatnonzero(~np.isfinite(part))
        kept.update(start + int(gap) for gap in gaps[:1])
        if len(gaps) < len(part):
            finite = np.where(np.isfinite(part), part, np.nan)
            kept |= {start + int(np.nanargmin(finite)), start + int(np.nanargmax(finite))}
    return sorted(kept)


def _most_points(num_strands: int) -> int:
    return max(MOST_POINTS // max(num_strands, 1), _FEWEST_POINTS)


def _step(length: int, most: int) -> int:
    return -(-length // (most // 2))
