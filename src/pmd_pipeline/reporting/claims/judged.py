"""From what is done to judged claims."""

from dataclasses import replace

from pmd_pipeline.claims.plan import ClaimsPlan
from pmd_pipeline.claims.store import ResultStore
from pmd_pipeline.reporting.claims.sections import JudgedClaim, judged_claim


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
