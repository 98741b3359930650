"""What training runs have used, added up over their rounds."""

import pandas as pd
import pytest

from pmd_pipeline.metrics.budgets import BUDGET_COLUMNS, training_budgets
from pmd_pipeline.schemas.budgets import BudgetTable


def rounds(
    algorithm: str, seed: int, versions: list[int], **changes: float
) -> list[dict[str, object]]:
    """Return a row per round, with the numbers 1, 2, ... times those of the first."""
    first = {
        "num_prompts": 4,
        "num_rollouts": 8,
        "num_generation_calls": 1,
        "num_sampled_tokens": 100,
        "num_trained_tokens": 150,
        "num_skipped_updates": 0,
        "sampling_seconds": 0.5,
        "grading_seconds": 0.25,
        "updating_seconds": 1.0,
        "waiting_seconds": 0.75,
        **changes,
    }
    return [
        {
            "algorithm": algorithm,
            "seed": seed,
            "round": number,
            "policy_version": version,
            **{name: value * number for name, value in first.items()},
        }
        for number, version in enumerate(versions, start=1)
    ]


def test_each_training_runs_rounds_are_added_up_in_the_order_of_the_table() -> None:
    table = pd.DataFrame(
        [
            *rounds("pmd", 1, [2, 4]),
            *rounds("pmd", 0, [2, 3], num_skipped_updates=1),
            *rounds("grpo", 0, [2, 4], num_generation_calls=2),
        ]
    )
    found = training_budgets(table)
    assert tuple(found.columns) == BUDGET_COLUMNS
    assert BudgetTable.validate(found)[["algorithm", "seed"]].to_numpy().tolist() == [
        ["pmd", 1],
        ["pmd", 0],
        ["grpo", 0],
    ]
    first = found.iloc[0].to_dict()
    assert first == {
        "algorithm": "pmd",
        "seed": 1,
        "num_rounds": 2,
        "num_prompts": 12,
        "num_rollouts": 24,
        "num_generation_calls": 3,
        "num_sampled_tokens": 300,
        "num_trained_tokens": 450,
        "num_updates": 4,
        "num_skipped_updates": 0,
        "sampling_seconds": 1.5,
        "grading_seconds": 0.75,
        "updating_seconds": 3.0,
        "waiting_seconds": 2.25,
        "total_seconds": 5.25,
    }
    assert found["num_updates"].tolist() == [4, 3, 4]
    assert found["num_skipped_updates"].tolist() == [0, 3, 0]
    assert found["num_generation_calls"].tolist() == [3, 3, 6]


def test_time_in_which_sampling_and_updating_overlap_is_counted_once() -> None:
    """Of 0.5 s of sampling and 0.25 s of grading a round, 0.1 s were waited for."""
    table = pd.DataFrame(rounds("pmd", 0, [2, 4], waiting_seconds=0.1))
    (total,) = training_budgets(table)["total_seconds"]
    assert total == pytest.approx(3 * (1.0 + 0.1))


def test_a_table_without_counts_is_refused_by_the_name_of_what_is_missing() -> None:
    table = pd.DataFrame(rounds("pmd", 0, [1])).drop(columns="num_trained_tokens")
    with pytest.raises(ValueError, match=r"round_metrics lacks columns \['num_trained_tokens'\]"):
        training_budgets(table)
