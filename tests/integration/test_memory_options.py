"""Whole runs with weights in bfloat16, an adapter and packing, also killed and resumed."""

import json
import shutil
import signal
from typing import Any

import pytest
import torch
from accidents import at_state
from transformers import AutoModelForCausalLM

OPTIONS = {
    "compute": {"precision": "bfloat16", "weights": "bfloat16"},
    "training": {
        "lora": {"rank": 4, "alpha": 8},
        "packing": True,
        "algorithms": ["pmd_mean"],
        "optimizer": {"learning_rate": 4e-2},
    },
    # So small a policy is always wrong: what tells its responses apart is their length.
    "rewards": {"overlong_buffer_tokens": 20},
}
COMPARED = ["comparison"]


@pytest.mark.slow
def test_an_adapter_in_bfloat16_resumes_to_the_byte_and_is_exported(project: Any) -> None:
    assert project.run(params=OPTIONS, to_outputs=COMPARED) == 0
    expected = project.comparison
    weights = final_adapter(project)
    shutil.rmtree(project.data)
    killed = project.run(before=at_state(5), params=OPTIONS, to_outputs=COMPARED)
    assert killed == -signal.SIGKILL
    assert project.run(params=OPTIONS, only_missing_outputs=True, to_outputs=COMPARED) == 0
    assert project.comparison == expected
    assert final_adapter(project) == weights

    models = project.data / "06_models"
    states = list((models / "pmd_mean" / "seed_0").glob("phase_*/round_*"))
    assert len(states) == 2
    assert not [file for state in states for file in state.rglob("model.safetensors")]
    for state in states:
        manifest = json.loads((state / "manifest.json").read_text())
        assert manifest["base_path"] == "../../../../initial"
    arguments = ("export-policy", "data/tiny/06_models/pmd_mean/seed_0/phase_2", "exported")
    result = project.command(*arguments)
    assert result.returncode == 0, result.stderr
    exported = AutoModelForCausalLM.from_pretrained(project.path / "exported", dtype="auto")
    initial = AutoModelForCausalLM.from_pretrained(models / "initial" / "policy", dtype="auto")
    assert {p.dtype for p in exported.parameters()} == {torch.bfloat16}
    pairs = zip(exported.named_parameters(), initial.parameters(), strict=True)
    moved = {name for (name, a), b in pairs if not torch.equal(a, b)}
    assert moved == {name for name, _ in exported.named_parameters() if "_proj." in name}


def final_adapter(project: Any) -> bytes:
    [state] = (project.data / "06_models" / "pmd_mean" / "seed_0" / "phase_2").glob("round_*")
    return bytes((state / "policy" / "adapter_model.safetensors").read_bytes())
