"""How fast the rollout engines sample, compared with what they are built on.

    python benchmarks/rollout_engines.py

Two random-weight models on two workloads, float32, temperature 1, every contender with the same
number of threads. Contenders take turns, each in a separate process; the table gives medians.
Start-up and a first run of each are not timed. Needs vLLM; without it, name other contenders.
"""

import argparse
import json
import os
import statistics
import sys
import time
from dataclasses import asdict
from pathlib import Path

import psutil
from engine_contenders import CONTENDERS
from engine_work import MODEL_NAMES, Timing, Workload, build_model, workloads
from rich.console import Console
from rich.table import Table

from pmd_pipeline.processes.child import ChildProcess

RATIOS = (  # of seconds per token, and the largest wanted for each on a workload
    ("transformers engine", "generate", {"equal": 1.0}),
    ("transformers engine", "vLLM", {"ragged": 1.2}),
    ("transformers engine", "vLLM, no seeds", {"ragged": 1.2}),
    ("vLLM engine", "vLLM", {"equal": 1.05, "ragged": 1.05}),
)
# Threads of the last run may spin a little before they sleep.
SECONDS_BETWEEN_RUNS = 0.3
WIDTH = 100

Timings = dict[str, list[Timing]]


def main() -> None:
    """Measure every model and workload, print tables and ratios."""
    arguments = _arguments()
    console = Console(width=max(WIDTH, Console().width))
    records = []
    for model_name in arguments.models:
        processes = _start(arguments.contenders, model_name, arguments.threads, console)
        try:
            for work in workloads(build_model(model_name).config.vocab_size):
                if work.name in arguments.workloads:
                    timings = _measure(processes, work, arguments.repeats)
                    _show(console, model_name, work, arguments.threads, timings)
                    records.append(_record(model_name, work, arguments.threads, timings))
        finally:
            for process in processes.values():
                process.kill()
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")


def _start(
    names: list[str], model_name: str, num_threads: int, console: Console
) -> dict[str, ChildProcess]:
    path = os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")]))
    environment = {"PYTHONPATH": path, "OMP_NUM_THREADS": str(num_threads)}
    processes = {}
    for name in names:
        process = ChildProcess("engine_contenders", environment=environment, name=name)
        threads = process.call(
            "start", contender=name, model_name=model_name, num_threads=num_threads
        )
        if threads != num_threads:
            sys.exit(f"{name} uses {threads} threads, but {num_threads} were requested")
        console.print(f"{model_name}: {name} has started", style="dim")
        processes[name] = process
    return processes


def _measure(processes: dict[str, ChildProcess], work: Workload, repeats: int) -> Timings:
    timings: Timings = {name: [] for name in processes}
    names = list(processes)
    for repeat in range(repeats + 1):
        for name in names[repeat % len(names) :] + names[: repeat % len(names)]:
            time.sleep(SECONDS_BETWEEN_RUNS)
            timing = processes[name].call("run", work=work, seed=10_000 * repeat)
            if repeat > 0:  # the first warms up
                timings[name].append(timing)
    return timings


def _show(
    console: Console, model_name: str, work: Workload, num_threads: int, timings: Timings
) -> None:
    rows = len(work.prompts) * work.num_samples
    repeats = len(next(iter(timings.values())))
    table = Table(
        title=f"{model_name}, {work.name}: {rows} responses of at most {work.max_new_tokens} "
        f"tokens, {num_threads} threads, medians of {repeats}"
    )
    table.add_column("contender")
    for column in ("tokens", "longest", "seconds", "fastest", "tokens/s", "CPU ms/1000 tokens"):
        table.add_column(column, justify="right")
    for name, runs in timings.items():
        table.add_row(
            name,
            f"{statistics.median(sum(run.lengths) for run in runs):,.0f}",
            f"{max(max(run.lengths) for run in runs)}",
            f"{statistics.median(run.seconds for run in runs):.2f}",
            f"{min(run.seconds for run in runs):.2f}",
            f"{1 / _seconds_per_token(runs):,.0f}",
            f"{1e6 * statistics.median(r.cpu_seconds / sum(r.lengths) for r in runs):,.0f}",
        )
    console.print(table)
    for (name, other), (ratio, wanted) in _ratios(work, timings).items():
        verdict = "" if wanted is None else f" (wanted: at most {wanted})"
        console.print(f"{name} / {other}: {ratio:.2f} times the seconds per token{verdict}")
    console.print(f"load average of the last minute: {psutil.getloadavg()[0]:.1f}\n", style="dim")


def _ratios(work: Workload, timings: Timings) -> dict[tuple[str, str], tuple[float, float | None]]:
    """Return medians over the repeats of the ratio within a repeat, and the wanted maximum."""
    return {
        (name, other): (
            statistics.median(
                (a.seconds / sum(a.lengths)) / (b.seconds / sum(b.lengths))
                for a, b in zip(timings[name], timings[other], strict=True)
            ),
            wanted.get(work.name),
        )
        for name, other, wanted in RATIOS
        if name in timings and other in timings
    }


def _seconds_per_token(runs: list[Timing]) -> float:
    return statistics.median(run.seconds / sum(run.lengths) for run in runs)


def _record(
    model_name: str, work: Workload, num_threads: int, timings: Timings
) -> dict[str, object]:
    return {
        "model": model_name,
        "workload": work.name,
        "num_threads": num_threads,
        "ratios": {
            f"{name} / {other}": ratio
            for (name, other), (ratio, _) in _ratios(work, timings).items()
        },
        "timings": {name: [asdict(run) for run in runs] for name, runs in timings.items()},
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=MODEL_NAMES, default=list(MODEL_NAMES))
    parser.add_argument(
        "--workloads", nargs="+", choices=("equal", "ragged"), default=["equal", "ragged"]
    )
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--repeats", type=int, default=5, help="timed runs of each")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of each contender")
    parser.add_argument("--json", type=Path, help="write every timing to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
