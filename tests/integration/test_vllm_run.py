"""The whole pipeline with vLLM as its engine."""

from typing import Any

import pandas as pd
import psutil
import pytest
import yaml

pytestmark = [pytest.mark.vllm, pytest.mark.slow]

ENGINE = {
    "rollout_engine": {
        "type": "pmd_pipeline.datasets.engines.RolloutEngineDataset",
        "backend": "vllm",
        "options": {"kv_cache_gib": 0.25},
    }
}


def use_vllm(project: Any) -> None:
    folder = project.path / "conf" / "tiny"
    (folder / "catalog.yml").write_text(yaml.safe_dump(ENGINE))
    parameters = yaml.safe_load((folder / "parameters.yml").read_text())
    # vLLM's CPU build knows no attention heads of 16; a policy that adds a little has a signal.
    parameters["policy_initialisation"]["policy"] |= {
        "hidden_size": 64,
        "head_dim": 32,
        "warm_start": {"num_steps": 300},
    }
    parameters["training"]["group_size"] = 8
    (folder / "parameters.yml").write_text(yaml.safe_dump(parameters))


def engine_processes() -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter()
        if process.status() != psutil.STATUS_ZOMBIE
        and any("vllm_adapter" in argument for argument in process.cmdline())
    ]


def test_every_stage_runs_and_sampler_and_trainer_agree(project: Any) -> None:
    use_vllm(project)
    result = project.kedro("run", "--env", "tiny", "--to-outputs", "comparison")
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-3000:]
    assert engine_processes() == []
    comparison = pd.read_csv(project.data / "08_reporting" / "comparison.csv")
    assert set(comparison["algorithm"]) == {"pmd_mean", "on_policy_gradient"}
    assert set(comparison["round"]) == {0, 2, 4}
    for algorithm in ("pmd_mean", "on_policy_gradient"):
        metrics = pd.read_parquet(
            project.data / "07_model_output" / algorithm / "round_metrics.parquet"
        )
        # Stale weights would show here: a round moves log-probs by more than that.
        assert metrics["mismatch_max"].max() < 1e-3
        assert metrics["log_ratio_max"].abs().max() > 1e-2
