"""Disk space that a run takes."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from pmd_pipeline.config.compute import Precision
from pmd_pipeline.config.experiment import ExperimentConfig
from pmd_pipeline.preflight.activations import BFLOAT16_BYTES, FLOAT32_BYTES
from pmd_pipeline.preflight.findings import Finding, shown_size
from pmd_pipeline.preflight.workload import RoundWork
from pmd_pipeline.wording import counted

SECTION = "Disk"

# AdamW's two moments.
_MOMENTS_BYTES = 2 * FLOAT32_BYTES
# English text has about four characters a token; parquet compresses them, so this is a bound.
_ROLLOUT_BYTES_PER_TOKEN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskNeed:
    """Bytes below the data folder.

    Attributes:
        checkpoints: The initial policy, each phase's last state, and the one being written.
        rollouts: Texts of the rounds' rollouts, uncompressed.
        num_states: Checkpoints.
        less_with_last_moments: What is saved where only the last phase of each training run keeps
            its optimizer's state.
    """

    checkpoints: int
    rollouts: int
    num_states: int = 1
    less_with_last_moments: int = 0


def disk_need(
    experiment: ExperimentConfig,
    rounds: dict[str, RoundWork],
    *,
    num_parameters: int,
    num_trained: int,
    keeps_all_moments: bool,
) -> DiskNeed:
    """Return what a whole run leaves on disk.

    Args:
        experiment: Phases, training runs and precision.
        rounds: One round's work of each algorithm.
        num_parameters: Of the model.
        num_trained: Of the trained ones: a state holds only these.
        keeps_all_moments: Whether each phase keeps its optimizer's state, or only the last one.
    """
    training = experiment.training
    weights = experiment.compute.weights
    weight = BFLOAT16_BYTES if weights == "bfloat16" else FLOAT32_BYTES
    moments = optimizer_state_bytes(weights, num_trained)
    num_seeds = len(training.seeds)
    num_runs = len(rounds) * num_seeds
    num_states = num_runs * training.num_phases + 1
    num_moments = num_states if keeps_all_moments else num_runs + 1
    sampled = num_seeds * training.num_rounds * sum(work.sampled_tokens for work in rounds.values())
    return DiskNeed(
        checkpoints=weight * (num_parameters + num_states * num_trained) + num_moments * moments,
        rollouts=int(_ROLLOUT_BYTES_PER_TOKEN * sampled),
        num_states=num_states,
        less_with_last_moments=(num_moments - num_runs - 1) * moments,
    )


def optimizer_state_bytes(weights: Precision, num_trained: int) -> int:
    """Return the bytes of a stored optimizer's state: moments, and masters of bfloat16 weights."""
    masters = FLOAT32_BYTES if weights == "bfloat16" else 0
    return (masters + _MOMENTS_BYTES) * num_trained


def check_disk(need: DiskNeed | None, data_root: Path) -> list[Finding]:
    """Compare the need with what is free, and with what an earlier run already takes."""
    free = shutil.disk_usage(_existing(data_root)).free
    if need is None:
        value = f"{shown_size(free)} free; need unknown"
        return [Finding(section=SECTION, subject="checkpoints", value=value)]
    taken = _size(data_root / "06_models")
    remaining = max(0, need.checkpoints - taken)
    fits = remaining <= free
    # An earlier run's rollouts count as part of the bound: this run replaces them.
    rollouts = max(0, need.rollouts - _size(data_root / "07_model_output"))
    all_fit = remaining + rollouts <= free
    remedy = (
        f"free space below {data_root}, point data_root in the environment's globals.yml at a "
        "larger disk, or train fewer phases (training.num_phases), algorithms or "
        "training seeds at a time"
    )
    if need.less_with_last_moments:
        less = shown_size(need.less_with_last_moments)
        remedy = f"keep_optimizer_states: last in globals.yml saves {less}; or {remedy}"
    already = f", {shown_size(taken)} of it already there" if taken else ""
    return [
        Finding(
            section=SECTION,
            subject="checkpoints",
            value=f"{shown_size(need.checkpoints)} in {counted(need.num_states, 'state')}"
            f"{already}; {shown_size(free)} free",
            verdict="ok" if fits else "failure",
            remedy="" if fits else remedy,
        ),
        Finding(
            section=SECTION,
            subject="rollouts",
            value=f"at most {shown_size(need.rollouts)} before compression",
            verdict="ok" if all_fit or not fits else "warning",
            remedy="" if all_fit or not fits else f"they may fill the disk: {remedy}",
        ),
    ]


def _existing(folder: Path) -> Path:
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
