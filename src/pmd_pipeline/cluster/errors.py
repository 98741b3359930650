"""What can go wrong with a cluster."""


class ClusterError(ValueError):
    """The cluster cannot do what is asked of it; the message says why and what to do."""


class RayMissingError(ClusterError):
    """Ray is not installed here."""


class InfeasibleError(ClusterError):
    """The cluster lacks resources, or others hold them; the message says which."""


class DifferentNodesError(ClusterError):
    """Nodes differ in what decides the bits of results; the message names them."""
