"""A round's cost beside sampling and updating, as rounds grow and as they become many.

    python benchmarks/scale.py
    python benchmarks/scale.py --only rounds --markdown

Engine and trainer answer with random numbers (`stub_run.py`); all the rest is a real run: scoring
of easy answers, tensors, advantages, metrics, theory in the loop, tables with schemas and
digests, the run state, MLflow. CPU-seconds of one thread, the median over rounds, the checkpoint
left out, as it does not depend on rollouts. Wanted: per rollout and per token no more for large
rounds than for small ones, and per round no more for the last rounds than for the first. Half an
hour; memory: 4 GB.
"""

import argparse
from collections.abc import Callable, Mapping

from stub_work import CHECKPOINT, Outcome, StubWork, measure, median_round, without_checkpoint
from tables import Column, print_table

ROLLOUTS = (128, 512, 2048, 8192, 16_384)
TOKENS = (16, 64, 256, 1024, 4096)
FEW_TOKENS, SOME_ROLLOUTS = 64, 1024
NUM_ROUNDS, NUM_PHASES, NUM_ALGORITHMS = 300, 30, 5
# Rounds of the first, middle and last part that are compared.
PART = 30
SCORING = ("decoding and scoring",)
TABLES = ("rollouts as a table", "schemas", "parquet files", "digests of tables")
MEBI = 1 << 20


def main() -> None:
    """Measure and print what is asked for."""
    arguments = _arguments()
    tables: dict[str, Callable[[bool], None]] = {
        "rollouts": _rollouts,
        "tokens": _tokens,
        "rounds": _rounds,
    }
    for name, table in tables.items():
        if arguments.only in (None, name):
            table(arguments.markdown)


def _rollouts(markdown: bool) -> None:
    rows = []
    for num_rollouts in ROLLOUTS:
        outcome = measure(StubWork(num_rollouts=num_rollouts, num_tokens=FEW_TOKENS, num_rounds=6))
        rows.append([f"{num_rollouts:,}", *_costs(outcome, num_rollouts, 1e6)])
    print_table(
        f"Rollouts of {FEW_TOKENS} tokens",
        [Column("rollouts a round", is_number=True), *_cost_columns("rollout", "µs")],
        rows,
        markdown=markdown,
    )


def _tokens(markdown: bool) -> None:
    rows = []
    for num_tokens in TOKENS:
        outcome = measure(StubWork(num_rollouts=SOME_ROLLOUTS, num_tokens=num_tokens, num_rounds=6))
        rows.append([f"{num_tokens:,}", *_costs(outcome, SOME_ROLLOUTS * num_tokens, 1e9)])
    print_table(
        f"{SOME_ROLLOUTS:,} rollouts a round",
        [Column("tokens a rollout", is_number=True), *_cost_columns("token", "ns")],
        rows,
        markdown=markdown,
    )


def _cost_columns(item: str, unit: str) -> list[Column]:
    return [
        Column(name, is_number=True)
        for name in (
            "a round, CPU-s",
            f"per {item}, {unit}",
            "decoding and scoring",
            "tables",
            "the rest",
            "peak above the start, MiB",
        )
    ]


def _costs(outcome: Outcome, num_items: int, unit: float) -> list[str]:
    rounds = outcome.cpu[1:]
    seconds, pieces = without_checkpoint(rounds), median_round(rounds)
    scoring, tables = _sum(pieces, SCORING), _sum(pieces, TABLES)
    return [
        f"{seconds:.3f}",
        *(
            f"{unit * part / num_items:.0f}"
            for part in (seconds, scoring, tables, seconds - scoring - tables)
        ),
        f"{(outcome.peak_bytes - outcome.start_bytes) / MEBI:.0f}",
    ]


def _rounds(markdown: bool) -> None:
    outcome = measure(
        StubWork(
            num_rollouts=64,
            num_tokens=16,
            num_rounds=NUM_ROUNDS,
            num_phases=NUM_PHASES,
            num_algorithms=NUM_ALGORITHMS,
            resumes=True,
        )
    )
    middle = len(outcome.cpu) // 2
    parts = (
        outcome.cpu[2 : 2 + PART],
        outcome.cpu[middle - PART // 2 : middle + PART // 2],
        outcome.cpu[-PART:],
    )
    medians = [median_round(part) for part in parts]
    names = sorted(medians[0], key=lambda name: -medians[0][name])
    rows = [[name, *(f"{1e3 * part.get(name, 0):.2f}" for part in medians)] for name in names]
    totals = [without_checkpoint(part) for part in parts]
    rows.append([f"all but the {CHECKPOINT}", *(f"{1e3 * total:.1f}" for total in totals)])
    print_table(
        f"{NUM_ALGORITHMS} x {NUM_ROUNDS} rounds of 64 rollouts, evaluated after every "
        f"{NUM_ROUNDS // NUM_PHASES}: CPU-milliseconds of a round",
        [
            Column("piece of work"),
            *(
                Column(f"{name} {PART} rounds", is_number=True)
                for name in ("first", "middle", "last")
            ),
        ],
        rows,
        markdown=markdown,
    )
    total = sum(sum(part.values()) for part in outcome.cpu)
    print_table(
        "The same run",
        [Column("what"), Column("measured", is_number=True)],
        [
            ["all rounds, CPU-s", f"{total:.0f}"],
            *(
                [f"nodes `{name}`, wall s", f"{outcome.node_seconds[name]:.1f}"]
                for name in ("summarise", "compute_metrics", "collect_round_metrics")
            ),
            ["to find that nothing is left to do, CPU-s", f"{outcome.resume_cpu:.1f}"],
            ["`run_state.json`, KiB", f"{outcome.state_bytes / 1024:.0f}"],
            ["peak memory, MiB", f"{outcome.peak_bytes / MEBI:.0f}"],
        ],
        markdown=markdown,
    )


def _sum(pieces: Mapping[str, float], names: tuple[str, ...]) -> float:
    return sum(pieces.get(name, 0.0) for name in names)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=("rollouts", "tokens", "rounds"))
    parser.add_argument("--markdown", action="store_true", help="tables for docs/performance.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
