"""A claim's verdict from its results."""

from dataclasses import replace
from typing import assert_never

from pmd_pipeline.claims.results import ClaimResults
from pmd_pipeline.claims.verdicts import words
from pmd_pipeline.claims.verdicts.collapses import judge_collapses
from pmd_pipeline.claims.verdicts.difference import judge_difference
from pmd_pipeline.claims.verdicts.drop import judge_drop
from pmd_pipeline.claims.verdicts.late import judge_late
from pmd_pipeline.claims.verdicts.log_ratios import judge_log_ratios
from pmd_pipeline.claims.verdicts.outlook import divergences
from pmd_pipeline.claims.verdicts.records import ClaimVerdict, Judgement, Outcome
from pmd_pipeline.claims.verdicts.seconds import judge_seconds
from pmd_pipeline.claims.verdicts.shift import judge_shift
from pmd_pipeline.claims.verdicts.slope import judge_slope
from pmd_pipeline.claims.verdicts.tables import arm_numbers, check_problems
from pmd_pipeline.config.claim_tests import (
    CollapseTest,
    DifferenceTest,
    DropTest,
    LateTest,
    LogRatioTest,
    SecondsTest,
    ShiftTest,
    SlopeTest,
)
from pmd_pipeline.config.claims import ClaimConfig


def judge(claim: ClaimConfig, results: ClaimResults) -> ClaimVerdict:
    """Return what can be said of a claim, by the test that it declares.

    From fewer complete pairs than ``test.least_pairs`` it cannot be told, whatever the numbers.

    Raises:
        ValueError: If the results cannot be paired.
    """
    num_pairs, least = len(results.seeds), claim.test.least_pairs
    if num_pairs == 0:
        return ClaimVerdict(
            judgement=None,
            outcome=Outcome.CANNOT_BE_TOLD,
            sentence="No pair of seeds is complete yet.",
            arms=(),
            num_pairs=0,
            num_declared_pairs=results.num_pairs,
        )
    check_problems(results)
    arms = arm_numbers(results, claim.arms)
    judgement = _judgement(claim, results)
    judgement = replace(judgement, limits=(*divergences(arms), *judgement.limits))
    outcome, sentence = judgement.outcome, judgement.sentence
    if num_pairs < least:
        outcome = Outcome.CANNOT_BE_TOLD
        sentence = (
            f"{words.counted(num_pairs, 'pair')} of seeds {'is' if num_pairs == 1 else 'are'} too "
            f"few: the claim asks for at least {least}. So far: {sentence}"
        )
    return ClaimVerdict(
        judgement=judgement,
        outcome=outcome,
        sentence=sentence,
        arms=arms,
        num_pairs=num_pairs,
        num_declared_pairs=results.num_pairs,
    )


def _judgement(claim: ClaimConfig, results: ClaimResults) -> Judgement:
    match claim.test:
        case DifferenceTest() as test:
            return judge_difference(test, results)
        case CollapseTest() as test:
            return judge_collapses(test, claim, results)
        case LogRatioTest() as test:
            return judge_log_ratios(test, claim, results)
        case SlopeTest() as test:
            return judge_slope(test, claim, results)
        case DropTest() as test:
            return judge_drop(test, results)
        case ShiftTest() as test:
            return judge_shift(test, results)
        case SecondsTest() as test:
            return judge_seconds(test, results)
        case LateTest() as test:
            return judge_late(test, results)
    assert_never(claim.test)
