"""Fixtures that many tests share."""

import importlib.util
from typing import Any

import pytest
import torch

from pmd_pipeline.config.policy import EmbeddedPolicyConfig
from pmd_pipeline.policies.embedded import build_policy
from pmd_pipeline.policies.policy import Policy

pytest.register_assert_rewrite("engine_contract")


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Tiny models lose time with more threads, and sums keep their order with one."""
    torch.set_num_threads(1)


@pytest.fixture
def tiny_policy() -> Policy:
    """The embedded policy, smaller yet and with random weights."""
    config = EmbeddedPolicyConfig(
        kind="embedded", hidden_size=32, num_heads=2, head_dim=16, feed_forward_size=64
    )
    return build_policy(config, seed=0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests that need a CUDA device, vLLM or Ray where there is none."""
    missing = {}
    if not torch.cuda.is_available():
        missing["gpu"] = "needs a CUDA device"
    if importlib.util.find_spec("vllm") is None:
        missing["vllm"] = "needs vLLM: make test-vllm"
    if importlib.util.find_spec("ray") is None:
        missing["ray"] = "needs Ray: pip install 'pmd_pipeline[ray]'"
    for item in items:
        for marker, reason in missing.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(optionalhook=True)  # there is no such hook without xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give all tests that share the Ray cluster to one process; of the others, a file each."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class OneProcessForRay(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            folder = "tests/ray_cluster/"
            return folder if nodeid.startswith(folder) else super()._split_scope(nodeid)

    return OneProcessForRay(config, log)
