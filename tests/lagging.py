"""Runs in which rollouts are sampled ahead of training, and accidents in the midst of it."""

import os
import random
import time
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
from projects import SHAPED, Project, make_project

from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.engines.base import RolloutEngine
from pmd_pipeline.engines.copies_engine import CopiesEngine
from pmd_pipeline.engines.eager_engine import EagerEngine
from pmd_pipeline.engines.transformers_engine import TransformersEngine
from pmd_pipeline.engines.unit_pool import ReportGroup
from pmd_pipeline.engines.units import Unit
from pmd_pipeline.processes.child import ChildProcess

RUN = ("run", "--env", "tiny", "--to-outputs", "comparison", "--only-missing-outputs")

# One phase of four rounds, each sampled as one unit: rounds 2, 3 and 4 ahead.
LAGGED = SHAPED.replace("num_phases: 2", "num_phases: 1").replace(
    "rounds_per_phase: 2", "rounds_per_phase: 4\n  lag: 1"
)


def make_lagged(path: Path) -> Project:
    """Return a new project with a lag of one round."""
    project = make_project(path)
    (path / "conf" / "tiny" / "parameters.yml").write_text(LAGGED)
    return project


def sample_first(patch: pytest.MonkeyPatch, unit_size: int | None = None) -> None:
    """Have commands that are forked from here sample in their own process, then train."""

    def beside_training(engine: TransformersEngine) -> RolloutEngine:
        return EagerEngine(TransformersEngineConfig(unit_size=unit_size))

    patch.setattr(TransformersEngine, "beside_training", beside_training)


def sleep_in_units(
    patch: pytest.MonkeyPatch, seed: object, *, signal_in_unit: tuple[int, int] | None = None
) -> None:
    """Have units of commands that are forked from here take random times.

    Args:
        patch: Undoes it.
        seed: Of these times.
        signal_in_unit: A signal that the command gets while its so-manieth unit (from 1) is being
            sampled.
    """
    clock, receive = random.Random(str(seed)), ChildProcess.receive
    num_units = 0

    def sample(
        engine: CopiesEngine, sampler: ChildProcess, unit: Unit, report: ReportGroup
    ) -> None:
        nonlocal num_units
        num_units += 1
        sampler.send("generate", **engine._arguments(unit))
        if signal_in_unit is not None and num_units == signal_in_unit[1]:
            os.kill(os.getpid(), signal_in_unit[0])
        time.sleep(0.05 * clock.random())
        receive(sampler, report=report)

    patch.setattr(CopiesEngine, "_sample", sample)


def sampling_processes(project: Project) -> list[psutil.Process]:
    """Return the sampling processes of commands that are forked from here, in this project."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "cwd"])
        if "pmd_pipeline.engines.sampler_process" in (process.info["cmdline"] or ())
        and process.info["cwd"] == str(project.path)
    ]


def assert_none_left(project: Project) -> None:
    """Fail if a sampling process outlives its command; one that is killed needs a second."""
    _, alive = psutil.wait_procs(sampling_processes(project), timeout=30)
    assert not alive


def results(project: Project) -> dict[str, Any]:
    """Return policies, moments and rollouts byte for byte, and the metrics that are no times."""
    patterns = ("06_models/**/*.safetensors", "07_model_output/**/rollouts/*.parquet")
    found: dict[str, Any] = {
        str(path.relative_to(project.data)): path.read_bytes()
        for pattern in patterns
        for path in project.data.glob(pattern)
    }
    tables = sorted(project.data.glob("07_model_output/**/round_metrics/*.parquet"))
    metrics = pd.concat([pd.read_parquet(path) for path in tables])
    assert metrics["staleness_rounds"].tolist() == [0, 1, 1, 1]
    timeless = metrics[[name for name in metrics if "second" not in str(name)]]
    return {**found, "round_metrics": timeless.to_csv(), "comparison": project.comparison}
