"""What ``stub_run.py`` is asked for and answers; imports little, as other scripts start it."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

_SCRIPT = Path(__file__).parent / "stub_run.py"

CHECKPOINT = "checkpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class StubWork:
    """What is run.

    Attributes:
        num_rollouts: Of a round.
        num_tokens: Of every response.
        num_rounds: Of every algorithm.
        num_phases: Divides the rounds.
        num_algorithms: One after the other.
        is_large: A policy of 0.5B parameters in bfloat16 with an optimizer's state in float32.
        folder: Where the run's folder is made; None: where temporary files are.
        resumes: Whether the finished run is begun once more, which must find nothing to do.
        profile: File for cProfile's figures.
    """

    num_rollouts: int
    num_tokens: int
    num_rounds: int
    num_phases: int = 1
    num_algorithms: int = 1
    is_large: bool = False
    folder: str | None = None
    resumes: bool = False
    profile: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was measured.

    Attributes:
        cpu: Of each round in order, CPU-seconds by piece of work, without what is made up. The
            first one has the start of the run too.
        wall: The same in wall seconds.
        node_seconds: Of the nodes that are not training, by the last part of their names, summed.
        resume_cpu: CPU-seconds to find that nothing is left to do; 0 if not tried.
        state_bytes: Size of what the run keeps about itself.
        peak_bytes: Largest resident memory of the process.
        start_bytes: The same before the run.
        checkpoint_bytes: Size of one state.
    """

    cpu: list[dict[str, float]]
    wall: list[dict[str, float]]
    node_seconds: dict[str, float]
    resume_cpu: float
    state_bytes: int
    peak_bytes: int
    start_bytes: int
    checkpoint_bytes: int


def measure(work: StubWork) -> Outcome:
    """Return what a process of its own measures, on one thread."""
    finished = subprocess.run(
        [sys.executable, _SCRIPT, json.dumps(asdict(work))],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "DO_NOT_TRACK": "1"},
    )
    lines = [line for line in finished.stdout.splitlines() if line.startswith("#")]
    if finished.returncode or not lines:
        raise RuntimeError(f"{work} failed:\n{finished.stderr[-3000:]}")
    return Outcome(**json.loads(lines[-1][1:]))


def median_round(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the median seconds of each piece over rounds."""
    names = {name for part in rounds for name in part}
    return {name: statistics.median(part.get(name, 0.0) for part in rounds) for name in names}


def without_checkpoint(rounds: Sequence[Mapping[str, float]]) -> float:
    """Return the median over rounds of the seconds of all pieces but the checkpoint."""
    return statistics.median(sum(part.values()) - part.get(CHECKPOINT, 0.0) for part in rounds)
