"""How far the work on claims is, as tables for a console."""

from collections.abc import Mapping, Sequence
from typing import Any

from pmd_pipeline.claims.costs import UnitCosts
from pmd_pipeline.claims.plan import ClaimsPlan
from pmd_pipeline.claims.store import ResultStore
from pmd_pipeline.claims.units import Unit
from pmd_pipeline.reporting.claims.sections import JudgedClaim
from pmd_pipeline.reporting.console import ConsoleTable, plain_table
from pmd_pipeline.reporting.formatting import MISSING, number, share


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


def values_in_words(values: Mapping[str, Any]) -> str:
    """Return values without the sections that they are in: ``tau 0.5, learning_rate 0.0002``."""
    return ", ".join(f"{key.rpartition('.')[2]} {number(value)}" for key, value in values.items())


def _claim_row(name: str, plan: ClaimsPlan, store: ResultStore, costs: UnitCosts) -> list[str]:
    by_arm = plan.claim_units(name, plan.chosen_so_far(store)).values()
    units = [unit for of_arm in by_arm for unit in of_arm]
    missing = _missing(units, store)
    seconds = [costs.seconds(unit) for unit in missing]
    known = [value for value in seconds if value is not None]
    return [
        name,
        f"{len(plan.results(name, store).seeds)} of {plan.num_pairs}",
        f"{len(units) - len(missing)} of {len(units)}",
        f"{sum(known) / 3600:.1f}" if len(known) == len(seconds) else MISSING,
    ]


def _tuning_row(name: str, plan: ClaimsPlan, store: ResultStore) -> list[str]:
    units = [unit for trial in plan.trials[name] for unit in trial.units]
    outcome = plan.outcome(name, store)
    return [
        name,
        f"{len(units) - len(_missing(units, store))} of {len(units)}",
        MISSING if outcome is None else share(outcome.chosen.accuracy),
        MISSING if outcome is None else values_in_words(outcome.chosen.values),
    ]


def _missing(units: Sequence[Unit], store: ResultStore) -> list[Unit]:
    return [unit for unit in units if store.read(unit) is None]
