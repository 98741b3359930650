"""Where a finished run's time went, and what holding its rounds against theory costs.

    kedro run
    python benchmarks/run_costs.py data

    python benchmarks/run_costs.py data/smollm2      # after kedro run --env smollm2

Run it by hand, on the data folder of a run; it reads and changes nothing. The first table has the
seconds of every stage as the run recorded them. For the first and last round of each PMD algorithm
the second has the comparison with theory, the median of five, beside the round's own seconds: under
1 % is wanted of the embedded default's rounds. Of SmolLM2's evaluation on all of AIME 2024 and 2025
(docs/smollm2.md), at most 600 s are wanted on two idle cores, start and preparation included.
"""

import argparse
import json
import statistics
import time
from collections import defaultdict
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from pmd_pipeline.config.algorithms import AlgorithmParameters
from pmd_pipeline.config.rewards import RewardParameters
from pmd_pipeline.config.training_runs import TrainingRun
from pmd_pipeline.rewards.choice import two_values_of
from pmd_pipeline.training.theory_in_the_loop import ExactUpdate, exact_update_of, theory_metrics

NUM_RUNS = 5
WIDTH = 100
WANTED_FRACTION = 0.01
WORK = ["sampling_seconds", "grading_seconds", "updating_seconds"]


def main() -> None:
    """Print both tables for the data folder that is named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="data folder of a finished run")
    data = parser.parse_args().data
    state = json.loads((data / "run_state.json").read_text(encoding="utf-8"))
    console = Console(width=WIDTH)
    console.print(_stages(state["node_seconds"]))
    console.print(_comparisons(data, state["stage_parameters"]))


def _stages(node_seconds: dict[str, float]) -> Table:
    table = Table("node", "seconds", title="Nodes of all training runs and phases")
    total: defaultdict[str, float] = defaultdict(float)
    for name, seconds in node_seconds.items():
        total[name.rpartition(".")[2]] += seconds
    rows = sorted(total.items(), key=lambda row: -row[1])
    for name, seconds in [*rows, ("all", sum(total.values()))]:
        table.add_row(name, f"{seconds:.1f}")
    table.columns[1].justify = "right"
    return table


def _comparisons(data: Path, parameters: dict[str, dict[str, object]]) -> Table:
    table = Table("training run", "round", "its seconds", "compared in", "of the round", "wanted")
    table.title = "Rounds held against theory"
    for column in table.columns[1:]:
        column.justify = "right"
    rounds = pd.read_csv(data / "08_reporting" / "round_metrics.csv")
    for (label, seed), rows in rounds.groupby(["algorithm", "seed"], sort=False):
        run = TrainingRun(str(label), int(seed))
        update = _update_of(run.algorithm, parameters[f"training.{run.namespace}"])
        if update is None:
            continue
        for _, row in rows.iloc[[0, -1]].iterrows():
            seconds = _seconds_to_compare(data, run, int(row["round"]), update)
            work = float(row[WORK].sum())
            table.add_row(
                run.namespace,
                str(row["round"]),
                f"{work:.2f}",
                f"{seconds:.4f}",
                f"{seconds / work:.2%}",
                f"{WANTED_FRACTION:.0%}",
            )
    return table


def _update_of(label: str, flat: dict[str, object]) -> ExactUpdate | None:
    """Return what an algorithm's rounds aim at, from the parameters that the run recorded."""

    def section(prefix: str) -> dict[str, object]:
        found = {k.removeprefix(prefix): v for k, v in flat.items() if k.startswith(prefix)}
        return {name: value for name, value in found.items() if "." not in name}

    algorithm = AlgorithmParameters.model_validate(section(f"algorithms.{label}.")).root
    rewards = RewardParameters.model_validate(section("rewards.")).root
    return exact_update_of(algorithm, two_values_of(rewards))


def _seconds_to_compare(
    data: Path, run: TrainingRun, round_index: int, update: ExactUpdate
) -> float:
    folder = data / "07_model_output" / run.algorithm / run.seed_name
    [path] = folder.glob(f"phase_*/rollouts/round_{round_index:05d}.parquet")
    rollouts = pd.read_parquet(path)
    seconds = []
    for _ in range(NUM_RUNS):
        started = time.perf_counter()
        theory_metrics(rollouts, update)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
