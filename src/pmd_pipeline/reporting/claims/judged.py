"""From what is done to judged claims."""

from pmd_pipeline.claims.plan import ClaimsPlan
from pmd_pipeline.claims.store import ResultStore
from pmd_pipeline.claims.verdicts.judge import judge
from pmd_pipeline.reporting.claims.sections import JudgedClaim


def judge_all(plan: ClaimsPlan, store: ResultStore) -> list[JudgedClaim]:
    """Return the claims of a plan with their verdicts, in their order.

    Raises:
        ValueError: If results cannot be paired.
    """
    outcomes = plan.outcomes(store)
    judged = []
    for name, claim in plan.claims.items():
        results = plan.results(name, store)
        trainings = [result for of_arm in results.arms.values() for result in of_arm]
        tuned_by = {arm.tuning for arm in claim.arms.values()}
        judged.append(
            JudgedClaim(
                name=name,
                claim=claim,
                verdict=judge(claim, results),
                tunings={key: outcome for key, outcome in outcomes.items() if key in tuned_by},
                num_trainings=len(trainings),
                cpu_seconds=sum(sum(result.cpu_seconds.values()) for result in trainings),
            )
        )
    return judged
