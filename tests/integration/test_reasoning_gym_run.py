"""`conf/reasoning_gym` in seconds: the same stages with a small real model that learns nothing."""

from typing import Any

import pandas as pd
import pytest
from helpers import shared_folder

pytest.importorskip("reasoning_gym")
pytestmark = pytest.mark.slow

SMALL = {
    "policy_initialisation.policy.hub_name": "null",
    "policy_initialisation.policy.revision": "null",
    "data_preparation.evals.products.num_problems": 4,
    "rollout_generation.num_samples": 2,
    "training.algorithms": "pmd_mean+grpo",
    "training.num_phases": 1,
    "training.rounds_per_phase": 1,
    "training.prompts_per_round": 4,
    "training.group_size": 2,
    "training.num_mini_batches": 1,
    "training.sampling.max_new_tokens": 4,
    "evaluation.num_samples": 2,
    "evaluation.sampling.max_new_tokens": 4,
    "compute.num_threads": 1,
}


def test_the_environment_runs_from_problems_to_report(project: Any) -> None:
    """Problems are drawn, prompts begin the answer, and the family's own verifier is the reward."""
    model = shared_folder("models") / "stories260K-hf"
    params = {**SMALL, "policy_initialisation.policy.path": model}
    result = project.command(
        "run",
        "--env",
        "reasoning_gym",
        "--params",
        ",".join(f"{name}={value}" for name, value in params.items()),
    )
    assert result.returncode == 0, result.stderr[-3000:]
    data = project.path / "data" / "reasoning_gym"
    comparison = pd.read_csv(data / "08_reporting" / "comparison.csv")
    assert set(comparison["algorithm"]) == {"pmd_mean", "grpo"}
    assert {"avg_at_k", "pass_at_k", "maj_at_k"} <= set(comparison["metric"])
    versions = (data / "03_primary" / "train_problems.parquet").rglob("*.parquet")
    prompts = pd.read_parquet(next(path for path in versions if path.is_file()))
    assert prompts["prompt"].str.endswith("Answer:").all()
    assert prompts["prompt"].str.startswith("Reply with the answer alone.").all()
