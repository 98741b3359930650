"""Which of two arms is more accurate, or whether they are equally so."""

import numpy as np

from pmd_pipeline.claims.results import ClaimResults
from pmd_pipeline.claims.verdicts import outlook, words
from pmd_pipeline.claims.verdicts.findings import Needs, Wanted, difference_findings
from pmd_pipeline.claims.verdicts.panels import accuracy_curves, paired_differences
from pmd_pipeline.claims.verdicts.records import Finding, Judgement, all_of, any_of, decisive
from pmd_pipeline.config.claim_tests import ArmPair, DifferenceTest
from pmd_pipeline.statistics.scores import FloatArray

_MEASURES = {"final": "final accuracy", "curve": "mean accuracy of the curve"}


def judge_difference(test: DifferenceTest, results: ClaimResults) -> Judgement:
    """Return whether the first arm of each comparison is better, or as good.

    The tests of all comparisons and measures are one family; what each says stands in
    ``findings.difference_findings``. "Better" holds if one of them finds it and none the contrary
    (worse, or a difference below the margin), and does not hold the other way round. "As good"
    holds if all of them find it, and does not if one finds a difference above the margin.
    """
    tables = {
        f"{pair.first} {words.MINUS} {pair.second}, {_MEASURES[measure]}": _difference(
            results, pair, measure
        )
        for pair in test.comparisons
        for measure in test.measures
    }
    wanted: Wanted = "higher" if test.wanted == "better" else "equivalent"
    needs: Needs = "any" if test.wanted == "better" else "all"
    findings = difference_findings(
        tables, wanted=wanted, needs=needs, alpha=test.alpha, margin=test.margin
    )
    outcome = any_of(findings) if needs == "any" else all_of(findings)
    headline = decisive(findings, outcome, preferred=_last_final(test))
    curves = tuple(accuracy_curves(results, pair.arms) for pair in test.comparisons)
    return Judgement(
        outcome=outcome,
        sentence=_sentence(test, findings, headline),
        headline=headline,
        findings=findings,
        panels=(
            *curves,
            paired_differences(
                tables, findings, y_label="difference of accuracies", margin=test.margin
            ),
        ),
        limits=(
            *outlook.ceilings(results, test.arms),
            *outlook.disagreements(findings, tables, test.alpha),
            *outlook.needed(
                findings, tables[headline.name], margin=test.margin, alpha=test.alpha, needs=needs
            ),
        ),
    )


def _difference(results: ClaimResults, pair: ArmPair, measure: str) -> FloatArray:
    of = results.final_accuracies if measure == "final" else results.curve_accuracies
    return np.asarray(of(pair.first) - of(pair.second))


def _last_final(test: DifferenceTest) -> int:
    """Return the place of the last comparison's final accuracy, or of its first measure."""
    first_of_last = len(test.measures) * (len(test.comparisons) - 1)
    return first_of_last + (test.measures.index("final") if "final" in test.measures else 0)


def _sentence(test: DifferenceTest, findings: tuple[Finding, ...], headline: Finding) -> str:
    firsts, seconds = (
        list(dict.fromkeys(arms))
        for arms in zip(*(pair.arms for pair in test.comparisons), strict=True)
    )
    counts = words.listed(
        [
            f"{says} in {sum(finding.says == says for finding in findings)}"
            for says in dict.fromkeys(finding.says for finding in findings)
        ]
    )
    wanted = "more accurate than" if test.wanted == "better" else f"within {test.margin:g} of"
    return (
        f"{'Is' if len(firsts) == 1 else 'Are'} {words.listed(firsts)} {wanted} "
        f"{words.listed(seconds)}? Of {words.counted(len(findings), 'test')}: {counts}. "
        f"{headline.name}: {words.with_interval(headline)}."
    )
