"""Memory of a cluster's nodes on which a run trains: shares of it, and what is the driver's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pmd_pipeline.cluster.node_choice import choose_nodes
from pmd_pipeline.preflight.findings import MEMORY_SECTION, Finding, shown_size
from pmd_pipeline.preflight.memory import TrainerMemory
from pmd_pipeline.wording import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node of the cluster.

    Attributes:
        node_id: Ray's.
        address: Its own.
        resources: As Ray names them; ``memory`` is what it has for processes, bytes.
        is_the_runs: Whether the run's own process, rank 0, is there.
    """

    node_id: str
    address: str
    resources: Mapping[str, float]
    is_the_runs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeShare:
    """What of a training is placed on a node.

    Attributes:
        node: The node.
        num_processes: Rank 0 included.
    """

    node: Node
    num_processes: int


def node_shares(
    nodes: Sequence[Node], bundle: Mapping[str, float], *, num_processes: int, spread: bool
) -> list[NodeShare]:
    """Return the nodes that training processes go to if nothing else runs, as Ray would choose.

    Args:
        nodes: Of the cluster.
        bundle: Resources of each process; rank 0 reserves its GPU alone.
        num_processes: How many train together.
        spread: On as many nodes as possible; otherwise on as few.
    """
    free = {node.node_id: dict(node.resources) for node in nodes}
    counts = {node.node_id: int(node.is_the_runs) for node in nodes}
    if "GPU" in bundle:
        for node in nodes:
            free[node.node_id]["GPU"] = free[node.node_id].get("GPU", 0) - counts[node.node_id]
    others = choose_nodes(bundle, wanted=num_processes - 1, free=free, placed={}, spread=spread)
    for node_id in others:
        counts[node_id] += 1
    return [
        NodeShare(node=node, num_processes=counts[node.node_id])
        for node in nodes
        if counts[node.node_id]
    ]


def node_memory_findings(
    shares: Sequence[NodeShare],
    trainer: TrainerMemory,
    *,
    whole_policy_bytes: int,
    optimizer_state_bytes: int,
    is_gpu: bool,
) -> list[Finding]:
    """Return what training takes of each node's memory.

    Args:
        shares: Who is where.
        trainer: On each process's device.
        whole_policy_bytes: Of the policy that rank 0 holds beside its share.
        optimizer_state_bytes: What rank 0 gathers of the optimizer to store it.
        is_gpu: Whether the shares are in GPUs, and not in the nodes' memory.
    """
    findings = []
    for share in shares:
        resident, peak = (
            (0, 0)
            if is_gpu
            else (share.num_processes * trainer.resident, share.num_processes * trainer.peak)
        )
        parts = [counted(share.num_processes, "process", "processes")]
        if is_gpu:
            parts.append(f"{shown_size(trainer.peak)} on the GPU of each")
        needed = peak
        if share.node.is_the_runs:
            needed = whole_policy_bytes + max(peak, resident + optimizer_state_bytes)
            own = "the run's own, which gathers what it stores"
            parts.append(own if share.num_processes == 1 else f"one of them {own}")
        if needed:
            parts.append(
                f"{shown_size(needed)} of {shown_size(int(share.node.resources['memory']))}"
            )
        fits = needed <= share.node.resources["memory"]
        findings.append(
            Finding(
                section=MEMORY_SECTION,
                subject=f"training on {share.node.address}",
                value=", ".join(parts),
                verdict="ok" if fits else "warning",
                remedy=""
                if fits
                else "fewer processes on this node (cluster.training.placement: spread, or more in "
                "resources_per_process), or a node with more memory",
            )
        )
    return findings
