"""A pair of algorithms, seen from either."""

from dataclasses import dataclass

import pandas as pd

OF_POLICIES = {"better": "above", "worse": "below"}
"""What is said of trained policies in place of what is said of algorithms."""

_TURNED = {"better": "worse", "worse": "better"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PairView:
    """What can be said of one algorithm beside another.

    Attributes:
        first: The one that is spoken of.
        second: The other.
        verdict: Of the first: "better", "worse", "equivalent" or "cannot be told"; of the two
            trained policies where there is one training seed.
        difference: Of their scores, first minus second.
        low: Lower end of its interval.
        high: Upper end.
        p_value: Corrected for the number of pairs: of a difference as large as the margin where the
            two are equivalent, and of no difference otherwise.
        covers: What interval and p-value answer for.
    """

    first: str
    second: str
    verdict: str
    difference: float
    low: float
    high: float
    p_value: float
    covers: str


def pair_views(pairs: pd.DataFrame) -> dict[tuple[str, str], PairView]:
    """Return the pairs of one evaluation set, each from either side.

    Args:
        pairs: Rows of `metrics.pairs.compare_pairs`.
    """
    views = {}
    for row in pairs.to_dict(orient="records"):
        verdict = row["verdict"] if pd.isna(row["one_seed_verdict"]) else row["one_seed_verdict"]
        is_equivalent = verdict == "equivalent"
        view = PairView(
            first=row["first"],
            second=row["second"],
            verdict=verdict,
            difference=row["difference"],
            low=row["ci_low"],
            high=row["ci_high"],
            p_value=row["equivalence_p_value_holm" if is_equivalent else "p_value_holm"],
            covers=row["covers"],
        )
        views[view.first, view.second] = view
        views[view.second, view.first] = _turned(view)
    return views


def _turned(view: PairView) -> PairView:
    return PairView(
        first=view.second,
        second=view.first,
        verdict=_TURNED.get(view.verdict, view.verdict),
        difference=-view.difference,
        low=-view.high,
        high=-view.low,
        p_value=view.p_value,
        covers=view.covers,
    )
