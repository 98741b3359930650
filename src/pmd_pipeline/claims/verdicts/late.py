"""How much accuracy is lost between the best evaluation and the last: does one arm lose less."""

import numpy as np

from pmd_pipeline.claims.results import ClaimResults
from pmd_pipeline.claims.verdicts import outlook, words
from pmd_pipeline.claims.verdicts.findings import (
    difference_findings,
    only_shown,
    per_pair_findings,
    plain_finding,
)
from pmd_pipeline.claims.verdicts.panels import accuracy_curves, paired_differences, per_pair_line
from pmd_pipeline.claims.verdicts.records import (
    ClaimPanel,
    Judgement,
    Line,
    Outcome,
    all_of,
    decisive,
)
from pmd_pipeline.claims.verdicts.tables import evaluations, last_rounds
from pmd_pipeline.config.claim_tests import ArmPair, LateTest
from pmd_pipeline.statistics.contrasts import drops_from_best
from pmd_pipeline.statistics.scores import FloatArray

_LAST_ROUNDS = 3


def judge_late(test: LateTest, results: ClaimResults) -> Judgement:
    """Return whether the first arm of every comparison ends less far below its best evaluation.

    The best evaluation is chosen on half of the problems and measured on the other half, both
    ways: the luck that makes one of many evaluations the best is no loss. Entropies of the last
    rounds are shown beside.
    """
    drops = {arm: drops_from_best(evaluations(results, arm)) for arm in test.arms}
    tables = {_name(pair): drops[pair.first] - drops[pair.second] for pair in test.comparisons}
    findings = difference_findings(
        tables, wanted="lower", needs="all", alpha=test.alpha, margin=test.margin
    )
    alone = tuple(
        plain_finding(f"best {words.MINUS} final accuracy, {arm}", table, "accuracy")
        for arm, table in drops.items()
    )
    entropies = per_pair_findings(
        {
            f"entropy of the last {_LAST_ROUNDS} rounds, {pair.first} {words.MINUS} "
            f"{pair.second}": _entropy(results, pair.first) - _entropy(results, pair.second)
            for pair in test.comparisons
        },
        wanted="higher",
        alpha=test.alpha,
        unit="nats",
    )
    outcome = all_of(findings)
    headline = decisive(findings, outcome)
    pair = test.comparisons[findings.index(headline)]
    return Judgement(
        outcome=outcome,
        sentence=_sentence(outcome, pair, headline.name, words.with_interval(headline)),
        headline=headline,
        findings=(*findings, *alone, *map(only_shown, entropies)),
        panels=(
            accuracy_curves(results, test.arms),
            _entropies(results, test.arms),
            paired_differences(
                tables, findings, y_label="difference of losses", margin=test.margin
            ),
        ),
        limits=(
            *_bottom(results, test),
            *outlook.disagreements(findings, tables, test.alpha),
            *outlook.needed(
                findings, tables[headline.name], margin=test.margin, alpha=test.alpha, needs="all"
            ),
        ),
    )


def _name(pair: ArmPair) -> str:
    return f"best {words.MINUS} final accuracy, {pair.first} {words.MINUS} {pair.second}"


def _sentence(outcome: Outcome, pair: ArmPair, name: str, number: str) -> str:
    less = f"{pair.first} loses less after its best evaluation than {pair.second}"
    begin = words.verdict(less, outcome)
    return f"{begin} {name[0].upper()}{name[1:]}: {number}."


def _entropy(results: ClaimResults, arm: str) -> FloatArray:
    return last_rounds(results, arm, "entropy", _LAST_ROUNDS)


def _bottom(results: ClaimResults, test: LateTest) -> tuple[str, ...]:
    """Return a sentence on arms that never rose: what has gained nothing has nothing to lose."""
    flat = [arm for arm in dict.fromkeys(test.arms) if _gain(evaluations(results, arm)) < 0.02]
    if not flat:
        return ()
    return (f"{words.listed(flat)} hardly rose above the initial policy: nothing to lose.",)


def _gain(curve: FloatArray) -> float:
    means = curve.mean(axis=(1, 2))
    return float(means.max() - means[0])


def _entropies(results: ClaimResults, arms: tuple[str, ...]) -> ClaimPanel:
    lines: list[Line] = []
    for arm in dict.fromkeys(arms):
        num_rounds = min(len(unit.rounds) for unit in results.arms[arm])
        table = np.array(
            [[row["entropy"] for row in unit.rounds[:num_rounds]] for unit in results.arms[arm]]
        )
        lines.append(
            per_pair_line(arm, np.arange(1, num_rounds + 1, dtype=np.float64), list(table.T))
        )
    return ClaimPanel(
        title="Entropy", x_label="round", y_label="nats per token", lines=tuple(lines)
    )
