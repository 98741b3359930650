"""On which nodes processes go that are placed one by one, so that each can be lost by itself."""

from collections.abc import Mapping

Resources = Mapping[str, float]


def choose_nodes(
    bundle: Resources,
    *,
    wanted: int,
    free: Mapping[str, Resources],
    placed: Mapping[str, int],
    spread: bool,
) -> list[str]:
    """Return the nodes for up to ``wanted`` more processes; fewer where there is no room.

    Args:
        bundle: Resources of each process.
        wanted: How many there are to be.
        free: What each node has left, by its id.
        placed: How many of these processes are on each node already; none where it is missing.
        spread: Each goes to the node with the fewest of them; otherwise to the one with the most.
            Among equals, the node with the lower id.
    """
    left = {node: dict(resources) for node, resources in free.items()}
    counts = {node: placed.get(node, 0) for node in left}
    chosen: list[str] = []
    while len(chosen) < wanted:
        roomy = [
            node
            for node, resources in left.items()
            if all(resources.get(name, 0) >= number for name, number in bundle.items())
        ]
        if not roomy:
            break
        node = min(roomy, key=lambda one: (counts[one] if spread else -counts[one], one))
        chosen.append(node)
        counts[node] += 1
        for name, number in bundle.items():
            left[node][name] = left[node].get(name, 0) - number
    return chosen
