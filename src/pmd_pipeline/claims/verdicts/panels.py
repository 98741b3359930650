"""Panels that several claims draw: curves of accuracy, and paired differences."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from pmd_pipeline.claims.results import ClaimResults
from pmd_pipeline.claims.verdicts.records import ClaimPanel, Finding, Line
from pmd_pipeline.claims.verdicts.tables import evaluated_rounds, evaluations
from pmd_pipeline.statistics.estimates import Estimate
from pmd_pipeline.statistics.scores import FloatArray
from pmd_pipeline.statistics.two_level import two_level_estimate
from pmd_pipeline.wording import counted

_SPREAD = 0.16
"""How far the points of one place may stand beside it."""


def accuracy_curves(results: ClaimResults, arms: Iterable[str]) -> ClaimPanel:
    """Return the accuracies by round: a mean with its interval per arm, a thin line per pair."""
    lines: list[Line] = []
    for arm in dict.fromkeys(arms):
        rounds, curve = evaluated_rounds(results, arm), evaluations(results, arm)
        lines += (Line(label=arm, x=rounds, y=pair, role="pair") for pair in curve.mean(axis=2).T)
        lines.append(mean_line(arm, rounds, [accuracy_estimate(table) for table in curve]))
    return ClaimPanel(
        title=f"Accuracy over {counted(int(max(line.x[-1] for line in lines)), 'round')}",
        x_label="round",
        y_label="accuracy on held-out problems",
        lines=tuple(lines),
    )


def paired_differences(
    tables: Mapping[str, FloatArray],
    findings: Sequence[Finding],
    *,
    y_label: str,
    level: tuple[float, str] = (0.0, "no difference"),
    margin: float | None = None,
    title: str = "Paired differences",
) -> ClaimPanel:
    """Return each finding with its interval, and a point per pair beside it.

    Args:
        tables: By the findings' names, a row per pair, [S, P] or [S].
        findings: Those to draw, in order.
        y_label: What they are, with the unit.
        level: What says that there is none, and its name.
        margin: From which difference on one matters.
        title: Above them.
    """
    lines: list[Line] = []
    for place, finding in enumerate(findings):
        pairs = np.asarray(tables[finding.name])
        pairs = pairs.mean(axis=1) if pairs.ndim == 2 else pairs
        beside = place + np.linspace(-_SPREAD, _SPREAD, pairs.size) if pairs.size > 1 else [place]
        lines.append(Line(label="a pair", x=np.asarray(beside, float), y=pairs, role="cloud"))
    at = np.arange(len(findings), dtype=np.float64)
    lines.append(
        Line(
            label="mean with its 95 % interval",
            x=at,
            y=np.array([finding.value for finding in findings]),
            low=_finite_ends([finding.low for finding in findings]),
            high=_finite_ends([finding.high for finding in findings]),
            role="points",
        )
    )
    return ClaimPanel(
        title=title,
        x_label="",
        y_label=y_label,
        lines=tuple(lines),
        names=tuple(finding.name for finding in findings),
        level=level,
        margin=margin,
    )


def accuracy_estimate(table: FloatArray) -> Estimate:
    """Return a mean accuracy over pairs and problems, [S, P], with an interval within 0 to 1."""
    return two_level_estimate(table, lowest=0.0, highest=1.0)


def mean_line(label: str, x: FloatArray, estimates: Sequence[Estimate]) -> Line:
    """Return means with the band of their 95 % intervals."""
    intervals = [estimate.interval() for estimate in estimates]
    return Line(
        label=label,
        x=np.asarray(x, dtype=np.float64),
        y=np.array([interval.value for interval in intervals]),
        low=_finite_ends([interval.low for interval in intervals]),
        high=_finite_ends([interval.high for interval in intervals]),
    )


def per_pair_line(label: str, x: FloatArray, values: Sequence[FloatArray]) -> Line:
    """Return means over pairs with their intervals; places without a finite number are left out.

    Args:
        label: What it shows.
        x: Places, [N].
        values: At each place a number per pair, [N] of [S]; those that are not finite do not count.
    """
    finite = [numbers[np.isfinite(numbers)] for numbers in values]
    kept = [place for place, numbers in enumerate(finite) if numbers.size]
    estimates = [two_level_estimate(finite[place][:, None]) for place in kept]
    return mean_line(label, np.asarray(x, dtype=np.float64)[kept], estimates)


def _finite_ends(ends: Sequence[float]) -> FloatArray:
    """Return ends of intervals; one of a single pair has none that could be drawn."""
    return np.where(np.isfinite(ends), ends, np.nan)
