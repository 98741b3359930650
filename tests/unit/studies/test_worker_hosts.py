"""A worker's program on a node: started, watched and stopped; and what the node has to have."""

import os
import re
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pmd_pipeline.cluster.errors import DifferentNodesError
from pmd_pipeline.cluster.facts import NodeFacts
from pmd_pipeline.studies.errors import StudyError
from pmd_pipeline.study_commands.on_ray import host
from pmd_pipeline.study_commands.on_ray.host import Ended, WorkerHost
from pmd_pipeline.study_commands.on_ray.request import WorkerRequest, check_node

FACTS = NodeFacts(
    node="10.0.0.1",
    python="3.12.1",
    torch="2.11.0",
    transformers="5.17.0",
    pmd_pipeline="1.0 (source 0123)",
    cpu_capability="AVX2",
)


@pytest.fixture(autouse=True)
def _played_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "PROGRAM", "played_worker")


class Node:
    """Starts the played program in a project."""

    def __init__(self, folder: Path) -> None:
        self.project = folder
        self.log = folder / "workers" / "worker_1.log"
        self.host = WorkerHost()

    def start(self, told: str) -> Ended | None:
        return self.host.start(
            node="10.0.0.2",
            project=str(self.project),
            request=told,
            log=str(self.log),
            environment={"OMP_NUM_THREADS": "3"},
        )

    def end(self) -> Ended:
        while (ended := self.host.look()) is None:
            time.sleep(0.01)
        return ended

    def process_id(self) -> int:
        """Of the program, once it can be stopped."""
        while "ready" not in self.log.read_text():
            time.sleep(0.01)
        found = re.match(r"--- process (\d+) on 10.0.0.2, ", self.log.read_text())
        assert found is not None
        return int(found[1])


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_a_worker_that_fails_says_why_and_the_log_has_the_rest(node: Node) -> None:
    assert node.start("fail") is None
    assert node.end() == Ended(status=1, message="the loss is nan")
    assert "on 10.0.0.2, 3 threads: fail" in node.log.read_text()


def test_a_program_that_cannot_start_leaves_its_last_words(node: Node) -> None:
    node.start("crash")
    ended = node.end()
    assert ended.status == 1
    assert ended.message.startswith("it could not start; its last words:\n")
    assert ended.message.endswith("ImportError: no module named torch")


def test_a_worker_ends_when_it_is_asked_to(node: Node) -> None:
    node.start("wait")
    node.process_id()
    assert node.host.look() is None
    node.host.stop()
    assert node.end() == Ended(status=130, message="")
    node.host.stop()  # it is gone: nothing to do


def test_a_killed_worker_is_known_by_its_signal(node: Node) -> None:
    node.start("wait")
    os.kill(node.process_id(), signal.SIGKILL)
    assert node.end() == Ended(status=-9, message="")


def test_a_node_without_the_projects_folder_is_refused(tmp_path: Path) -> None:
    ended = Node(tmp_path / "elsewhere").start("wait")
    assert ended is not None
    assert ended.status == host.FAILED
    assert ended.message.startswith(f"10.0.0.2: there is no folder {tmp_path}/elsewhere; put the")


def _request(folder: Path, mark: str) -> WorkerRequest:
    return WorkerRequest(
        study="small",
        project=str(folder),
        env=None,
        runtime_parameters={"training": {"group_size": 4}},
        num_trials=3,
        timeout_minutes=None,
        num_threads=1,
        takes_gpu=False,
        marks=(str(folder / mark),),
        facts=FACTS,
    )


def test_a_node_that_sees_another_folder_by_the_same_name_is_refused(tmp_path: Path) -> None:
    request = _request(tmp_path, ".driver_1")
    own = replace(FACTS, node="10.0.0.2")
    with pytest.raises(StudyError, match=r"^10\.0\.0\.2: the folder .* is not the one .*all nodes"):
        check_node(request, own)
    (tmp_path / ".driver_1").touch()
    check_node(request, own)


def test_a_node_that_would_compute_otherwise_is_refused(tmp_path: Path) -> None:
    own = replace(FACTS, node="10.0.0.2", torch="2.12.0")
    with pytest.raises(DifferentNodesError, match=r"\.2: torch 2\.12\.0, on 10\.0\.0\.1 2\.11"):
        check_node(_request(tmp_path, ".driver_1"), own)


def test_another_cpu_matters_where_a_worker_computes_on_it(tmp_path: Path) -> None:
    (tmp_path / ".driver_1").touch()
    request = _request(tmp_path, ".driver_1")
    own = replace(FACTS, node="10.0.0.2", cpu_capability="AVX512")
    with pytest.raises(DifferentNodesError, match=r"AVX512, on 10\.0\.0\.1 AVX2"):
        check_node(request, own)
    check_node(replace(request, takes_gpu=True), own)
