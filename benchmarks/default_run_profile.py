"""Where each second of a run goes: ``kedro run`` in a fresh copy of the checkout.

    python benchmarks/default_run_profile.py
    python benchmarks/default_run_profile.py --env smoke --markdown

Wall seconds as the run itself records them: its nodes in ``run_state.json``, what a round samples,
grades and updates in ``round_metrics``. What neither names is the start (imports, parameters), the
end, and what lies between nodes. Orchestration is everything but sampling, grading, updating,
evaluating and the warm start. Run it by hand on a quiet machine.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import pandas as pd
import psutil
from tables import Column, print_table

PROJECT = Path(__file__).parents[1]
WORK = ("sampling_seconds", "grading_seconds", "updating_seconds")
START_AND_END = "start, end and between nodes"
BOOKKEEPING = "training: tables, checkpoints, run state, MLflow"
# Of a node, by the last part of its name.
STAGES = {
    "initialise_policy": "warm start",
    "generate_rollouts": "first rollouts: sampling and grading",
    "train": BOOKKEEPING,
    "evaluate": "evaluation: sampling and grading",
    "compute_metrics": "evaluation: metrics and tables",
    "summarise": "evaluation: metrics and tables",
    "compare_with_theory": "evaluation: metrics and tables",
    "build_theory_tables": "theory: tables",
    "write_report": "report",
}
OTHERS = "data preparation and small tables"
NOT_ORCHESTRATION = {
    "warm start",
    "first rollouts: sampling and grading",
    "evaluation: sampling and grading",
    *(f"training: {name.removesuffix('_seconds')}" for name in WORK),
}


def main() -> None:
    """Run, and print the table."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        _copy_checkout(copy)
        started, cpu_before = time.perf_counter(), _cpu_seconds_of_children()
        subprocess.run(
            [sys.executable, "-m", "kedro", "run", "--env", arguments.env],
            cwd=copy,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        wall = time.perf_counter() - started
        cpu = _cpu_seconds_of_children() - cpu_before
        own = arguments.env not in ("base", "local")
        stages = _seconds_by_stage(copy / "data" / (arguments.env if own else ""), wall)
    orchestration = sum(s for name, s in stages.items() if name not in NOT_ORCHESTRATION)
    rows = [
        (name, f"{seconds:.1f}", f"{seconds / wall:.1%}")
        for name, seconds in [
            *sorted(stages.items(), key=lambda item: -item[1]),
            ("all", wall),
            ("orchestration", orchestration),
        ]
    ]
    print_table(
        f"kedro run --env {arguments.env}: {wall:.0f} s, {cpu:.0f} CPU-seconds",
        [Column("stage"), Column("seconds", is_number=True), Column("share", is_number=True)],
        rows,
        markdown=arguments.markdown,
    )


def _copy_checkout(copy: Path) -> None:
    """Copy what git knows, as it is in the working tree."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=PROJECT, check=True, capture_output=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (PROJECT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, copy / name)


def _cpu_seconds_of_children() -> float:
    times = psutil.Process().cpu_times()
    return float(times.children_user + times.children_system)


def _seconds_by_stage(data: Path, wall: float) -> dict[str, float]:
    state = json.loads((data / "run_state.json").read_text(encoding="utf-8"))
    stages: defaultdict[str, float] = defaultdict(float)
    for node, seconds in state["node_seconds"].items():
        name = node.rpartition(".")[2]
        stages["figures" if name.startswith("draw_") else STAGES.get(name, OTHERS)] += seconds
    rounds = pd.read_csv(data / "08_reporting" / "round_metrics.csv")
    for column in WORK:
        seconds = float(rounds[column].sum())
        stages[f"training: {column.removesuffix('_seconds')}"] = seconds
        stages[BOOKKEEPING] -= seconds
    stages[START_AND_END] = wall - sum(stages.values())
    return dict(stages)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--env", default="base", help="the Kedro environment to run")
    parser.add_argument("--markdown", action="store_true", help="a table for docs/performance.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
