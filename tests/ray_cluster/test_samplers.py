"""Samplers on a real cluster; who samples what is tested without one in tests/unit/engines."""

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from engine_contract import PROMPTS, sample, tokens_of
from forks import run_forked
from played_engine import make_played_engine
from played_samplers import DEADLY, SLOW, WRONG
from ray_clusters import RayCluster
from vllm_helpers import make_tied_policy, update

from pmd_pipeline.cluster import session
from pmd_pipeline.cluster.errors import InfeasibleError
from pmd_pipeline.config.cluster import ClusterConfig
from pmd_pipeline.config.engines import TransformersEngineConfig, parse_engine
from pmd_pipeline.config.lora import LoraConfig
from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines.base import SubmittedPrompts, submit_prompts
from pmd_pipeline.engines.choice import check_available, make_engine
from pmd_pipeline.engines.errors import EngineFailedError
from pmd_pipeline.engines.ray_engine import RayEngine
from pmd_pipeline.engines.transformers_engine import TransformersEngine
from pmd_pipeline.policies.lora import add_adapter
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.records import Completion

if TYPE_CHECKING:
    from pmd_pipeline.cluster.hosts import Call

pytestmark = pytest.mark.ray


def join(cluster: RayCluster, folder: Path) -> None:
    session.name_cluster(ClusterConfig(address=cluster.address), folder / "ray.log")
    session.join()


def assert_same_bytes(found: list[list[Completion]], expected: list[list[Completion]]) -> None:
    assert tokens_of(found) == tokens_of(expected)
    for one, other in zip(found, expected, strict=True):
        for a, b in zip(one, other, strict=True):
            assert np.array_equal(a.log_probs, b.log_probs)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_one_two_and_three_samplers_give_the_bytes_of_one_process_whatever_is_lost(
    ray_cluster: RayCluster, tmp_path: Path
) -> None:
    """There is room for one of three at first; at last a process and then a node are lost.

    The node goes with what its samplers are at, and with a result that lies there finished.
    """
    lost = tmp_path / "lost"

    def action() -> None:
        join(ray_cluster, tmp_path)
        from pmd_pipeline.cluster.hosts import Host
        from pmd_pipeline.cluster.placement import free_resources

        def hold(node: str) -> Host:
            return Host(
                "played_samplers:PlayedSampler",
                bundle={"CPU": 1.0},
                node_id=node,
                seconds=60,
                num_threads=1,
                name="other work",
            )

        held = [hold(node) for node in [*ray_cluster.nodes, ray_cluster.nodes[0]]]
        policy = make_tied_policy()
        plain = TransformersEngine(TransformersEngineConfig(unit_size=4))
        options = {"engine": {"backend": "transformers"}, "num_samplers": 3, "unit_size": 4}
        engine = make_engine(parse_engine("ray", options))
        assert isinstance(engine, RayEngine)
        for num_samplers in (1, 2, 3):
            assert_same_bytes(sample(engine, policy), sample(plain, policy))
            assert len(engine.samplers) == num_samplers
            update(policy)
            if held:
                num_free = sum(one.get("CPU", 0) for one in free_resources().values())
                held.pop().kill()
                while sum(one.get("CPU", 0) for one in free_resources().values()) == num_free:
                    time.sleep(0.1)
        assert engine.num_lost_units == 0

        # An adapter: what is frozen is sent once, and to samplers that join later.
        policy = make_tied_policy(seed=1)
        add_adapter(policy, LoraConfig(rank=2, alpha=4), base_folder=Path(), seed=0)
        sample(engine, policy)
        with torch.no_grad():
            for parameter in policy.model.parameters():
                if parameter.requires_grad:
                    parameter.normal_()
        policy.policy_version = 1

        prompts = PROMPTS * 40  # units enough to be under way when something is lost
        expected = sample(plain, policy, prompts)

        # A process is killed, and a node with units that are being sampled, and with results that
        # nobody has fetched.
        played = make_played_engine(num_samplers=2, resources={"GPU": 2})
        seeds = range(4)
        with unfetched_results() as (they_are_there, fetch):
            waiting = submit(played, policy, [[1]] * len(seeds))
            assert they_are_there.wait(60)
            assert {place.node_id for place in played.samplers.values()} == {*ray_cluster.nodes}
            submitted = submit(engine, policy, prompts)
            one, *others = engine.samplers.values()
            node = next(other.node_id for other in others if other.node_id != one.node_id)
            lost.write_text(node)
            os.kill(one.process_id, signal.SIGKILL)
            ray_cluster.kill(node)
            fetch.set()
        assert_same_bytes(submitted.collect(), expected)
        assert engine.num_lost_units >= 2
        assert [group[0].token_ids[0] for group in waiting.collect()] == list(seeds)
        assert played.num_lost_units == 1
        played.close()
        engine.close()
        session.leave()

    try:
        assert run_forked(action) == 0
    finally:
        if lost.exists():  # the child has killed it, by the pipe that it shares
            ray_cluster.nodes.remove(lost.read_text())
            ray_cluster.add()


@contextmanager
def unfetched_results() -> Iterator[tuple[threading.Event, threading.Event]]:
    """Have the next units' results stay on the nodes of their samplers.

    Yields:
        What is set when all that were begun are finished, and what is to be set to fetch them.
    """
    import ray

    from pmd_pipeline.engines import ray_fleet

    finished, they_are_there, fetch = ray_fleet.finished, threading.Event(), threading.Event()

    def finished_later(calls: "Sequence[Call]", seconds: float) -> "list[Call]":
        ray_fleet.finished = finished  # for this engine alone
        references = [call.reference for call in calls]
        ready, _ = ray.wait(references, num_returns=len(references), timeout=60, fetch_local=False)
        assert len(ready) == len(references) == 2
        they_are_there.set()
        fetch.wait(60)
        return finished(calls, seconds)

    ray_fleet.finished = finished_later
    try:
        yield they_are_there, fetch
    finally:
        fetch.set()


def submit(engine: RayEngine, policy: Policy, prompts: list[list[int]]) -> SubmittedPrompts:
    return submit_prompts(
        engine,
        prompts,
        version=engine.publish(policy),
        num_samples=2,
        sampling=SamplingConfig(max_new_tokens=12),
        seeds=range(len(prompts)),
    )


def test_what_samplers_on_a_cluster_are_refused_and_how_they_end(
    ray_cluster: RayCluster, tmp_path: Path
) -> None:
    """One child for all of it; its samplers play."""

    def action() -> None:
        join(ray_cluster, tmp_path)
        policy = make_tied_policy()

        def responses(engine: RayEngine, prompts: list[list[int]]) -> list[tuple[int, ...]]:
            return [group[0].token_ids for group in submit(engine, policy, prompts).collect()]

        options = {"engine": {"backend": "transformers"}, "num_samplers": 1, "unit_size": 1}
        with pytest.raises(InfeasibleError, match=r"a sampler .*: .*too small: wanted 1 x \(9 GPU"):
            check_available(parse_engine("ray", options | {"resources": {"GPU": 9}}))
        too_large = make_played_engine(resources={"CPU": 64})
        with pytest.raises(
            InfeasibleError, match=r"sampler 1: .*too small: wanted 1 x \(64 CPU\).*no room for"
        ):
            too_large.publish(policy)

        engine = make_played_engine(max_resubmissions=0)
        assert responses(engine, [[1], [3]]) == [(0,) * 12, (1,) * 12]
        with pytest.raises(EngineFailedError, match=r"sample: ValueError: token 9 is wrong"):
            submit(engine, policy, [[1], [WRONG]]).collect()
        assert engine.samplers == {}

        with pytest.raises(EngineFailedError) as caught:
            submit(engine, policy, [[1], [1, DEADLY], [1, 3]]).collect()
        text = policy.tokenizer.decode([1, DEADLY])
        assert "a unit of 1 prompt was given to a sampler 1 time" in str(caught.value)
        assert f"The prompts:\n  1. (2 tokens) {text}\n" in str(caught.value)

        waiting = submit(engine, policy, [[1, SLOW]])
        threading.Timer(0.5, engine.close).start()
        with pytest.raises(EngineFailedError, match="the engine was closed while it sampled"):
            waiting.collect()
        session.leave()

    assert run_forked(action) == 0
