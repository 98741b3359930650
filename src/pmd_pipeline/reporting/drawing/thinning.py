"""Long lines with fewer points that look the same on a screen."""

from dataclasses import replace

import numpy as np

from pmd_pipeline.reporting.drawing.spec import Series

MOST_POINTS = 300
"""Of a line: about as many as an interactive panel is wide, in pixels."""


def thinned(series: Series) -> Series:
    """Return a line as it is, or the highest and lowest point of every few where it is too long.

    All points are of the line, its first and last among them; a gap stays a gap. Points without a
    line are left alone.
    """
    length = len(series.x)
    if series.dash == "none" or length <= MOST_POINTS:
        return series
    kept = {0, length - 1}
    step = _step(length)
    for start in range(0, length, step):
        part = series.y[start : start + step]
        gaps = np.flatnonzero(~np.isfinite(part))
        kept.update(start + int(gap) for gap in gaps[:1])
        if len(gaps) < len(part):
            finite = np.where(np.isfinite(part), part, np.nan)
            kept |= {start + int(np.nanargmin(finite)), start + int(np.nanargmax(finite))}
    chosen = sorted(kept)
    return replace(
        series,
        x=series.x[chosen],
        y=series.y[chosen],
        low=None if series.low is None else series.low[chosen],
        high=None if series.high is None else series.high[chosen],
        hover=tuple(series.hover[i] for i in chosen) if series.hover else series.hover,
    )


def thinning_note(num_rounds: int) -> str:
    """Return a sentence for the caption of lines over so many rounds; empty where all are drawn."""
    if num_rounds <= MOST_POINTS:
        return ""
    return f"Drawn are the highest and the lowest of every {_step(num_rounds)} rounds."


def _step(length: int) -> int:
    return -(-length // (MOST_POINTS // 2))
