"""Engines that the tests share: each start of vLLM takes ten seconds and more."""

import importlib.util
from collections.abc import Callable, Iterator

import pytest
from vllm_helpers import make_tied_policy

from pmd_pipeline.config.engines import VllmEngineConfig
from pmd_pipeline.engines.vllm_engine import VllmEngine
from pmd_pipeline.policies.policy import Policy

SMALL = {"kv_cache_gib": 0.25}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder, and skip it where there is no vLLM."""
    for item in items:
        if "tests/vllm" in item.path.as_posix():
            item.add_marker(pytest.mark.vllm)
            if importlib.util.find_spec("vllm") is None:
                item.add_marker(pytest.mark.skip(reason="needs vLLM: make test-vllm"))


@pytest.fixture(scope="session")
def engine() -> Iterator[VllmEngine]:
    """A running engine of one copy; tests give it their own policies of the same shape."""
    engine = VllmEngine(VllmEngineConfig(**SMALL))
    yield engine
    engine.close()


@pytest.fixture
def policy() -> Policy:
    return make_tied_policy()


@pytest.fixture
def start_engine() -> Iterator[Callable[..., VllmEngine]]:
    """Make engines that are closed at the test's end."""
    engines: list[VllmEngine] = []

    def start(**options: object) -> VllmEngine:
        engines.append(VllmEngine(VllmEngineConfig.model_validate(SMALL | options)))
        return engines[-1]

    yield start
    for engine in engines:
        engine.close()
