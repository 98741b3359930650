"""A place for processes on a cluster: a placement group, or what the cluster lacks for it."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import ray
from ray._private.state import available_resources_per_node
from ray.util.placement_group import (
    PlacementGroup,
    placement_group,
    placement_group_table,
    remove_placement_group,
)

from pmd_pipeline.cluster.errors import InfeasibleError
from pmd_pipeline.config.cluster import Strategy

Resources = Mapping[str, float]

NODE_ID = "ray.io/node-id"

_SECONDS_BETWEEN_LOOKS = 0.5


def place(
    bundles: Sequence[Resources],
    *,
    strategy: Strategy,
    seconds: float,
    what: str,
    node_ids: Sequence[str | None] | None = None,
) -> PlacementGroup:
    """Return a placement group that has its resources.

    Ray itself would wait for ever for what the cluster does not have.

    Args:
        bundles: Resources of each process, as Ray names them: ``CPU``, ``GPU``, a node's own.
        strategy: ``pack``: on as few nodes as possible; ``spread``: on as many.
        seconds: How long to wait for what others hold.
        what: What is to be placed, for messages: ``"2 samplers"``.
        node_ids: The node that each bundle has to be on; None where any will do.

    Raises:
        InfeasibleError: At once, if the cluster could not hold the bundles even if it were empty;
            after ``seconds``, if others hold what is needed. Nothing stays reserved.
    """
    pinned = node_ids or [None] * len(bundles)
    check_room(bundles, what, pinned)
    group: PlacementGroup = placement_group(
        [dict(bundle) for bundle in bundles],
        strategy=strategy.upper(),
        bundle_label_selector=[{} if node is None else {NODE_ID: node} for node in pinned],
    )
    try:
        deadline = time.monotonic() + seconds
        while not group.wait(_SECONDS_BETWEEN_LOOKS):
            check_room(bundles, what, pinned)  # nodes may have gone
            if time.monotonic() > deadline:
                raise InfeasibleError(
                    f"{what}: no place on the Ray cluster within {seconds:g} s: wanted "
                    f"{_total(bundles)}, free is {_total([ray.available_resources()], bundles)} of "
                    f"{_total([ray.cluster_resources()], bundles)}; wait for other work to end, "
                    "or ask for less"
                )
    except BaseException:
        remove_placement_group(group)
        raise
    return group


def check_room(
    bundles: Sequence[Resources], what: str, node_ids: Sequence[str | None] | None = None
) -> None:
    """Raise InfeasibleError if an empty cluster had no room for the bundles; see :func:`place`."""
    pinned = node_ids or [None] * len(bundles)
    nodes = node_resources()
    missing = missing_for(bundles, nodes, pinned)
    if missing:
        addresses = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes()}
        words = [
            _words(bundle) + ("" if node is None else f" on {addresses.get(node, 'a lost node')}")
            for bundle, node in zip(bundles, pinned, strict=True)
        ]
        have = "; ".join(
            f"{addresses[node]}: {_total([resources], bundles)}"
            for node, resources in nodes.items()
        )
        raise InfeasibleError(
            f"{what}: the Ray cluster is too small: wanted {_counted(words)}; it has no room for "
            f"{_counted([words[index] for index in missing])}, even when nothing else runs. Its "
            f"nodes have {have}. Add nodes (`ray start --address HOST:PORT`), or ask for less"
        )


def give_back(group: PlacementGroup) -> None:
    """Free a placement group's resources, which ends what runs in it."""
    remove_placement_group(group)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A node with room for a process."""

    node_id: str
    address: str


def find_room(
    bundles: Sequence[Resources], *, strategy: Strategy, seconds: float, what: str
) -> list[Room]:
    """Return a node for each process, with room for all at once; nothing stays reserved.

    Arguments and errors are those of :func:`place`. For processes that end one by one, and so need
    a place each.
    """
    group = place(bundles, strategy=strategy, seconds=seconds, what=what)
    try:
        nodes = placement_group_table(group)["bundles_to_node_id"]
    finally:
        give_back(group)
    addresses = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes()}
    return [Room(node_id=nodes[i], address=addresses[nodes[i]]) for i in range(len(bundles))]


def missing_for(
    bundles: Sequence[Resources],
    nodes: Mapping[str, Resources],
    pinned: Sequence[str | None] = (),
) -> list[int]:
    """Return which of the bundles empty nodes have no room for.

    The largest bundles are placed first, each on the node with the least room that is enough.

    Args:
        bundles: Resources of each process.
        nodes: All resources of each node, by its id.
        pinned: The node that each bundle has to be on; None, or no entry, where any will do.
    """
    free = {node: dict(resources) for node, resources in nodes.items()}
    nodes_of = dict(enumerate(pinned))
    # Those with a node of their own first; of the others those with rare resources first.
    order = sorted(
        range(len(bundles)),
        key=lambda i: (
            nodes_of.get(i) is None,
            *(-bundles[i].get(name, 0) for name in _kinds(bundles)),
        ),
    )
    missing = []
    for index in order:
        bundle, node = bundles[index], nodes_of.get(index)
        candidates = list(free.values()) if node is None else [free[node]] if node in free else []
        enough = [one for one in candidates if all(one.get(r, 0) >= n for r, n in bundle.items())]
        if not enough:
            missing.append(index)
            continue
        best = min(enough, key=lambda one: [one.get(name, 0) for name in _kinds(bundles)])
        best.update({name: best[name] - number for name, number in bundle.items()})
    return missing


def alive_nodes() -> list[tuple[str, str, Resources]]:
    """Return id, address and resources of each node that is alive, by address."""
    nodes = [
        (node["NodeID"], node["NodeManagerAddress"], node["Resources"])
        for node in ray.nodes()
        if node["Alive"]
    ]
    return sorted(nodes, key=lambda node: node[1])


def node_resources() -> dict[str, dict[str, float]]:
    """Return all resources of each node that is alive, by its id."""
    return {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}


def free_resources() -> dict[str, dict[str, float]]:
    """Return what nobody has reserved on each node that is alive, by its id, as of a moment ago."""
    alive = node_resources()
    free = available_resources_per_node()
    return {node: dict(free.get(node, {})) for node in alive}


def _kinds(bundles: Sequence[Resources]) -> list[str]:
    """Return the names of all resources, rare ones first."""
    return sorted({name for bundle in bundles for name in bundle}, key=lambda n: (n == "CPU", n))


def _total(parts: Sequence[Resources], named_in: Sequence[Resources] | None = None) -> str:
    names = _kinds(parts if named_in is None else named_in)
    return _words({name: sum(part.get(name, 0) for part in parts) for name in names})


def _counted(words: Sequence[str]) -> str:
    return " and ".join(f"{number} x ({word})" for word, number in Counter(words).items())


def _words(resources: Resources) -> str:
    return ", ".join(f"{resources[name]:g} {name}" for name in _kinds([resources])) or "nothing"
