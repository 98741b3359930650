"""Which of the policies that were evaluated scored highest."""

from dataclasses import dataclass

import pandas as pd

from pmd_pipeline.metrics.comparison import headline_metric

_POLICY = ["algorithm", "seed", "round"]
_NEEDED = (*_POLICY, "eval_set", "metric", "value")

# Two means of the same numbers may differ in their last bits, by the order of the addition.
_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class BestPolicy:
    """A policy that scored highest among others, on the problems that it was chosen by.

    Its score is therefore optimistic: of many policies, the luckiest is chosen too.

    Attributes:
        algorithm: Label of the algorithm that trained it.
        seed: Its training seed.
        round_index: Complete rounds of training, from 1.
        metric: What was compared: ``"avg_at_k"`` or ``"mean_reward"``.
        score: Mean of that metric over the evaluation sets.
        initial_score: The same of the initial policy; None if the table does not have it.
        num_candidates: How many policies it was chosen from.
    """

    algorithm: str
    seed: int
    round_index: int
    metric: str
    score: float
    initial_score: float | None
    num_candidates: int


def best_evaluated(comparison_by_seed: pd.DataFrame, *, algorithm: str | None = None) -> BestPolicy:
    """Return the trained policy with the highest headline metric.

    With several evaluation sets their mean decides, each counted once. Of equal policies the one
    with fewer rounds is the best, then the one that stands first in the table.

    Args:
        comparison_by_seed: Columns ``algorithm, seed, eval_set, metric, round, value``; round 0 is
            the initial policy, which is no candidate.
        algorithm: Choose among the policies of this one alone; None: of all.

    Returns:
        The policy; it may score lower than the initial one.

    Raises:
        ValueError: If a column is missing, no trained policy was evaluated, or one was evaluated
            on other sets than the others.
    """
    missing = [column for column in _NEEDED if column not in comparison_by_seed.columns]
    if missing:
        raise ValueError(
            f"the comparison has no columns {missing}, found {list(comparison_by_seed.columns)}"
        )
    metric = headline_metric(comparison_by_seed)
    rows = comparison_by_seed[comparison_by_seed["metric"] == metric]
    if algorithm is not None:
        rows = rows[rows["algorithm"] == algorithm]
    _refuse_other_sets(rows)
    scores = rows.groupby(_POLICY, sort=False)["value"].mean().round(_DIGITS).reset_index()
    trained = scores[scores["round"] > 0]
    if trained.empty:
        known = list(comparison_by_seed["algorithm"].unique())
        raise ValueError(
            f"no trained policy{_of(algorithm)} was evaluated; the comparison has the algorithms "
            f"{known}"
        )
    best = trained[trained["value"] == trained["value"].max()]
    first = best.sort_values("round", kind="stable").iloc[0]
    initial = scores[scores["round"] == 0]["value"]
    return BestPolicy(
        algorithm=str(first["algorithm"]),
        seed=int(first["seed"]),
        round_index=int(first["round"]),
        metric=metric,
        score=float(first["value"]),
        initial_score=None if initial.empty else float(initial.iloc[0]),
        num_candidates=len(trained),
    )


def _refuse_other_sets(rows: pd.DataFrame) -> None:
    examples = {
        tuple(sorted(policy_rows["eval_set"])): policy
        for policy, policy_rows in rows.groupby(_POLICY, sort=False)
    }
    if len(examples) > 1:
        raise ValueError(
            "policies were evaluated on different sets, so no best one can be told: "
            + "; ".join(f"{policy} on {', '.join(sets)}" for sets, policy in examples.items())
        )


def _of(algorithm: str | None) -> str:
    return "" if algorithm is None else f" of {algorithm!r}"
