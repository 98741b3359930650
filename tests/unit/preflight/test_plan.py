"""The plan as a whole: what stops a run, what is said of it, and the table."""

import json
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import PROJECT

from pmd_pipeline.config.compute import ComputeConfig
from pmd_pipeline.config_loader import VariantConfigLoader
from pmd_pipeline.preflight import (
    Finding,
    PlannedDevices,
    PreflightError,
    Request,
    failures,
    packages,
    plan_run,
    plan_table,
    require_ready,
)
from pmd_pipeline.preflight.hardware import look_at_hardware
from pmd_pipeline.preflight.hub import Repository, RepositoryKind
from pmd_pipeline.reporting.console import as_text

# As published in the repository's config.json.
QWEN2_5_7B = {
    "model_type": "qwen2",
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "vocab_size": 152064,
    "tie_word_embeddings": False,
    "max_position_embeddings": 131072,
}


class OfflineHub:
    def look_up(self, name: str, kind: RepositoryKind, revision: str | None) -> Repository:
        return Repository(is_reachable=False, reason="offline")


def test_the_embedded_default_can_work(tmp_path: Path) -> None:
    findings = require_ready(_request("base", tmp_path), OfflineHub())
    parameters = next(item for item in findings if item.subject == "parameters")
    assert parameters.value == "85,504"


def test_with_a_lag_a_copy_of_the_policy_samples_beside_its_training(tmp_path: Path) -> None:
    request = _request("base", tmp_path)
    parameters = {**request.parameters, "compute": {"device": "cpu"}}
    training = {**parameters["training"], "algorithms": ["pmd_mean"], "rounds_per_phase": 2}
    parameters["training"] = {**training, "lag": 1}
    plan = plan_run(replace(request, parameters=parameters), OfflineHub())
    subjects = {finding.subject for finding in plan}
    assert "peak while sampling and updating" in subjects
    assert "peak while sampling" not in subjects


def test_a_plan_for_the_cpu_does_not_speak_of_gpus(tmp_path: Path) -> None:
    request = _request("base", tmp_path)
    parameters = {**request.parameters, "compute": {"device": "cpu"}}
    findings = plan_run(replace(request, parameters=parameters), OfflineHub())
    assert {item.subject for item in findings} >= {"CPU", "time", "peak while updating"}
    assert not any("GPU" in f"{item.subject} {item.value} {item.remedy}" for item in findings)


def test_one_message_names_all_that_stops_a_recipe(tmp_path: Path) -> None:
    with pytest.raises(PreflightError) as raised:
        require_ready(_request("paper_qwen2_5_7b", tmp_path), OfflineHub(), env="paper_qwen2_5_7b")
    message = str(raised.value)
    assert "kedro preflight --env paper_qwen2_5_7b shows the whole plan" in message
    for key in (
        "policy_initialisation.policy",
        "data_preparation.train",
        "data_preparation.evals.aime_2024",
        "data_preparation.evals.aime_2025",
    ):
        assert f"{key}.path=" in message
    assert message.count("revision not filled in") == 4


@pytest.mark.parametrize(
    ("num_gpus", "gib", "verdict"),
    [(1, 80, "failure"), (1, 140, "warning"), (8, 80, "ok"), (8, None, "note")],
)
def test_the_7b_models_update_fits_eight_gpus_and_not_one(
    tmp_path: Path, num_gpus: int, gib: int | None, verdict: str
) -> None:
    """16 bytes of state a parameter are 113.5 GiB, whatever the estimate of the rest."""
    (tmp_path / "config.json").write_text(json.dumps(QWEN2_5_7B))
    devices = PlannedDevices(num_gpus=num_gpus, memory_bytes=None if gib is None else gib * 2**30)
    request = _request(
        "paper_qwen2_5_7b", tmp_path, devices=devices, model_config=tmp_path / "config.json"
    )
    findings = {item.subject: item for item in plan_run(request, OfflineHub())}
    assert findings["parameters"].value == "7,615,616,512"
    assert findings["GPUs"].verdict == "note"
    update = findings["peak while updating"]
    assert update.verdict == verdict
    assert bool(update.remedy) == (verdict in ("failure", "warning"))


def test_an_adapter_of_the_7b_model_fits_one_gpu(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(QWEN2_5_7B))
    request = _request(
        "paper_qwen2_5_7b",
        tmp_path,
        devices=PlannedDevices(num_gpus=1, memory_bytes=80 * 2**30),
        model_config=tmp_path,
    )
    parameters = dict(request.parameters)
    parameters["training"] = {**parameters["training"], "lora": {"rank": 16}}
    parameters["compute"] = {**parameters["compute"], "weights": "bfloat16"}
    findings = {
        item.subject: item
        for item in plan_run(replace(request, parameters=parameters), OfflineHub())
    }
    # Inputs and outputs of q, k, v, o, gate, up and down, times the rank, in 28 layers.
    sizes = 2 * (2 * 3584) + 2 * (3584 + 512) + 3 * (3584 + 18944)
    expected = f"{16 * 28 * sizes:,} trained parameters on 196 layers"
    assert findings["adapter"].value == expected
    assert findings["trainer: weights"].value == "14.3 GiB (bfloat16)"
    assert findings["peak while updating"].verdict == "ok"

    parameters["training"] = {**parameters["training"], "lora": {"target_modules": ["query"]}}
    findings = {
        item.subject: item
        for item in plan_run(replace(request, parameters=parameters), OfflineHub())
    }
    assert findings["adapter"].verdict == "failure"
    assert "'q_proj'" in findings["adapter"].value


def test_responses_longer_than_the_model_are_warned_of(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(QWEN2_5_7B | {"max_position_embeddings": 4096}))
    request = _request("paper_qwen2_5_7b", tmp_path, model_config=config)
    [finding] = [f for f in plan_run(request, OfflineHub()) if f.subject == "positions"]
    assert finding.verdict == "warning"
    assert finding.value == "10,240 tokens needed, the model has 4,096"


def test_a_batch_that_fits_only_while_responses_are_short_is_warned_of(tmp_path: Path) -> None:
    """One sequence of 10,240 tokens takes 560 MiB; 1024 of them take 560 GiB."""
    (tmp_path / "config.json").write_text(json.dumps(QWEN2_5_7B))
    request = _request(
        "paper_qwen2_5_7b",
        tmp_path,
        devices=PlannedDevices(num_gpus=8, memory_bytes=80 * 2**30),
        model_config=tmp_path,
    )
    request = replace(request, engine={"backend": "transformers"})
    findings = {item.subject: item for item in plan_run(request, OfflineHub())}
    assert findings["sampler: KV cache"].value.endswith("560.0 GiB for 1024")
    assert findings["peak while sampling"].verdict == "warning"
    assert "max_batch_size" in findings["peak while sampling"].remedy


@pytest.mark.parametrize(("processes", "verdict", "num_devices"), [(1, "warning", 1), (4, "ok", 4)])
def test_a_run_uses_one_gpu_for_each_process(
    monkeypatch: pytest.MonkeyPatch, processes: int, verdict: str, num_devices: int
) -> None:
    class Properties:
        total_memory = 80 * 2**30

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: Properties)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "a GPU")
    found, [finding] = look_at_hardware(
        ComputeConfig(device="auto"), PlannedDevices(), num_processes=processes
    )
    assert (found.num_devices, found.memory_bytes) == (num_devices, 80 * 2**30)
    assert finding.verdict == verdict
    assert ("--num-gpus 4" in finding.remedy) == (verdict == "warning")


def test_no_gpu_where_one_is_asked_for_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    here = PlannedDevices()
    _, [finding] = look_at_hardware(ComputeConfig(device="cuda"), here, num_processes=1)
    assert finding.verdict == "failure"
    found, [finding] = look_at_hardware(
        ComputeConfig(device="auto"), PlannedDevices(), num_processes=1
    )
    assert (found.is_gpu, finding.verdict) == (False, "ok")


def test_a_model_that_cannot_be_looked_at_leaves_its_sizes_unknown(tmp_path: Path) -> None:
    findings = plan_run(_request("paper_qwen3_4b", tmp_path), OfflineHub())
    unknown = [item for item in findings if item.value.startswith("unknown:")]
    assert [item.verdict for item in unknown] == ["warning"]
    assert "--model-config" in unknown[0].remedy
    assert "peak while updating" not in {item.subject for item in findings}


def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text("{}")
    request = _request("paper_qwen3_4b", tmp_path, model_config=config)
    assert "is not a model configuration" in " ".join(
        item.value for item in failures(plan_run(request, OfflineHub()))
    )


def test_a_missing_package_and_one_out_of_range_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    versions = {"torch": "2.13.0", "scipy": "0.9"}

    def version(name: str) -> str:
        if name not in versions:
            raise PackageNotFoundError(name)
        return versions[name]

    required = ["torch>=2.11", "scipy>=1.15", "absent-thing>=1", 'vllm==0.32.0; extra == "vllm"']
    monkeypatch.setattr(packages, "version", version)
    monkeypatch.setattr(packages, "requires", lambda _: required)
    monkeypatch.setattr(packages, "find_spec", lambda _: None)
    found = {item.subject: item for item in packages.check_packages(("vllm",))}
    assert found["scipy"].value == "0.9 is outside >=1.15"
    assert found["absent-thing"].value == "not installed"
    assert found["vllm"].remedy == "install it: pip install 'pmd_pipeline[vllm]'"
    assert "torch" not in found
    assert "vllm" not in {item.subject for item in packages.check_packages()}


def test_the_table_lists_remedies_by_weight() -> None:
    findings = [
        Finding(section="A", subject="one", value="fine", verdict="ok"),
        Finding(section="A", subject="two", value="odd", verdict="warning", remedy="look"),
        Finding(section="B", subject="three", value="bad", verdict="failure", remedy="mend"),
    ]
    assert as_text(plan_table("Plan", findings)).splitlines() == [
        "Plan",
        "",
        "A",
        "  ok    one    fine",
        "  warn  two    odd",
        "",
        "B",
        "  FAIL  three  bad",
        "",
        "Warnings:",
        "  1. two: look",
        "",
        "To fix before this can run:",
        "  1. three: mend",
    ]


def test_on_a_narrow_terminal_the_plan_folds_and_loses_nothing() -> None:
    """Values and remedies go on below themselves."""
    words = [f"word{number}" for number in range(12)]
    finding = Finding(
        section="A", subject="one", value=" ".join(words), verdict="failure", remedy="do it now"
    )
    lines = as_text(plan_table("Plan", [finding]), width=40).splitlines()
    assert max(map(len, lines)) <= 40
    assert lines[3].startswith("  FAIL  one  word0 ")
    rows = lines[3 : lines.index("To fix before this can run:") - 1]
    assert len(rows) > 1
    assert {line[:13] for line in rows[1:]} == {" " * 13}
    assert " ".join(rows).split() == ["FAIL", "one", *words]


def _request(env: str, data_root: Path, **fields: Any) -> Request:
    loader = VariantConfigLoader(
        conf_source=str(PROJECT / "conf"),
        env=env,
        base_env="base",
        default_run_env="local",
        merge_strategy={"parameters": "soft"},
    )
    return Request(
        parameters=loader["parameters"],
        engine=loader["catalog"]["rollout_engine"],
        data_root=data_root,
        **fields,
    )
