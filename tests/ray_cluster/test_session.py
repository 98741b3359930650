"""Joining a cluster and leaving it; each in a forked child, as a run does it."""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from forks import run_forked
from ray_clusters import RayCluster

from pmd_pipeline.cluster import session
from pmd_pipeline.cluster.errors import ClusterError
from pmd_pipeline.config.cluster import ClusterConfig

pytestmark = pytest.mark.ray


class Child:
    """Does things in a forked child, and says how it ended and what it printed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.log = folder / "ray.log"

    def join(self, address: str, **options: Any) -> session.Membership:
        session.name_cluster(ClusterConfig(address=address, **options), self.log)
        return session.join()

    def do(self, action: Callable[[], object]) -> tuple[int, str]:
        paths = {name: self._folder / name for name in ("stdout", "stderr")}

        def quietly() -> None:
            logging.getLogger("pmd_pipeline").setLevel(logging.WARNING)
            action()

        status = run_forked(quietly, **paths)
        return status, "".join(path.read_text() for path in paths.values())


@pytest.fixture
def child(tmp_path: Path) -> Child:
    return Child(tmp_path)


def test_sigterm_reaches_our_handler_under_ray(ray_cluster: RayCluster, child: Child) -> None:
    def action() -> None:
        from pmd_pipeline.interrupts import stop_at_sigterm_as_at_ctrl_c

        stop_at_sigterm_as_at_ctrl_c()
        handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
        child.join(ray_cluster.address)
        assert [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)] == handlers
        session.leave()
        assert [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)] == handlers
        child.join(ray_cluster.address)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)

    assert child.do(action) == (130, "child: KeyboardInterrupt: \n")


def test_what_ray_says_of_a_lost_worker_is_in_the_file_alone(
    ray_cluster: RayCluster, child: Child
) -> None:
    def action() -> None:
        child.join(ray_cluster.address)
        import ray

        @ray.remote(num_cpus=1, max_retries=0)
        def dies() -> None:
            print("these are my last words", flush=True)
            time.sleep(1)  # Ray reads them from a file
            os.kill(os.getpid(), signal.SIGKILL)

        with pytest.raises(ray.exceptions.WorkerCrashedError):
            ray.get(dies.remote())
        time.sleep(1)
        session.leave()

    status, printed = child.do(action)
    assert (status, printed) == (0, "")
    said = child.log.read_text()
    assert "these are my last words" in said
    assert "A worker died or was killed" in said


def test_one_process_joins_one_cluster_and_can_leave_it_for_another(
    ray_cluster: RayCluster, child: Child
) -> None:
    def action() -> None:
        first = child.join(ray_cluster.address)
        assert first.address == ray_cluster.address
        assert child.join(ray_cluster.address) == first
        with pytest.raises(ClusterError, match=r"joined .* by the address .*cannot join 'local'"):
            child.join("local")
        session.leave()
        import ray

        assert not ray.is_initialized()
        os.environ["HOME"] = str(child.log.parent)  # where Ray puts the new cluster's token
        own = child.join("local", object_store_gib=0.08)
        assert own.address != first.address
        assert int(ray.cluster_resources()["object_store_memory"]) == int(0.08 * 1024**3)
        session.leave()

    assert child.do(action) == (0, "")


def test_a_cluster_that_does_not_answer_is_said_within_seconds(child: Child) -> None:
    def action() -> None:
        with pytest.raises(ClusterError, match=r"no Ray cluster answers at 127.0.0.1:9 .*head"):
            child.join("127.0.0.1:9")

    assert child.do(action) == (0, "")


def test_a_client_address_in_the_environment_is_refused(child: Child) -> None:
    def action() -> None:
        os.environ["RAY_ADDRESS"] = "ray://head:10001"
        with pytest.raises(ClusterError, match=r"RAY_ADDRESS: .*client mode.*on the head node"):
            child.join("auto")

    assert child.do(action) == (0, "")


def test_without_ray_the_error_says_how_to_install_it(child: Child) -> None:
    def action() -> None:
        sys.modules["ray"] = None  # type: ignore[assignment]
        with pytest.raises(ClusterError, match=r"pip install 'pmd_pipeline\[ray\]'"):
            child.join("auto")

    assert child.do(action) == (0, "")
