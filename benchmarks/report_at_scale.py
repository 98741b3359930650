"""The report of long experiments: what it weighs, what making it costs, how soon it is open.

    python benchmarks/report_at_scale.py
    python benchmarks/report_at_scale.py --rounds 300 --seeds 10 --keep /tmp/reports --markdown
    python benchmarks/report_at_scale.py --rounds 6 --by-node --markdown

Run it by hand on a quiet machine; nothing depends on the figures. The tables are made up, of
5 algorithms with 3 training seeds each and an evaluation every tenth round, or after each third of
fewer than 30; what is made of them is made by the pipeline's own nodes and datasets. Wanted at 300
rounds: a page under 5 MB that is open in under 3 s. How soon is measured where Chromium is
installed, from the start of the navigation, the median of three: until the page is loaded, its
first figure drawn, and its last.
"""

import argparse
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from tables import Column, print_table

from pmd_pipeline.config.comparison import ComparisonConfig
from pmd_pipeline.config.evaluation import EvaluationConfig
from pmd_pipeline.config.reporting import ReportingConfig
from pmd_pipeline.config.theory import TheoryConfig
from pmd_pipeline.datasets.figures import FiguresDataset, InteractiveFigureDataset
from pmd_pipeline.metrics.comparison import build_comparison
from pmd_pipeline.metrics.problem_scores import problem_scores
from pmd_pipeline.metrics.seed_means import mean_over_seeds
from pmd_pipeline.pipelines.reporting import nodes
from pmd_pipeline.pipelines.theory.nodes import build_theory_tables, draw_theory_figures
from pmd_pipeline.reporting.run_page.stage_times import training_times
from pmd_pipeline.theory import (
    ComparedRound,
    compare_round,
    loop_group_table,
    loop_round_table,
    solve_binary,
)
from pmd_pipeline.training.theory_in_the_loop import METRIC_PREFIX

ALGORITHMS = ("pmd_mean", "pmd_part", "grpo", "gspo", "on_policy_gradient")
EVAL_SETS = ("addition", "carries")
ROUNDS_BETWEEN_EVALUATIONS = 10
NUM_GROUPS = 128
GROUP_SIZE = 8
NUM_PROBLEMS = 100
NUM_SAMPLES = 4
NUM_OPENINGS = 3
SECONDS_TO_OPEN = 60.0
WIDTH = 140
_REPORT = "the report, with the figures that it loads"
COLUMNS = (
    *("rounds", "report MB", "figures MB", "images MB", "tables MB"),
    *("drawing CPU-s", "report CPU-s", "loaded, s", "first figure, s", "last figure, s"),
)
CURVES = (
    *("mean_reward", "entropy", "mean_response_tokens", "log_ratio_min", "kl", "gradient_norm"),
    *("sampling_seconds", "grading_seconds", "updating_seconds", "waiting_seconds"),
)
USED = {
    "num_prompts": 128,
    "num_rollouts": 1024,
    "num_generation_calls": 1,
    "num_sampled_tokens": 25_000,
    "num_trained_tokens": 25_000,
    "num_skipped_updates": 0,
    "staleness_rounds": 0,
    "staleness_updates": 0,
}
# The page itself marks when it has drawn its first figure and its last.
OBSERVER = """<script>
new PerformanceObserver((list) => {
  if (!performance.getEntriesByName("figures-drawn").length) return;
  const [loaded] = performance.getEntriesByType("navigation");
  const [first, last] = performance.getEntriesByType("mark");
  console.log(`OPENED ${[loaded.domContentLoadedEventEnd, first.startTime, last.startTime]} ms`);
}).observe({ type: "mark", buffered: true });
</script></head>"""


def main() -> None:
    """Make the reports and print a row for each."""
    arguments = _arguments()
    rows, by_node = [], {}
    for num_rounds in arguments.rounds:
        with tempfile.TemporaryDirectory() as scratch:
            folder = (arguments.keep or Path(scratch)) / f"{num_rounds}_rounds"
            folder.mkdir(parents=True, exist_ok=True)
            row, seconds = _measure(
                num_rounds, arguments.seeds, folder, opens=not arguments.by_node
            )
            rows.append((str(num_rounds), *row))
            by_node[num_rounds] = seconds
    if arguments.by_node:
        _print_by_node(by_node, markdown=arguments.markdown)
        return
    if arguments.markdown:
        print("| " + " | ".join(COLUMNS) + " |\n| " + " | ".join("---:" for _ in COLUMNS) + " |")
        print("\n".join("| " + " | ".join(row) + " |" for row in rows))
        return
    table = Table(*COLUMNS, title=f"{len(ALGORITHMS)} algorithms, {arguments.seeds} seeds each")
    for row in rows:
        table.add_row(*row)
    for column in table.columns:
        column.justify = "right"
    Console(width=WIDTH).print(table)


def _print_by_node(by_node: Mapping[int, Mapping[str, float]], *, markdown: bool) -> None:
    names = [*next(iter(by_node.values())), "all"]
    columns = [
        Column("node"),
        *(Column(f"{number} rounds", is_number=True) for number in by_node),
    ]
    rows = [
        [name, *(f"{seconds.get(name, sum(seconds.values())):.1f}" for seconds in by_node.values())]
        for name in names
    ]
    print_table("CPU-seconds by node, drawing and saving", columns, rows, markdown=markdown)


def _measure(
    num_rounds: int, num_seeds: int, folder: Path, *, opens: bool
) -> tuple[list[str], dict[str, float]]:
    """Return the cells of a row, and the CPU-seconds of each node, saving included."""
    seconds: dict[str, float] = {}

    @contextmanager
    def counted(name: str):  # type: ignore[no-untyped-def]
        started = time.process_time()
        yield
        seconds[name] = time.process_time() - started

    runs = [(algorithm, seed) for algorithm in ALGORITHMS for seed in range(num_seeds)]
    groups, metrics = _theory_in_the_loop(num_rounds, runs)
    rounds = _round_metrics(num_rounds, runs, metrics)
    comparison, by_seed = _comparisons(num_rounds, num_seeds)
    times = training_times(rounds)
    evaluation = EvaluationConfig.model_validate(
        {"num_samples": NUM_SAMPLES, "sampling": {"max_new_tokens": 60}}
    )
    tables = {
        "round_metrics": rounds,
        "comparison": comparison,
        "comparison_by_seed": by_seed,
        "in_the_loop": groups,
    }
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    theory_tables = build_theory_tables(TheoryConfig(), 1)
    with counted("theory figures"):
        _save(draw_theory_figures(**theory_tables), folder)
    with counted("learning curves"):
        curves = nodes.draw_learning_curves(
            rounds, comparison, by_seed, evaluation, ReportingConfig()
        )
        _save(curves, folder)
    with counted("theory in the loop"):
        _save(nodes.draw_theory_in_the_loop(groups, rounds), folder)
    with counted("stage times"):
        bars, images = nodes.draw_stage_times(times)
        _save({"figure_stage_times": bars, "stage_time_images": images}, folder)
    with counted(_REPORT):
        report = _report(runs, rounds, comparison, by_seed, times, folder)
        (folder / "report.html").write_text(report)
    row = [
        _megabytes(folder / "report.html"),
        *(_megabytes(*folder.glob(f"{part}/*")) for part in ("interactive", "*_images")),
        _megabytes(*folder.glob("*.csv")),
        f"{sum(seconds.values()) - seconds[_REPORT]:.1f}",
        f"{seconds[_REPORT]:.1f}",
        *(_seconds_to_open(folder / "report.html") if opens else ()),
    ]
    return row, seconds


def _save(drawn: Mapping[str, Any], folder: Path) -> None:
    for name, figure in drawn.items():
        if name.startswith("figure_"):
            _interactive(folder, name).save(figure)
        else:
            FiguresDataset(path=str(folder / name)).save(figure)


def _interactive(folder: Path, name: str) -> InteractiveFigureDataset:
    return InteractiveFigureDataset(filepath=str(folder / "interactive" / f"{name}.json"))


def _report(
    runs: Sequence[tuple[str, int]],
    rounds: pd.DataFrame,
    comparison: pd.DataFrame,
    by_seed: pd.DataFrame,
    times: pd.DataFrame,
    folder: Path,
) -> str:
    names = [path.stem for path in (folder / "interactive").glob("*.json")]
    completions = {run: _completions(i + 1) for i, run in enumerate(runs)}
    initial = _completions(0).drop(columns="round")
    scores = problem_scores(initial, completions, has_answers=True)
    reporting = ReportingConfig(reference_algorithm=ALGORITHMS[0])
    evaluation = EvaluationConfig.model_validate(
        {"num_samples": NUM_SAMPLES, "sampling": {"max_new_tokens": 60}}
    )
    return nodes.write_report(
        comparison=comparison,
        comparison_by_seed=by_seed,
        round_metrics=rounds,
        gains=nodes.compute_gains(scores, evaluation, reporting),
        pairs=nodes.compare_each_pair(scores, evaluation, ComparisonConfig()),
        problem_scores=scores,
        budgets=nodes.measure_budgets(rounds),
        stage_times=times,
        data_report={"num_rows_in": 1000},
        decontaminated_problems=pd.DataFrame(),
        provenance={"packages": {"torch": "2"}},
        run_state={"version": "2026-01-01", "mlflow_runs": {}},
        parameters={
            "seed": 1,
            "evaluation": evaluation,
            "reporting": reporting,
            "algorithms": {label: {"kind": label} for label in ALGORITHMS},
        },
        initial=initial,
        **{name: _interactive(folder, name).load() for name in names},
        **{
            label: {
                "comparison": by_seed[by_seed["algorithm"] == label].copy,
                "last_completions": partial(completions[label, 0].assign, seed=0),
            }
            for label in ALGORITHMS
        },
    )


def _round_metrics(
    num_rounds: int, runs: Sequence[tuple[str, int]], compared: pd.DataFrame
) -> pd.DataFrame:
    random = np.random.default_rng(0)
    tables = []
    for algorithm, seed in runs:
        walks = random.normal(size=(num_rounds, len(CURVES))).cumsum(axis=0) / num_rounds**0.5
        table = pd.DataFrame(walks, columns=list(CURVES))
        table["log_ratio_min"] = -np.exp(2 * table["log_ratio_min"])
        table["kl"] = np.exp(3 * table["kl"])
        for name in CURVES:
            if name.endswith("_seconds"):
                table[name] = table[name].abs()
        numbers = range(1, num_rounds + 1)
        table["policy_version"] = [8 * number for number in numbers]
        tables.append(table.assign(algorithm=algorithm, seed=seed, round=numbers, **USED))
    rounds = pd.concat(tables, ignore_index=True)
    return rounds.merge(compared, on=["algorithm", "seed", "round"], how="left")


def _comparisons(num_rounds: int, num_seeds: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    def metrics(share: float) -> pd.DataFrame:
        rows = [
            (eval_set, metric, NUM_SAMPLES, share, share - 0.05, share + 0.05)
            for eval_set in EVAL_SETS
            for metric in ("avg_at_k", "pass_at_k", "maj_at_k")
        ]
        columns = ["eval_set", "metric", "k", "value", "ci_low", "ci_high"]
        return pd.DataFrame(rows, columns=columns)

    random = np.random.default_rng(1)
    between = max(1, min(ROUNDS_BETWEEN_EVALUATIONS, num_rounds // 3))
    evaluated = range(between, num_rounds + 1, between)
    of_seeds = []
    for seed in range(num_seeds):
        phases = {
            label: {number: metrics(float(random.uniform(0.3, 0.9))) for number in evaluated}
            for label in ALGORITHMS
        }
        of_seeds.append(build_comparison(metrics(0.3), phases).assign(seed=seed))
    by_seed = pd.concat(of_seeds, ignore_index=True)
    return mean_over_seeds(by_seed, ["algorithm", "eval_set", "metric", "k", "round"]), by_seed


def _theory_in_the_loop(
    num_rounds: int, runs: Sequence[tuple[str, int]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    random = np.random.default_rng(2)
    groups, metrics = [], []
    for method, seed in runs:
        if method not in ("pmd_mean", "pmd_part"):
            continue
        rounds = []
        for number in range(1, num_rounds + 1):
            rates = random.integers(1, GROUP_SIZE, NUM_GROUPS) / GROUP_SIZE
            exact = solve_binary(rates, 0.5, method=method)
            part = random.uniform(0.2, 0.8)
            up, down = part * exact.success_log_ratio, part * exact.failure_log_ratio
            compared = compare_round(rates, up, down, tau=0.5, method=method)
            rounds.append(
                ComparedRound(algorithm=method, method=method, round=number, comparison=compared)
            )
        groups.append(loop_group_table(rounds).assign(seed=seed))
        metrics.append(loop_round_table(rounds).drop(columns="method").assign(seed=seed))
    table = pd.concat(metrics, ignore_index=True)
    key = ["algorithm", "seed", "round"]
    prefixed = {name: f"{METRIC_PREFIX}{name}" for name in table.columns if name not in key}
    return pd.concat(groups, ignore_index=True), table.rename(columns=prefixed)


def _completions(seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    rows = [
        {
            "round": 1,
            "eval_set": eval_set,
            "problem_id": f"{eval_set}-{problem:03d}",
            "sample_index": sample,
            "problem": "12+34?",
            "gold": "46",
            "response": "2+4+0=06;1+3+0=04;\\boxed{46}",
            "answer": "46",
            "correct": bool(random.random() < 0.5),
            "reward": 1.0,
            "grade_reason": "equal",
            "truncated": False,
            "num_tokens": 20,
        }
        for eval_set in EVAL_SETS
        for problem in range(NUM_PROBLEMS)
        for sample in range(NUM_SAMPLES)
    ]
    return pd.DataFrame(rows)


def _megabytes(*paths: Path) -> str:
    return f"{sum(path.stat().st_size for path in paths) / 1e6:.2f}"


def _seconds_to_open(report: Path) -> list[str]:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        return ["no Chromium"] * 3
    page = report.with_name("observed.html")
    page.write_text(report.read_text().replace("</head>", OBSERVER, 1))
    times = [_open(browser, page) for _ in range(NUM_OPENINGS)]
    return [f"{statistics.median(column):.2f}" for column in zip(*times, strict=True)]


def _open(browser: str, page: Path) -> list[float]:
    """Return when a fresh browser has loaded the page, drawn its first figure and its last."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [
                *(
                    browser,
                    "--headless",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--window-size=1400,1000",
                ),
                *(f"--user-data-dir={profile}", "--enable-logging=stderr"),
                *("--remote-debugging-port=0", f"file://{page.resolve()}"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        started = time.monotonic()
        assert process.stderr is not None
        try:
            for line in process.stderr:
                if "OPENED " in line:
                    told = line.partition("OPENED ")[2].split()[0]
                    return [float(part) / 1000 for part in told.split(",")]
                if time.monotonic() - started > SECONDS_TO_OPEN:
                    break
        finally:
            process.kill()
            process.wait()
    return [float("nan")] * 3


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, nargs="+", default=[30, 100, 300])
    parser.add_argument("--seeds", type=int, default=3, help="of each algorithm")
    parser.add_argument("--keep", type=Path, help="folder in which all that is made stays")
    parser.add_argument(
        "--by-node", action="store_true", help="print CPU-seconds by node, and open no report"
    )
    parser.add_argument("--markdown", action="store_true", help="print the table as in docs")
    return parser.parse_args()


if __name__ == "__main__":
    main()
