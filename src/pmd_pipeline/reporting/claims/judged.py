"""From what is done to judged claims."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pmd_pipeline.claims.plan import ClaimsPlan
from pmd_pipeline.claims.results import ClaimResults, TuningOutcome
from pmd_pipeline.claims.store import ResultStore
from pmd_pipeline.claims.verdicts.judge import judge
from pmd_pipeline.claims.verdicts.records import ClaimVerdict
from pmd_pipeline.config.claims import ClaimConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedClaim:
    """A claim with its verdict.

    Attributes:
        name: By which it is declared.
        claim: As it is declared.
        verdict: What can be said of it.
        tunings: By name, the finished tunings of its arms.
        num_trainings: That it was judged on.
        cpu_seconds: That these took.
    """

    name: str
    claim: ClaimConfig
    verdict: ClaimVerdict
    tunings: Mapping[str, TuningOutcome]
    num_trainings: int
    cpu_seconds: float


def judged_claim(
    name: str,
    claim: ClaimConfig,
    results: ClaimResults,
    tunings: Mapping[str, TuningOutcome],
) -> JudgedClaim:
    """Judge a claim, and keep what its page needs beside the verdict.

    Args:
        name: By which it is declared.
        claim: As it is declared.
        results: Of its arms.
        tunings: By name, the tunings that are finished; those of other claims do no harm.

    Raises:
        ValueError: As ``claims.verdicts.judge``.
    """
    units = [unit for of_arm in results.arms.values() for unit in of_arm]
    return JudgedClaim(
        name=name,
        claim=claim,
        verdict=judge(claim, results),
        tunings={
            arm.tuning: tunings[arm.tuning]
            for arm in claim.arms.values()
            if arm.tuning is not None and arm.tuning in tunings
        },
        num_trainings=len(units),
        cpu_seconds=sum(sum(unit.cpu_seconds.values()) for unit in units),
    )


def judge_all(plan: ClaimsPlan, store: ResultStore) -> list[JudgedClaim]:
    """Return the claims of a plan with their verdicts, in their order.

    Where fewer pairs are wanted than are declared, it is those declared that a verdict is short of.

    Raises:
        ValueError: If results cannot be paired.
    """
    outcomes = plan.outcomes(store)
    return [
        judged_claim(
            name,
            claim,
            replace(plan.results(name, store), num_pairs=plan.num_declared_pairs),
            outcomes,
        )
        for name, claim in plan.claims.items()
    ]
