"""From the catalog's entry to an engine, or to a message that helps."""

import importlib.machinery

import pytest

from pmd_pipeline.config.engines import EngineEntryError, VllmEngineConfig, parse_engine
from pmd_pipeline.engines import vllm_engine
from pmd_pipeline.engines.choice import check_available, make_engine
from pmd_pipeline.engines.errors import EngineUnavailableError
from pmd_pipeline.engines.transformers_engine import TransformersEngine


def test_the_backend_decides_the_engine() -> None:
    assert isinstance(make_engine(parse_engine("transformers", None)), TransformersEngine)
    assert isinstance(parse_engine("vllm", {"tensor_parallel_size": 2}), VllmEngineConfig)


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(EngineEntryError, match=r"options\.tensor_paralel_size: .*\(found 2\)"):
        parse_engine("vllm", {"tensor_paralel_size": 2})


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
    monkeypatch.setattr(vllm_engine, "version", lambda distribution: "0.99.1")
    with pytest.raises(EngineUnavailableError, match=r"vLLM 0\.99\.1 is installed, tested was"):
        check_available(VllmEngineConfig())
