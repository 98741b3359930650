"""vLLM in samplers on a real cluster: run by `make test-vllm`."""

import os
import signal
from pathlib import Path

import psutil
import pytest
from engine_contract import assert_log_probs_are_exact, sample, tokens_of
from forks import run_forked
from ray_clusters import RayCluster
from vllm_helpers import make_tied_policy, update

from pmd_pipeline.cluster import session
from pmd_pipeline.config.cluster import ClusterConfig
from pmd_pipeline.config.engines import parse_engine
from pmd_pipeline.engines.choice import make_engine
from pmd_pipeline.engines.ray_engine import RayEngine

pytestmark = [pytest.mark.ray, pytest.mark.vllm, pytest.mark.timeout(900)]


def test_vllm_in_samplers_has_the_policys_weights_and_may_be_lost(
    ray_cluster: RayCluster, tmp_path: Path
) -> None:
    """Its process is killed: the sampler that it was in says so, ends, and is replaced."""

    def action() -> None:
        session.name_cluster(ClusterConfig(address=ray_cluster.address), tmp_path / "ray.log")
        session.join()
        options = {
            "engine": {"backend": "vllm", "kv_cache_gib": 0.25},
            "num_samplers": 1,
            "unit_size": 4,
        }
        engine = make_engine(parse_engine("ray", options))
        assert isinstance(engine, RayEngine)
        policy = make_tied_policy()
        first = sample(engine, policy)
        assert_log_probs_are_exact(policy, first)
        update(policy)
        found = sample(engine, policy)
        assert_log_probs_are_exact(policy, found)
        assert tokens_of(found) != tokens_of(first)

        (place,) = engine.samplers.values()
        (vllm,) = psutil.Process(place.process_id).children()
        os.kill(vllm.pid, signal.SIGKILL)
        again = sample(engine, policy)
        assert tokens_of(again) == tokens_of(found)
        assert engine.num_lost_units == 1
        (other,) = engine.samplers.values()
        assert other.process_id != place.process_id
        engine.close()
        session.leave()

    assert run_forked(action) == 0
