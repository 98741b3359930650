"""From what is done to judged claims."""

from pmd_pipeline.claims.plan import ClaimsPlan
from pmd_pipeline.claims.store import ResultStore
from pmd_pipeline.reporting.claims.sections import JudgedClaim, judged_claim


def judge_all(plan: ClaimsPlan, store: ResultStore) -> list[JudgedClaim]:
    """Return the claims of a plan with their verdicts, in their order.

    Raises:
        ValueError: If results cannot be paired.
    """
    outcomes = plan.outcomes(store)
    return [
        judged_claim(name, claim, plan.results(name, store), outcomes)
        for name, claim in plan.claims.items()
    ]
