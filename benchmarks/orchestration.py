"""What a round of the paper's size costs beside its sampling and its updates.

    python benchmarks/orchestration.py
    python benchmarks/orchestration.py --folder /data --markdown

A simulated round: 8,192 rollouts of 1,500 tokens, 0.5B parameters in bfloat16 with AdamW's
masters and moments in float32. Random numbers take the place of sampling and updating
(`stub_run.py`); tables, digests, run state, MLflow and checkpoints of 7 GB are real. Decoding and
scoring are grading and no orchestration: they run while others are still being sampled. At most 1
% of the round is wanted.

Nothing here is measured on a GPU. The round's own time, of which the share is taken, is the
preflight's estimate for one H100 under these assumptions: 40,000 sampled tokens per second, and
40 % of the 989 TFLOP/s (dense, bfloat16) of its data sheet for 6 FLOP per parameter and token of
an update, 132,000 tokens per second. A slower device makes the share smaller.

Needs 12 GB of memory and 15 GB of disk in ``--folder``. The wall seconds of a checkpoint are
mostly the disk's: its rate is printed too.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

from stub_work import CHECKPOINT, StubWork, measure, median_round
from tables import Column, print_table

from pmd_pipeline.preflight.times import duration, throughput
from pmd_pipeline.preflight.workload import Assumptions, RunWork

NUM_ROLLOUTS, NUM_TOKENS, NUM_PROMPT_TOKENS = 8192, 1500, 200
SAMPLING_TOKENS_PER_SECOND = 40_000.0
TRAINING_TOKENS_PER_SECOND = 0.4 * 989e12 / (6 * 0.5e9)
NUM_ROUNDS = 4
WANTED = 0.01
# Part of grading.
SCORING = "decoding and scoring"
GIGA = 1e9


def main() -> None:
    """Measure, and print the shares of a round."""
    arguments = _arguments()
    round_seconds = _round_seconds()
    outcome = measure(
        StubWork(
            num_rollouts=NUM_ROLLOUTS,
            num_tokens=NUM_TOKENS,
            num_rounds=NUM_ROUNDS,
            is_large=True,
            folder=arguments.folder,
        )
    )
    cpu, wall = median_round(outcome.cpu[1:]), median_round(outcome.wall[1:])
    scoring = cpu.pop(SCORING), wall.pop(SCORING)
    rows = [
        _row(name, cpu[name], wall[name], round_seconds)
        for name in sorted(cpu, key=lambda name: -wall[name])
    ]
    rows.append(_row("orchestration", sum(cpu.values()), sum(wall.values()), round_seconds))
    without = [{k: v for k, v in part.items() if k != CHECKPOINT} for part in (cpu, wall)]
    rows.append(
        _row(f"without the {CHECKPOINT}", *(sum(p.values()) for p in without), round_seconds)
    )
    rows.append(_row(f"({SCORING})", *scoring, round_seconds))
    print_table(
        f"A round of {NUM_ROLLOUTS:,} rollouts of {NUM_TOKENS:,} tokens that takes "
        f"{round_seconds:.0f} s; wanted {WANTED:.0%}, {WANTED * round_seconds:.1f} s",
        [
            Column("piece of work"),
            Column("CPU-seconds", is_number=True),
            Column("wall seconds", is_number=True),
            Column("of the round", is_number=True),
        ],
        rows,
        markdown=arguments.markdown,
    )
    print(
        f"\nA checkpoint is {outcome.checkpoint_bytes / GIGA:.1f} GB, the disk takes "
        f"{_disk_rate(arguments.folder):.2f} GB/s; {os.cpu_count()} CPUs; peak memory "
        f"{outcome.peak_bytes / GIGA:.1f} GB, {outcome.start_bytes / GIGA:.1f} GB of it weights "
        "and optimizer state."
    )


def _row(name: str, cpu: float, wall: float, round_seconds: float) -> list[str]:
    return [name, f"{cpu:.2f}", f"{wall:.2f}", f"{wall / round_seconds:.2%}"]


def _round_seconds() -> float:
    """Return the preflight's estimate; log-probs are computed before and after the updates."""
    tokens = float(NUM_ROLLOUTS * (NUM_PROMPT_TOKENS + NUM_TOKENS))
    work = RunWork(
        sampled_tokens=float(NUM_ROLLOUTS * NUM_TOKENS),
        updated_tokens=tokens,
        measured_tokens=2 * tokens,
        evaluated_tokens=None,
        selection_tokens=None,
    )
    known = Assumptions(
        sampling_tokens_per_second=SAMPLING_TOKENS_PER_SECOND,
        training_tokens_per_second=TRAINING_TOKENS_PER_SECOND,
    )
    stated = throughput(known, num_sampling=1, num_training=1, gradient_checkpointing=False)
    assert stated is not None
    return duration(work, stated).seconds


def _disk_rate(folder: str | None) -> float:
    """Return how many GB a second a file of 1 GB is written and flushed with."""
    block = os.urandom(1 << 24)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        started = time.perf_counter()
        with (Path(place) / "block").open("wb") as file:
            for _ in range(64):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        return 64 * len(block) / GIGA / (time.perf_counter() - started)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", help="where the run writes; default: where temporary files go")
    parser.add_argument("--markdown", action="store_true", help="a table for docs/performance.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
