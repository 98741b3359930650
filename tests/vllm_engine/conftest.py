"""Engines that the tests share: each start of vLLM takes ten seconds and more."""

from collections.abc import Callable, Iterator

import pytest
from vllm_helpers import make_tied_policy

from pmd_pipeline.config.engines import VllmEngineConfig
from pmd_pipeline.engines.vllm_engine import VllmEngine
from pmd_pipeline.policies.policy import Policy

SMALL = {"kv_cache_gib": 0.25}


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
