"""The whole pipeline with vLLM as its engine."""

from typing import Any

import pandas as pd
import psutil
import pytest
from vllm_helpers import use_vllm

pytestmark = [pytest.mark.vllm, pytest.mark.slow]


def engine_processes() -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter()
        if process.status() != psutil.STATUS_ZOMBIE
        and any("vllm_adapter" in argument for argument in process.cmdline())
    ]


def test_every_stage_runs_and_sampler_and_trainer_agree(project: Any) -> None:
    use_vllm(project)
    result = project.command("run", "--env", "tiny", "--to-outputs", "comparison")
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-3000:]
    assert engine_processes() == []
    comparison = pd.read_csv(project.data / "08_reporting" / "comparison.csv")
    assert set(comparison["algorithm"]) == {"pmd_mean", "on_policy_gradient"}
    assert set(comparison["round"]) == {0, 2, 4}
    for algorithm in ("pmd_mean", "on_policy_gradient"):
        check_that_sampler_followed(project, algorithm)


def check_that_sampler_followed(project: Any, algorithm: str) -> None:
    """Stale weights would show here: a round moves log-probs by much more."""
    metrics = pd.read_parquet(
        project.data / "07_model_output" / algorithm / "seed_0" / "round_metrics.parquet"
    )
    assert metrics["mismatch_max"].max() < 1e-3
    assert metrics["log_ratio_max"].abs().max() > 1e-2


def test_two_training_processes_share_one_sampler(project: Any) -> None:
    use_vllm(project)
    only = {"training": {"algorithms": "pmd_mean"}}
    assert project.run_together(2, params=only, to_outputs=["comparison"]) == 0
    assert engine_processes() == []
    check_that_sampler_followed(project, "pmd_mean")
