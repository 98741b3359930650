"""How far the work on claims is, as tables for a console."""

from collections.abc import Sequence

from pmd_pipeline.claims.costs import UnitCosts
from pmd_pipeline.claims.plan import ClaimsPlan
from pmd_pipeline.claims.store import ResultStore
from pmd_pipeline.claims.verdicts.words import settings
from pmd_pipeline.reporting.claims.judged import JudgedClaim
from pmd_pipeline.reporting.console import ConsoleTable, plain_table
from pmd_pipeline.reporting.formatting import MISSING, share


def status_tables(plan: ClaimsPlan, store: ResultStore) -> list[ConsoleTable | str]:
    """Return the claims with their complete pairs, and the tunings with what they chose.

    A training that several claims need is counted at each of them.
    """
    costs = UnitCosts(plan.expected_units(store), store)
    tables: list[ConsoleTable | str] = [
        plain_table(
            [_claim_row(name, plan, store, costs) for name in plan.claims],
            names=["claim"],
            numbers=["pairs", "trainings", "core hours left"],
        )
    ]
    if plan.trials:
        tables += [
            "",
            plain_table(
                [_tuning_row(name, plan, store) for name in plan.trials],
                names=["tuning"],
                numbers=["trainings", "accuracy"],
                texts=["chosen"],
            ),
        ]
    return tables


def verdict_table(judged: Sequence[JudgedClaim]) -> ConsoleTable:
    """Return the verdicts, each with its pairs of seeds and a sentence."""
    return plain_table(
        [
            [
                one.name,
                str(one.verdict.outcome),
                f"{one.verdict.num_pairs} of {one.verdict.num_declared_pairs}",
                one.verdict.sentence,
            ]
            for one in judged
        ],
        names=["claim", "verdict"],
        numbers=["pairs"],
        texts=["what was found"],
    )


def _claim_row(name: str, plan: ClaimsPlan, store: ResultStore, costs: UnitCosts) -> list[str]:
    by_arm = plan.claim_units(name, plan.chosen_so_far(store)).values()
    units = [unit for of_arm in by_arm for unit in of_arm]
    missing = store.missing(units)
    seconds = costs.sum(missing)
    return [
        name,
        f"{len(plan.results(name, store).seeds)} of {plan.num_pairs}",
        f"{len(units) - len(missing)} of {len(units)}",
        MISSING if seconds is None else f"{seconds / 3600:.1f}",
    ]


def _tuning_row(name: str, plan: ClaimsPlan, store: ResultStore) -> list[str]:
    units = [unit for trial in plan.trials[name] for unit in trial.units]
    outcome = plan.outcome(name, store)
    return [
        name,
        f"{len(units) - len(store.missing(units))} of {len(units)}",
        MISSING if outcome is None else share(outcome.chosen.accuracy),
        MISSING if outcome is None else settings(outcome.chosen.values),
    ]
