"""What the preflight says of a model, from its config.json alone."""

import json
from pathlib import Path

import pytest
from tiny_models import tiny_config
from transformers import AutoConfig, AutoModelForCausalLM, Qwen3Config, Qwen3ForCausalLM

from pmd_pipeline.config.policy import PolicyInitialisationConfig
from pmd_pipeline.preflight.findings import Finding
from pmd_pipeline.preflight.hub import HuggingFaceHub
from pmd_pipeline.preflight.model import look_at_model


def look(folder: Path, backend: str = "transformers") -> dict[str, Finding]:
    policy = {"policy": {"kind": "pretrained", "path": str(folder)}}
    _, findings = look_at_model(
        PolicyInitialisationConfig.model_validate(policy),
        HuggingFaceHub(),
        given=None,
        is_pinned=True,
        backend=backend,
    )
    return {finding.subject: finding for finding in findings}


def test_a_number_that_json_cannot_write_is_read_as_transformers_saves_it(tmp_path: Path) -> None:
    tiny_config("mamba2").save_pretrained(tmp_path)
    assert '"__float__": "Infinity"' in (tmp_path / "config.json").read_text()
    findings = look(tmp_path)
    assert findings["architecture"].verdict == "ok"
    assert findings["architecture"].value == "type 'mamba2'"
    assert int(findings["parameters"].value.replace(",", "")) > 0


@pytest.mark.parametrize("values", [{"hidden_size": "wide"}, {"num_attention_heads": 0}])
def test_values_that_no_model_can_have_are_named(tmp_path: Path, values: dict[str, object]) -> None:
    config = {**tiny_config("qwen3").to_dict(), **values}
    (tmp_path / "config.json").write_text(json.dumps(config))
    finding = look(tmp_path)["architecture"]
    assert finding.verdict in ("failure", "warning")
    assert finding.remedy


@pytest.mark.parametrize(
    ("model_type", "reason"),
    [("rwkv", "divides some of its weights"), ("roberta", "makes its logits")],
)
def test_a_model_that_would_be_wrong_is_refused_by_name(
    tmp_path: Path, model_type: str, reason: str
) -> None:
    tiny_config(model_type).save_pretrained(tmp_path)
    finding = look(tmp_path)["architecture"]
    assert finding.verdict == "failure"
    assert finding.value.startswith(f"models of type '{model_type}' are not supported: ")
    assert reason in finding.value
    assert "docs/models.md" in finding.remedy


def test_reading_everything_anew_for_each_token_is_warned_of(tmp_path: Path) -> None:
    tiny_config("zamba2").save_pretrained(tmp_path)
    assert "anew for each token" in look(tmp_path)["sampling"].value
    assert "sampling" not in look(tmp_path, backend="vllm")


class OwnConfig(Qwen3Config):
    model_type = "own_architecture"


class OwnModel(Qwen3ForCausalLM):
    config_class = OwnConfig


def test_an_architecture_that_no_test_knows_is_warned_of(tmp_path: Path) -> None:
    AutoConfig.register("own_architecture", OwnConfig, exist_ok=True)
    AutoModelForCausalLM.register(OwnConfig, OwnModel, exist_ok=True)
    values = tiny_config("qwen3").to_dict() | {"model_type": "own_architecture"}
    (tmp_path / "config.json").write_text(json.dumps(values))
    finding = look(tmp_path)["architecture"]
    assert finding.verdict == "warning"
    assert "'own_architecture'" in finding.value
