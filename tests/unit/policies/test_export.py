"""Trained policies as plain model folders."""

import os
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from pmd_pipeline.cli import cli
from pmd_pipeline.config.lora import LoraConfig
from pmd_pipeline.policies.export import ExportError, export_policy
from pmd_pipeline.policies.lora import add_adapter
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.policies.storage import save_policy
from pmd_pipeline.policies.weights import named_weights


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_an_exported_adapter_is_a_model_that_transformers_loads(
    tiny_policy: Policy, tmp_path: Path, dtype: torch.dtype
) -> None:
    for parameter in tiny_policy.model.parameters():
        parameter.data = parameter.data.to(dtype)
    save_policy(tiny_policy, tmp_path / "initial")
    add_adapter(tiny_policy, LoraConfig(rank=2), base_folder=tmp_path / "initial", seed=0)
    for layer in tiny_policy.model.model.layers:
        torch.nn.init.normal_(layer.mlp.up_proj.lora_B["default"].weight)
    save_policy(tiny_policy, tmp_path / "phase_1" / "round_00001")

    arguments = ["export-policy", str(tmp_path / "phase_1"), str(tmp_path / "exported")]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    assert "round_00001, 0 updates from the initial policy" in result.output
    assert str(dtype) in result.output
    assert "It has no model card: it is not in this environment's data folder" in result.output
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "exported", dtype="auto")
    expected = dict(named_weights(tiny_policy))
    assert model.dtype == dtype
    assert model.state_dict().keys() == expected.keys()
    assert all(torch.equal(w, expected[name]) for name, w in model.state_dict().items())
    assert AutoTokenizer.from_pretrained(tmp_path / "exported")("2+3")["input_ids"][0] == 1


def test_a_policy_without_an_adapter_is_exported_as_it_is(
    tiny_policy: Policy, tmp_path: Path
) -> None:
    save_policy(tiny_policy, tmp_path / "initial")
    export_policy(tmp_path / "initial", tmp_path / "exported")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "exported")
    expected = tiny_policy.model.state_dict()
    assert all(torch.equal(w, expected[name]) for name, w in model.state_dict().items())


def test_an_exported_policy_ends_its_responses_as_in_training(
    tiny_policy: Policy, tmp_path: Path
) -> None:
    """A base model's own generation configuration does not name the end of a turn."""
    save_policy(tiny_policy, tmp_path / "plain")
    export_policy(tmp_path / "plain", tmp_path / "exported_plain")
    assert eos_token_id(tmp_path / "exported_plain") == 2
    tiny_policy.tokenizer.chat_template = "{% for m in messages %}{{ m.content }}<pad>{% endfor %}"
    save_policy(tiny_policy, tmp_path / "chat")
    export_policy(tmp_path / "chat", tmp_path / "exported_chat")
    assert eos_token_id(tmp_path / "exported_chat") == [0, 2]


def eos_token_id(folder: Path) -> object:
    return GenerationConfig.from_pretrained(folder).eos_token_id


def test_what_lies_at_the_destination_is_left_alone(tiny_policy: Policy, tmp_path: Path) -> None:
    save_policy(tiny_policy, tmp_path / "initial")
    with pytest.raises(ExportError, match=r"initial is not empty; name a new folder"):
        export_policy(tmp_path / "initial", tmp_path / "initial")


def test_a_folder_without_a_policy_is_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["export-policy", str(tmp_path), str(tmp_path / "out")])
    assert result.exit_code == 1
    models = Path.cwd() / "data/06_models"
    assert f"there is no policy in {tmp_path}; name a folder below {models}: " in result.output


def test_what_is_relative_lies_where_the_user_is(
    tiny_policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although the command works in the project's folder, above the user's."""
    save_policy(tiny_policy, tmp_path / "initial")
    below = Path.cwd() / "docs"
    monkeypatch.chdir(below)
    paths = [os.path.relpath(tmp_path / name, below) for name in ("initial", "out")]
    result = CliRunner().invoke(cli, ["export-policy", *paths])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "config.json").is_file()


def test_a_policy_is_also_found_by_its_name_in_the_environments_data_folder(tmp_path: Path) -> None:
    arguments = ["export-policy", "grpo/seed_9/phase_1", str(tmp_path / "out")]
    result = CliRunner().invoke(cli, arguments)
    models = Path.cwd() / "data/06_models"
    assert f"there is no policy in {models}/grpo/seed_9/phase_1; " in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--best"], "kedro export-policy --best my-model"),
        (["--best", "a", "b"], "give the folder to write alone"),
        (["a"], "give the policy's folder and the folder to write"),
        (["--algorithm", "grpo", "a", "b"], "choose among policies: add --best"),
    ],
)
def test_what_is_to_be_written_where_must_be_said(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(cli, ["export-policy", *arguments])
    assert result.exit_code == 2
    assert message in result.output
