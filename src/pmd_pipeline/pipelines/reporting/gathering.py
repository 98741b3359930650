"""What the report takes of one algorithm, gathered in the algorithm's own namespace.

kedro-viz shows what leaves a namespace beside its folded box: one dataset for each algorithm,
where the tables of every training run would be dozens.
"""

from collections.abc import Callable, Iterable, Sequence

import pandas as pd
from kedro.pipeline import Node, Pipeline

from pmd_pipeline.config.rewards import RewardParameters
from pmd_pipeline.config.training_runs import TrainingRun
from pmd_pipeline.metrics.problem_scores import run_scores
from pmd_pipeline.rewards import with_vote_labels

RESULTS = "results"
GATHER = "gather_results"
_TABLES = ("round_metrics", "comparison", "completions", "theory_groups")

LoadTable = Callable[[], pd.DataFrame]


def gather_pipeline(algorithm: str, runs: Sequence[TrainingRun]) -> Pipeline:
    """Return the node that puts the tables of an algorithm's training runs together.

    Args:
        algorithm: Its label.
        runs: Its training runs.
    """
    tables = {f"{run.seed_name}.{table}" for run in runs for table in _TABLES}
    return Pipeline(
        [
            Node(
                make_gather_results(runs),
                inputs={"rewards": "params:rewards", **{name: name for name in tables}},
                outputs=RESULTS,
                name=GATHER,
            )
        ],
        namespace=algorithm,
        parameters={"params:rewards": "params:rewards"},
        tags=["reporting", algorithm],
    )


def make_gather_results(runs: Sequence[TrainingRun]) -> Callable[..., dict[str, pd.DataFrame]]:
    """Return the node function that gathers the tables of one algorithm's training runs."""

    def gather_results(
        rewards: RewardParameters, **tables: pd.DataFrame
    ) -> dict[str, pd.DataFrame]:
        """Return the tables of all training seeds, and the first seed's last completions."""

        def of_runs(table: str) -> list[pd.DataFrame]:
            return [tables[f"{run.seed_name}.{table}"] for run in runs]

        completions = of_runs("completions")
        scores = [
            run_scores(
                with_vote_labels(table),
                run.algorithm,
                run.seed,
                has_answers=rewards.root.gives_answers,
            )
            for run, table in zip(runs, completions, strict=True)
        ]
        first = completions[0]
        return {
            "round_metrics": pd.concat(of_runs("round_metrics"), ignore_index=True),
            "comparison": pd.concat(of_runs("comparison"), ignore_index=True),
            "problem_scores": pd.concat(scores, ignore_index=True),
            "theory_groups": concat_theory_groups(of_runs("theory_groups")),
            "last_completions": first[first["round"] == first["round"].max()].assign(
                seed=runs[0].seed
            ),
        }

    return gather_results


def concat_theory_groups(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of all tables; a table without rows has no types, and would take others'."""
    given = list(tables)
    filled = [table for table in given if not table.empty]
    return pd.concat(filled or given[:1], ignore_index=True)
