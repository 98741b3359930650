"""What the driver asks of a worker on another node, and what has to be true there first."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from pmd_pipeline.cluster.facts import NodeFacts, check_same
from pmd_pipeline.studies.errors import StudyError


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRequest:
    """A worker's part of a study.

    Attributes:
        study: Its name.
        project: The project's folder, the same path on every node.
        env: The Kedro environment; None: the default one.
        runtime_parameters: As ``--params``.
        num_trials: As ``--trials``.
        timeout_minutes: No trial starts after this time.
        num_threads: Of torch on a CPU; other numbers give other last bits.
        takes_gpu: Whether it computes on a GPU: then the CPU decides no bits.
        marks: Files that the driver has written beside what all workers share, just now.
        facts: What the driver's results depend on.
    """

    study: str
    project: str
    env: str | None
    runtime_parameters: Mapping[str, Any]
    num_trials: int | None
    timeout_minutes: float | None
    num_threads: int
    takes_gpu: bool
    marks: tuple[str, ...]
    facts: NodeFacts

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        fields = json.loads(text)
        facts = NodeFacts(**fields.pop("facts"))
        return cls(**{**fields, "marks": tuple(fields["marks"])}, facts=facts)


def check_node(request: WorkerRequest, own: NodeFacts) -> None:
    """Refuse a node that would not do the driver's study, or not with the driver's results.

    Args:
        request: Of the driver.
        own: What this node's results depend on.

    Raises:
        DifferentNodesError: If it has another version of something, or another kind of CPU.
        StudyError: If it does not see the driver's files.
    """
    facts = request.facts
    if request.takes_gpu:
        facts = replace(facts, cpu_capability=own.cpu_capability)
    check_same(facts, [own])
    check_shared(own.node, request.project, request.marks)


def check_shared(node: str, project: str, marks: tuple[str, ...] = ()) -> None:
    """Raise StudyError unless this node sees the project's folder and what the driver put there."""
    if not Path(project).is_dir():
        raise StudyError(
            f"{node}: there is no folder {project}; put the project on a file system that all "
            "nodes mount at the same path"
        )
    for mark in marks:
        if not Path(mark).is_file():
            raise StudyError(
                f"{node}: the folder {Path(mark).parent} is not the one that the study's driver "
                "sees under this name; put it on a file system that all nodes share"
            )
