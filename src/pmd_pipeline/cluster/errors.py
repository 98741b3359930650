"""What can go wrong with a cluster."""


class ClusterError(ValueError):
    """The cluster cannot do what is asked of it; the message says why and what to do."""


class RayMissingError(ClusterError):
    """Ray is not installed here."""


class InfeasibleError(ClusterError):
    """The cluster lacks resources, or others hold them; the message says which."""


class DifferentNodesError(ClusterError):
    """Nodes differ in what decides the bits of results; the message names them."""


class HostError(RuntimeError):
    """A call of an object on another node has no result."""


class HostLostError(HostError):
    """Its process or node is gone, or does not answer; the message says what is known."""


class HostCallError(HostError):
    """The method raised an exception; the object can take the next call."""


class ShipmentError(RuntimeError):
    """Files did not come through whole, or there is no room for them."""
