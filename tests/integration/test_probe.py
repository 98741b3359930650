"""Every run begins with a probe: whatever it samples first, it stops where log-probs are wrong."""

import shutil
from typing import Any

import pytest
import torch

from pmd_pipeline.engines.growing_cache import GrowingLayer


@pytest.fixture
def _rows_lose_their_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the cache keep the first rows whichever should stay; commands are forked from here."""
    original = GrowingLayer.move

    def keep_first(layer: GrowingLayer, sources: Any, targets: torch.Tensor, num: int) -> None:
        original(layer, targets, targets, num)

    monkeypatch.setattr(GrowingLayer, "move", keep_first)


def assert_stopped(result: Any) -> None:
    assert result.returncode == 1
    assert "Qwen3ForCausalLM gives other log-probs than the trainer finds" in result.stderr
    assert "nats on average over" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.usefixtures("_rows_lose_their_state")
def test_a_run_stops_before_its_first_rollouts(project: Any) -> None:
    assert_stopped(project.command("run", "--env", "tiny"))
    assert not list(project.data.rglob("initial_rollouts*/*"))


@pytest.mark.usefixtures("_rows_lose_their_state")
def test_a_run_of_one_algorithm_alone_stops_too(finished: Any, project: Any) -> None:
    shutil.copytree(finished.data, project.data)
    options = ("--env", "tiny", "--namespaces", "pmd_mean", "--overwrite")
    assert_stopped(project.command("run", *options))
