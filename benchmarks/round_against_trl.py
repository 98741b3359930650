"""A round of GRPO here, in TRL's GRPOTrainer, and as bare torch calls.

    make bench-trl

TRL stands in an environment of its own (``.venv-trl``). The same random model, prompts and reward,
16 prompts x 8 rollouts a round, one update, float32, one thread. Each side is a process; they take
turns, round by round, and the table has medians of CPU-seconds: rollouts per CPU-second, the ratio
of the two within a turn, and our seconds as a multiple of the floor's (`round_floor.py`). The first
round of each is not counted.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import psutil
from rich.console import Console
from rich.table import Table
from round_work import GROUP_SIZE, LENGTHS, NUM_PROMPTS, SHAPES, write_work

HERE = Path(__file__).parent
NUM_ROLLOUTS = NUM_PROMPTS * GROUP_SIZE
WANTED = {"ragged": 3.0, "equal": 1.5}
WANTED_OF_FLOOR = 1.25
WIDTH = 110


@dataclass(frozen=True, slots=True)
class Turn:
    """One round: CPU-seconds and sampled tokens."""

    cpu_seconds: float
    num_tokens: float


class Side:
    """A process that makes one round per line of its input."""

    def __init__(self, python: Path, script: str, folder: Path, lengths: str) -> None:
        self._process = subprocess.Popen(
            [python, HERE / script, folder, lengths],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"},
        )

    def __enter__(self) -> Self:
        if (threads := self._answer()["num_threads"]) != 1:
            raise RuntimeError(f"a side uses {threads} threads")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def turn(self, command: str = "round") -> Turn:
        """Have one round made, or the floor's work of the last one."""
        assert self._process.stdin is not None
        print(command, file=self._process.stdin, flush=True)
        answer = self._answer()
        return Turn(answer["cpu_seconds"], answer["num_tokens"])

    def _answer(self) -> dict[str, float]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("#{"):
                answer: dict[str, float] = json.loads(line[1:])
                return answer
        raise RuntimeError(f"{self._process.args} ended with {self._process.wait()}")


def main() -> None:
    """Measure every model and both kinds of lengths, print a table."""
    arguments = _arguments()
    console = Console(width=max(WIDTH, Console().width))
    title = f"Rollouts per CPU-second, medians of {arguments.repeats} rounds"
    table = Table("model", "lengths", title=title)
    for column in ("TRL", "here", "ratio", "wanted", "of the floor", "wanted", "tokens"):
        table.add_column(column, justify="right")
    records = []
    for model_name in arguments.models:
        for lengths in arguments.lengths:
            with tempfile.TemporaryDirectory() as name:
                write_work(Path(name), model_name)
                turns = _measure(arguments.trl_python, Path(name), lengths, arguments.repeats)
            table.add_row(model_name, lengths, *_row(turns, lengths))
            record = {side: [asdict(turn) for turn in made] for side, made in turns.items()}
            records.append({"model": model_name, "lengths": lengths, **record})
            console.print(f"{model_name}, {lengths} lengths: measured", style="dim")
    console.print(table)
    console.print(f"load average of the last minute: {psutil.getloadavg()[0]:.1f}", style="dim")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")


def _measure(trl_python: Path, folder: Path, lengths: str, repeats: int) -> dict[str, list[Turn]]:
    turns: dict[str, list[Turn]] = {"TRL": [], "here": [], "floor": []}
    with (
        Side(trl_python, "round_in_trl.py", folder, lengths) as trl,
        Side(Path(sys.executable), "round_of_ours.py", folder, lengths) as ours,
    ):
        for repeat in range(repeats + 1):
            of_trl, of_ours, of_floor = trl.turn(), ours.turn(), ours.turn("floor")
            if repeat > 0:  # the first warms up
                turns["TRL"].append(of_trl)
                turns["here"].append(of_ours)
                turns["floor"].append(of_floor)
    return turns


def _row(turns: dict[str, list[Turn]], lengths: str) -> tuple[str, ...]:
    def speed(side: str) -> float:
        return statistics.median(NUM_ROLLOUTS / turn.cpu_seconds for turn in turns[side])

    def ratio(side: str, other: str) -> float:
        return statistics.median(
            (a.cpu_seconds / a.num_tokens) / (b.cpu_seconds / b.num_tokens)
            for a, b in zip(turns[side], turns[other], strict=True)
        )

    tokens = statistics.median(turn.num_tokens for turn in turns["here"])
    return (
        f"{speed('TRL'):.1f}",
        f"{speed('here'):.1f}",
        f"{ratio('TRL', 'here'):.2f}",
        f"{WANTED[lengths]}",
        f"{ratio('here', 'floor'):.2f}",
        f"{WANTED_OF_FLOOR}",
        f"{tokens:,.0f}",
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("trl_python", type=Path, help="interpreter of the environment with TRL")
    parser.add_argument("--models", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--lengths", nargs="+", choices=LENGTHS, default=list(LENGTHS))
    parser.add_argument("--repeats", type=int, default=7, help="rounds of each that are counted")
    parser.add_argument("--json", type=Path, help="write every timing to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
