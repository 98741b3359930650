"""Every algorithm beside every other, as a table of verdicts."""

from collections.abc import Mapping
from dataclasses import dataclass

from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.run_page.pair_views import OF_POLICIES, PairView

_KINDS = {"better": "better", "worse": "worse", "equivalent": "alike"}


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictCell:
    """One algorithm beside another.

    Attributes:
        verdict: In a word or three.
        kind: Class of the element: "better", "worse", "alike" or "muted".
        difference: With its sign.
        p_value: Such as ``p = 0.004``.
        hover: All of it in one sentence, and what it covers.
    """

    verdict: str
    kind: str
    difference: str
    p_value: str
    hover: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictMatrix:
    """A row and a column per algorithm, the highest score first.

    Attributes:
        caption: What it shows, and what its numbers cover.
        columns: Algorithms.
        noun: What they are called, if they are no algorithms.
        rows: Algorithm, its score, and a cell per column; None beside itself.
    """

    caption: str
    columns: tuple[str, ...]
    noun: str = "algorithm"
    rows: tuple[tuple[str, str, tuple[VerdictCell | None, ...]], ...]


def verdict_matrix(
    finals: Mapping[str, float],
    views: Mapping[tuple[str, str], PairView],
    *,
    caption: str,
    interval: str,
    of_policies: bool,
    noun: str = "algorithm",
) -> VerdictMatrix:
    """Return the table.

    Args:
        finals: Final score of each algorithm, highest first.
        views: Of their pairs.
        caption: What the table shows.
        interval: Such as ``95 % interval``.
        of_policies: True to speak of the trained policies of one training seed, not of algorithms.
        noun: What they are called, if they are no algorithms.
    """
    return VerdictMatrix(
        caption=caption,
        noun=noun,
        columns=tuple(finals),
        rows=tuple(
            (
                name,
                formatting.share(score),
                tuple(
                    None if name == other else _cell(views[name, other], interval, of_policies)
                    for other in finals
                ),
            )
            for name, score in finals.items()
        ),
    )


def _cell(view: PairView, interval: str, of_policies: bool) -> VerdictCell:
    verdict = OF_POLICIES.get(view.verdict, view.verdict) if of_policies else view.verdict
    difference = formatting.signed_share(view.difference)
    p_value = formatting.p_value(view.p_value)
    ends = formatting.interval(view.low, view.high, signed=True)
    return VerdictCell(
        verdict=verdict,
        kind=_KINDS.get(view.verdict, "muted"),
        difference=difference,
        p_value=p_value,
        hover=f"{view.first} minus {view.second}: {difference}, {interval} {ends}, corrected "
        f"{p_value}; they cover {view.covers}",
    )
