"""What single pieces of work cost: the median of five runs, beside what it was wanted to be.

    python benchmarks/unit_costs.py
    python benchmarks/unit_costs.py --problem-sets /data --only problem

Run it by hand on a quiet machine; nothing depends on the figures. ``--problem-sets`` names a
folder with ``dapo-math-17k.parquet``, ``aime2024.jsonl`` and ``aime2025.jsonl``, whose cleaning is
measured too. Making the inputs and a first run of each piece are not timed.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console
from rich.table import Table

from pmd_pipeline.config.data_preparation import DIFFICULTY_WIDTHS, DataPreparationConfig
from pmd_pipeline.config.policy import WarmStartConfig
from pmd_pipeline.config.theory import TheoryConfig
from pmd_pipeline.datasets.figures import FiguresDataset
from pmd_pipeline.metrics import majority_at_k
from pmd_pipeline.problems.cleaning import clean_problems
from pmd_pipeline.problems.decontamination import drop_eval_overlaps
from pmd_pipeline.problems.sources import load_problems
from pmd_pipeline.problems.tasks.addition import AdditionTask
from pmd_pipeline.problems.tasks.task import mistakes_of, sample_demonstrations
from pmd_pipeline.reporting.drawing.matplotlib_renderer import matplotlib_figure
from pmd_pipeline.reporting.theory.figures import theory_figures
from pmd_pipeline.rewards import GradingPool, extract_answer, grade
from pmd_pipeline.theory import build_theory_tables, compare_round, solve_pmd_mean

NUM_RUNS = 5
WIDTH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A piece of work.

    Attributes:
        name: For the table.
        wanted_seconds: The most that it was wanted to take on an ordinary machine.
        run: Does it once.
    """

    name: str
    wanted_seconds: float
    run: Callable[[], object]


def main() -> None:
    """Measure every piece of work and print the table."""
    arguments = _arguments()
    table = Table("work", "median seconds", "slowest", "wanted", title=f"{NUM_RUNS} runs each")
    for column in table.columns[1:]:
        column.justify = "right"
    console = Console(width=WIDTH)
    for work in _all_work(arguments.problem_sets):
        if arguments.only not in work.name:
            continue
        console.print(f"{work.name} ...", style="dim")
        seconds = _measure(work.run)
        median, slowest = statistics.median(seconds), max(seconds)
        table.add_row(work.name, f"{median:.4f}", f"{slowest:.4f}", f"{work.wanted_seconds:g}")
    console.print(table)


def _measure(run: Callable[[], object]) -> list[float]:
    run()
    seconds = []
    for _ in range(NUM_RUNS):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return seconds


def _all_work(problem_sets: Path | None) -> Iterator[Work]:
    yield from _grading()
    yield from _metrics()
    yield from _theory()
    yield Work(
        name="28,800 demonstrations of a warm start",
        wanted_seconds=2,
        run=lambda: sample_demonstrations(
            AdditionTask(DIFFICULTY_WIDTHS["standard"]),
            28_800,
            np.random.default_rng(0),
            mistakes_of(WarmStartConfig()),
        ),
    )
    if problem_sets is not None:
        config = _problems_config(problem_sets)
        yield Work(
            name="real problem sets: read, cleaned, overlaps dropped",
            wanted_seconds=60,
            run=lambda: _clean(config),
        )


def _grading() -> Iterator[Work]:
    hostile = {
        "open braces": "{" * 200_000,
        "backslashes": "\\" * 200_000,
        "nested boxes": "\\boxed{" * 15_000 + "}" * 15_000,
        "blanks": "\\boxed" + " " * 200_000,
    }
    for name, response in hostile.items():
        yield Work(
            name=f"extraction from {len(response):,} characters: {name}",
            wanted_seconds=2,
            run=partial(extract_answer, response),
        )
    responses = [rf"4+9+0=13;7+8+1=16;\boxed{{{k}}}" for k in range(10_000)]
    golds = [str(k - k % 2) for k in range(10_000)]
    yield Work(
        name="10,000 numbers graded",
        wanted_seconds=1,
        run=lambda: GradingPool().grade_many(responses, golds),
    )
    yield Work(
        name="a power tower given up after 0.5 s, its process replaced",
        wanted_seconds=10,
        run=lambda: grade(r"\boxed{9^{9^{9^{9}}}}", "5", timeout_seconds=0.5),
    )


def _metrics() -> Iterator[Work]:
    for num_answers in (3, 16, 64):
        drawn = np.random.default_rng(num_answers).integers(0, num_answers, 64)
        answers, correct = [str(a) for a in drawn], [bool(a == 0) for a in drawn]
        yield Work(
            name=f"majority of 32 of 64 samples, {num_answers} answers",
            wanted_seconds=1,
            run=partial(majority_at_k, answers, correct, 32),
        )


def _theory() -> Iterator[Work]:
    rng = np.random.default_rng(2)
    p = 10 ** rng.uniform(-6, -1e-6, 100_000)
    probs, tau = np.stack([p, 1 - p], axis=-1), 10 ** rng.uniform(-3, 1, 100_000)
    rewards = np.broadcast_to([1.0, 0.0], probs.shape)
    yield Work(
        name="PMD-mean solved for 100,000 binary problems",
        wanted_seconds=1,
        run=lambda: solve_pmd_mean(probs, rewards, tau),
    )
    rates = rng.binomial(16, 0.4, 512) / 16
    up, down = rng.normal(size=512), rng.normal(size=512)
    yield Work(
        name="a round of 512 groups held against theory",
        wanted_seconds=0.05,
        run=lambda: compare_round(rates, up, down, tau=0.01, method="pmd_part", group_size=16),
    )
    yield Work(
        name="tables of the theory stage",
        wanted_seconds=5,
        run=lambda: build_theory_tables(TheoryConfig(), seed=1),
    )
    yield Work(
        name="tables and figures of the theory stage",
        wanted_seconds=6,
        run=_draw_theory,
    )


def _draw_theory() -> None:
    figures = theory_figures(build_theory_tables(TheoryConfig(), seed=1))
    with TemporaryDirectory() as folder:
        images = {name: matplotlib_figure(figure) for name, figure in figures.items()}
        FiguresDataset(path=f"{folder}/figures").save(images)


def _problems_config(folder: Path) -> DataPreparationConfig:
    evals = {
        name: {"kind": "aime", "path": str(folder / f"{name}.jsonl")}
        for name in ("aime2024", "aime2025")
    }
    train = {"kind": "dapo", "path": str(folder / "dapo-math-17k.parquet")}
    return DataPreparationConfig.model_validate(
        {"train": train, "evals": evals, "prompt_template": "dapo", "max_prompt_tokens": 3000}
    )


def _clean(config: DataPreparationConfig) -> None:
    clean, _ = clean_problems(load_problems(config, seed=0), missing_rows="drop")
    drop_eval_overlaps(clean, ngram_words=13, overlap_fraction=0.2)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--problem-sets", type=Path, help="folder of real problem sets")
    parser.add_argument("--only", default="", help="part of the names of what is measured")
    return parser.parse_args()


if __name__ == "__main__":
    main()
