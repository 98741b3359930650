"""Sleeping and waking, in the order that vLLM asks for; on a stand-in, as a CPU cannot sleep."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pmd_pipeline.config.engines import VllmEngineConfig

pytestmark = pytest.mark.vllm


class Recorder:
    """Takes the place of vLLM's model and writes down what is asked of it."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def sleep(self, level: int) -> None:
        self.calls.append(f"sleep {level}")

    def wake_up(self, tags: list[str]) -> None:
        self.calls.append(f"wake {' '.join(tags)}")

    def collective_rpc(self, method: str, args: tuple[str, ...]) -> None:
        self.calls.append(method)

    def reset_prefix_cache(self) -> bool:
        self.calls.append("reset")
        return True


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Stands in for vLLM's model on a GPU."""
    from pmd_pipeline.engines import vllm_adapter

    recorder = Recorder()
    monkeypatch.setattr(vllm_adapter.vllm, "LLM", lambda **_: recorder)
    monkeypatch.setattr(vllm_adapter, "current_platform", SimpleNamespace(is_cpu=lambda: False))
    return recorder


@pytest.fixture
def adapter(model: Recorder) -> Any:
    from pmd_pipeline.engines.vllm_adapter import VllmAdapter

    adapter = VllmAdapter()
    adapter.start(Path("folder"), VllmEngineConfig(sleep_between_uses=True), "float32")
    return adapter


def test_weights_wake_first_and_the_cache_after_they_are_loaded(
    adapter: Any, model: Recorder
) -> None:
    adapter.sleep()
    adapter.load_weights(Path("folder"))
    assert model.calls == [
        "sleep 2",
        "wake weights",
        "load_policy_weights",
        "wake kv_cache",
        "reset",
    ]


def test_who_is_awake_is_not_woken_and_who_sleeps_not_sent_to_bed_again(
    adapter: Any, model: Recorder
) -> None:
    adapter.load_weights(Path("folder"))
    adapter.sleep()
    adapter.sleep()
    assert model.calls == ["load_policy_weights", "reset", "sleep 2"]
