"""Results as arrays: evaluations of an arm, seconds until each, and figures of its rounds."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from pmd_pipeline.claims.results import ClaimResults, UnitResult
from pmd_pipeline.claims.verdicts.records import ArmNumbers
from pmd_pipeline.statistics.scores import FloatArray
from pmd_pipeline.statistics.two_level import two_level_estimate


def check_problems(results: ClaimResults) -> None:
    """Refuse results that cannot be paired.

    Raises:
        ValueError: If two units were evaluated on different problems, or an arm's at other rounds.
    """
    problems = {unit.problem_ids for units in results.arms.values() for unit in units}
    if len(problems) > 1:
        raise ValueError(
            "the units of a claim must be evaluated on the same problems in the same order; "
            f"found {len(problems)} different sets; run the claim again with one problem set"
        )
    for arm, units in results.arms.items():
        if len({_rounds(unit) for unit in units}) > 1:
            raise ValueError(
                f"the units of arm {arm!r} were evaluated after different rounds: "
                f"{sorted({_rounds(unit) for unit in units})}; run the claim again"
            )


def evaluations(results: ClaimResults, arm: str) -> FloatArray:
    """Return an arm's accuracies from the initial policy on, [E, S, P]."""
    return np.stack(
        [[evaluation.accuracies for evaluation in unit.evaluations] for unit in results.arms[arm]],
        axis=1,
    )


def evaluated_rounds(results: ClaimResults, arm: str) -> FloatArray:
    """Return the complete rounds that each of an arm's evaluations has seen, [E]."""
    return np.array(_rounds(results.arms[arm][0]), dtype=np.float64)


def training_seconds(results: ClaimResults, arm: str) -> FloatArray:
    """Return the CPU seconds of training until each evaluation, [E, S].

    A run that diverged spends none after that.
    """
    until = evaluated_rounds(results, arm).astype(int)
    return np.stack(
        [_elapsed(unit)[np.minimum(until, len(unit.rounds))] for unit in results.arms[arm]],
        axis=1,
    )


def last_rounds(results: ClaimResults, arm: str, column: str, count: int) -> FloatArray:
    """Return the mean of a column over the last few rounds of each pair, [S]."""
    return np.array(
        [np.mean([row[column] for row in unit.rounds[-count:]]) for unit in results.arms[arm]]
    )


def arm_numbers(results: ClaimResults, arms: Iterable[str]) -> tuple[ArmNumbers, ...]:
    """Return what each arm has reached."""
    rows = []
    for arm in dict.fromkeys(arms):
        curve = evaluations(results, arm)
        final = two_level_estimate(curve[-1], lowest=0.0, highest=1.0)
        rows.append(
            ArmNumbers(
                arm=arm,
                num_diverged=sum(unit.diverged_in_round is not None for unit in results.arms[arm]),
                initial=float(curve[0].mean()),
                final=final.value,
                final_low=final.interval().low,
                final_high=final.interval().high,
                best=float(curve.mean(axis=(1, 2)).max()),
                reward_gap_over_tau=_reward_gap_over_tau(results.arms[arm][0]),
                kl_per_round=_kl_per_round(results.arms[arm]),
            )
        )
    return tuple(rows)


def _reward_gap_over_tau(unit: UnitResult) -> float:
    tau = unit.settings["algorithm"].get("tau")
    rewards = unit.settings["rewards"]
    if tau is None or "correct_reward" not in rewards:
        return math.nan
    return float((rewards["correct_reward"] - rewards["incorrect_reward"]) / tau)


def _kl_per_round(units: Sequence[UnitResult]) -> float:
    values = np.array([row["kl"] for unit in units for row in unit.rounds])
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else math.nan


def _elapsed(unit: UnitResult) -> FloatArray:
    return np.cumsum([0.0, *(row["cpu_seconds"] for row in unit.rounds)])


def _rounds(unit: UnitResult) -> tuple[int, ...]:
    return tuple(evaluation.round for evaluation in unit.evaluations)
