"""``kedro preflight`` as a user calls it."""

from typing import Any

import pytest
from helpers import shared_folder


def test_a_run_that_can_work_ends_with_status_0(project: Any) -> None:
    result = project.command("preflight", "--env", "tiny")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Ready to run." in result.stdout
    assert "\x1b[" not in result.stdout
    assert not (project.data / "06_models").exists()


def test_a_recipe_as_it_comes_says_what_to_fill_in(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # read at its import
    result = project.command("preflight", "--env", "paper_qwen2_5_7b")
    assert result.returncode == 1
    assert "Traceback" not in result.stdout + result.stderr
    for key in ("policy_initialisation.policy", "data_preparation.evals.aime_2025"):
        assert f"{key}.path=" in result.stdout
    assert "Qwen/Qwen2.5-7B, revision not filled in" in result.stdout
    assert "licence" not in result.stdout
    assert "at most 67,108,864 tokens sampled" in result.stdout


def test_local_copies_take_the_hubs_place(project: Any) -> None:
    data, models = shared_folder("data"), shared_folder("models")
    sources = {
        "policy_initialisation.policy": models / "stories260K-hf",
        "data_preparation.train": data / "dapo-math-17k.parquet",
        "data_preparation.evals.aime_2024": data / "aime2024.jsonl",
        "data_preparation.evals.aime_2025": data / "aime2025.jsonl",
    }
    params = ",".join(
        f"{key}.hub_name=null,{key}.revision=null,{key}.path={path}"
        for key, path in sources.items()
    )
    result = project.command(
        "preflight",
        "--env",
        "paper_qwen3_4b",
        "--params",
        params,
        "--num-gpus",
        "2",
        "--gpu-memory-gib",
        "80",
        "--mean-prompt-tokens",
        "100",
        "--mean-response-tokens",
        "1000",
        "--tokens-per-second-sampling",
        "1000",
        "--tokens-per-second-training",
        "1000",
    )
    out = " ".join(result.stdout.split())
    assert "FAIL  model" not in out
    assert "FAIL  train" not in out
    assert "FAIL  aime" not in out
    # 151 evaluations of 60 problems x 32, and one first rollout of 17,917 rows.
    assert f"evaluations {151 * 60 * 32 * 1000:,} tokens sampled" in out
    assert "first rollouts 17,917,000 tokens sampled" in out
    assert "GPU-hours" in out
    assert "10,240 tokens needed, the model has 512" in out


def test_a_misspelt_parameter_and_an_unknown_environment_are_spoken(project: Any) -> None:
    result = project.command("preflight", "--env", "tiny", "--params", "training.group_sise=8")
    assert result.returncode == 1
    assert "did you mean 'group_size'?" in result.stderr
    assert "Traceback" not in result.stderr
    result = project.command("preflight", "--env", "nowhere")
    assert result.returncode == 1
    assert "there is no environment 'nowhere'" in result.stderr
