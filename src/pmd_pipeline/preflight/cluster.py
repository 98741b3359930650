"""The Ray cluster that a run will train on: whether it can be joined, and what it has room for."""

from pathlib import Path

from pmd_pipeline.cluster import session
from pmd_pipeline.cluster.actors import threads_of
from pmd_pipeline.cluster.errors import ClusterError
from pmd_pipeline.config.experiment import ExperimentConfig
from pmd_pipeline.preflight.findings import Finding, shown_size
from pmd_pipeline.preflight.training_nodes import Node, NodeShare, node_shares

SECTION = "Cluster"


def look_at_cluster(
    experiment: ExperimentConfig, *, is_gpu: bool, log: Path
) -> tuple[list[NodeShare], list[Finding]]:
    """Join the cluster and return where training goes there, if it can, and what was found.

    Args:
        experiment: The run.
        is_gpu: Whether it computes on GPUs.
        log: For Ray's messages.
    """
    if experiment.compute.launch != "ray":
        return [], []
    session.name_cluster(experiment.cluster, log)
    try:
        member = session.join()
    except ClusterError as error:
        return [], [_failure("Ray cluster", "not joined", str(error))]
    from pmd_pipeline.cluster.placement import alive_nodes, check_room

    nodes = [
        Node(
            node_id=node_id,
            address=address,
            resources=resources,
            is_the_runs=node_id == member.node_id,
        )
        for node_id, address, resources in alive_nodes()
    ]
    findings = [Finding(section=SECTION, subject="Ray cluster", value=member.address, verdict="ok")]
    for node in nodes:
        has = node.resources
        value = (
            f"{has.get('CPU', 0):g} CPUs, {has.get('GPU', 0):g} GPUs, "
            f"{shown_size(int(has['memory']))} for processes, "
            f"{shown_size(int(has['object_store_memory']))} for Ray's objects"
        )
        findings.append(Finding(section=SECTION, subject=f"node {node.address}", value=value))
    placement = experiment.cluster.training
    assert placement.num_processes is not None  # ExperimentConfig asks for it
    subject = f"{placement.num_processes} training processes"
    try:
        bundle = placement.bundle(num_threads=threads_of(experiment.compute), is_gpu=is_gpu)
    except ValueError as error:
        return [], [*findings, _failure(subject, "no GPU", str(error))]
    own = [{"GPU": 1.0}] if "GPU" in bundle else []
    bundles = [*own, *[bundle] * (placement.num_processes - 1)]
    pinned = [member.node_id if index < len(own) else None for index in range(len(bundles))]
    try:
        check_room(bundles, subject, pinned)
    except ClusterError as error:
        return [], [*findings, _failure(subject, "no room", str(error))]
    shares = node_shares(
        nodes,
        bundle,
        num_processes=placement.num_processes,
        spread=placement.placement == "spread",
    )
    room = Finding(section=SECTION, subject=subject, value="there is room", verdict="ok")
    return shares, [*findings, room]


def _failure(subject: str, value: str, remedy: str) -> Finding:
    return Finding(section=SECTION, subject=subject, value=value, verdict="failure", remedy=remedy)
