"""From the catalog's entry to an engine, or to a message that helps."""

import importlib.machinery
from typing import Any

import pytest
import torch

from pmd_pipeline.config.engines import EngineEntryError, VllmEngineConfig, parse_engine
from pmd_pipeline.engines import ray_engine, vllm_engine
from pmd_pipeline.engines.choice import check_available, make_engine
from pmd_pipeline.engines.errors import EngineUnavailableError
from pmd_pipeline.engines.transformers_engine import TransformersEngine
from pmd_pipeline.engines.vllm_engine import VllmEngine
from pmd_pipeline.policies.policy import Policy


def test_the_backend_decides_the_engine() -> None:
    assert isinstance(make_engine(parse_engine("transformers", None)), TransformersEngine)
    assert isinstance(parse_engine("vllm", {"tensor_parallel_size": 2}), VllmEngineConfig)


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(EngineEntryError, match=r"options\.tensor_paralel_size: .*\(found 2\)"):
        parse_engine("vllm", {"tensor_paralel_size": 2})


SAMPLERS = {"engine": {"backend": "transformers"}, "num_samplers": 2, "unit_size": 8}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unit_size": None}, r"options\.unit_size: .*\(found None\)"),
        ({"engine": {"backend": "vllm", "tensor_paralel_size": 2}}, r"options\.engine\.tensor_par"),
        ({"engine": {"backend": "ray"}}, "engine: .*'ray' .*'transformers', 'vllm'"),
        (
            {"engine": {"backend": "transformers", "num_processes": 2}},
            "num_processes has no meaning .*num_samplers beside engine",
        ),
        (
            {"engine": {"backend": "vllm", "data_parallel_size": 2}},
            "data_parallel_size has no meaning .*num_samplers beside engine",
        ),
        ({"resources": {"CPU": 0}}, r"options\.resources\.CPU: .*greater than 0"),
    ],
)
def test_wrong_options_of_samplers_on_ray_are_named(changes: dict, message: str) -> None:
    with pytest.raises(EngineEntryError, match=message):
        parse_engine("ray", SAMPLERS | changes)


def test_without_ray_choosing_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_engine, "find_spec", lambda name: None)
    with pytest.raises(EngineUnavailableError, match=r"pip install 'pmd_pipeline\[ray\]'"):
        check_available(parse_engine("ray", SAMPLERS))


def test_vllm_has_to_be_installed_for_samplers_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_engine, "find_spec", lambda name: object())
    monkeypatch.setattr(vllm_engine, "find_spec", lambda name: None)
    with pytest.raises(EngineUnavailableError, match="vLLM is not installed"):
        make_engine(parse_engine("ray", SAMPLERS | {"engine": {"backend": "vllm"}}))


class Copy:
    """Takes the place of a process with a copy of the model."""

    def __init__(self, devices: str) -> None:
        self.devices = devices

    def send(self, method: str, **arguments: Any) -> None:
        pass

    def receive(self, **options: Any) -> int:
        return 512


def gpus(monkeypatch: pytest.MonkeyPatch, number: int, visible: str = "") -> list[Copy]:
    """Pretend to have GPUs and vLLM; return the copies of the model that are started."""
    started: list[Copy] = []

    def start(module: str, *, environment: dict[str, str], **options: Any) -> Copy:
        started.append(Copy(environment["CUDA_VISIBLE_DEVICES"]))
        return started[-1]

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: number)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(vllm_engine, "check_vllm_installed", lambda: None)
    monkeypatch.setattr(vllm_engine, "ChildProcess", start)
    return started


@pytest.mark.parametrize(
    ("options", "copies"),
    [
        ({}, ["0", "1", "2", "3"]),
        ({"tensor_parallel_size": 2}, ["0,1", "2,3"]),
        ({"tensor_parallel_size": 2, "data_parallel_size": 1}, ["0,1"]),
    ],
)
def test_each_copy_of_the_model_has_gpus_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
    tiny_policy: Policy,
    options: dict[str, int],
    copies: list[str],
) -> None:
    started = gpus(monkeypatch, 4)
    VllmEngine(VllmEngineConfig.model_validate(options)).publish(tiny_policy)
    assert [copy.devices for copy in started] == copies


def test_gpus_that_are_hidden_are_not_used(
    monkeypatch: pytest.MonkeyPatch, tiny_policy: Policy
) -> None:
    started = gpus(monkeypatch, 2, visible="5,7")
    VllmEngine(VllmEngineConfig()).publish(tiny_policy)
    assert [copy.devices for copy in started] == ["5", "7"]


def test_more_copies_than_gpus_are_refused(
    monkeypatch: pytest.MonkeyPatch, tiny_policy: Policy
) -> None:
    gpus(monkeypatch, 2)
    engine = VllmEngine(VllmEngineConfig(tensor_parallel_size=2, data_parallel_size=2))
    with pytest.raises(ValueError, match="needs 4 GPUs, 2 are visible"):
        engine.publish(tiny_policy)


def test_without_vllm_choosing_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_engine, "find_spec", lambda name: None)
    with pytest.raises(EngineUnavailableError, match=r"pip install 'pmd_pipeline\[vllm\]'"):
        check_available(VllmEngineConfig())
    with pytest.raises(EngineUnavailableError, match="backend: transformers"):
        make_engine(VllmEngineConfig())


def test_another_version_of_vllm_than_was_tested_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = importlib.machinery.ModuleSpec("vllm", None)
    monkeypatch.setattr(vllm_engine, "find_spec", lambda name: spec)
    monkeypatch.setattr(vllm_engine, "version_of", lambda distribution: "0.99.1")
    with pytest.raises(EngineUnavailableError, match=r"vLLM 0\.99\.1 is installed, but"):
        check_available(VllmEngineConfig())
