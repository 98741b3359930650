"""A real, if useless, pretrained Llama goes through every stage."""

from typing import Any

import pandas as pd
import pytest
import yaml
from helpers import shared_folder


@pytest.mark.slow
def test_stories260k_on_real_aime_problems_goes_through_every_stage(project: Any) -> None:
    model = shared_folder("models") / "stories260K-hf"
    data = shared_folder("data")
    path = project.path / "conf" / "tiny" / "parameters.yml"
    parameters = yaml.safe_load(path.read_text())
    parameters["data_preparation"] = {
        "train": {"kind": "aime", "path": str(data / "aime2024.jsonl"), "num_problems": None},
        "evals": {
            "addition": None,
            "aime2025": {"kind": "aime", "path": str(data / "aime2025.jsonl"), "limit": 4},
        },
        "prompt_template": "boxed",
        "max_prompt_tokens": 300,
    }
    parameters["policy_initialisation"]["policy"] = {"kind": "pretrained", "path": str(model)}
    path.write_text(yaml.safe_dump(parameters))
    assert project.run(to_outputs=["comparison"]) == 0
    comparison = pd.read_csv(project.data / "08_reporting" / "comparison.csv")
    assert set(comparison["eval_set"]) == {"aime2025"}
    assert set(comparison["round"]) == {0, 2, 4}
    completions = pd.read_parquet(
        project.data
        / "07_model_output"
        / "pmd_mean"
        / "seed_0"
        / "phase_2"
        / "eval_completions.parquet"
    )
    assert len(completions) == 8
    assert completions["response"].str.len().gt(0).all()
    assert completions["gold"].str.fullmatch(r"\d{1,3}").all()
