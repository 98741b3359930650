"""What a node's results depend on, to the bit: nodes that differ in it are refused by name."""

import functools
import hashlib
import platform
from collections.abc import Sequence
from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path

import pmd_pipeline
from pmd_pipeline.cluster.errors import DifferentNodesError


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """What has to be the same wherever parts of one run are computed.

    Attributes:
        node: The node's address; the only one that may differ.
        python, torch, transformers: Versions.
        pmd_pipeline: Version and a digest of the source: an edited copy has the same version.
        cpu_capability: Which instructions torch computes with: sums are rounded by it.
    """

    node: str
    python: str
    torch: str
    transformers: str
    pmd_pipeline: str
    cpu_capability: str


def own_facts(node: str) -> NodeFacts:
    """Return what holds for this process, which imports torch for it."""
    import torch

    return NodeFacts(
        node=node,
        python=platform.python_version(),
        torch=torch.__version__,
        transformers=version("transformers"),
        pmd_pipeline=f"{version('pmd_pipeline')} (source {_source_digest()})",
        cpu_capability=torch.backends.cpu.get_cpu_capability(),
    )


def check_same(own: NodeFacts, others: Sequence[NodeFacts]) -> None:
    """Raise DifferentNodesError that names every node, what differs there, and both values."""
    lines = [
        f"{other.node}: {field.name} {getattr(other, field.name)}, "
        f"on {own.node} {getattr(own, field.name)}"
        for other in sorted(set(others), key=lambda one: one.node)
        for field in fields(NodeFacts)
        if field.name != "node" and getattr(other, field.name) != getattr(own, field.name)
    ]
    if lines:
        raise DifferentNodesError(
            "nodes of the Ray cluster differ in what decides results:\n  "
            + "\n  ".join(lines)
            + "\nInstall the same on all nodes; for CPUs that differ, set ATEN_CPU_CAPABILITY to "
            "what all of them have (default, avx2) before `ray start` and before the run"
        )


@functools.cache
def _source_digest() -> str:
    root = Path(pmd_pipeline.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
