"""Joining a Ray cluster, or starting one, and leaving it: one at a time in a process."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pmd_pipeline.cluster.errors import ClusterError, RayMissingError
from pmd_pipeline.cluster.noise import RayNoise
from pmd_pipeline.config.cluster import LOCAL, RUNNING, ClusterConfig, refuse_client

_logger = logging.getLogger(__name__)

_SECONDS_TO_ANSWER = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """This process as a member of a cluster.

    Attributes:
        address: host:port, by which other processes can join.
        node_id: The node that this process runs on.
        node_ip: Its address, as Ray knows it.
    """

    address: str
    node_id: str
    node_ip: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Joined:
    config: ClusterConfig
    membership: Membership
    noise: RayNoise | None  # None: whoever called `ray.init` before shuts it down


_named: tuple[ClusterConfig, Path] | None = None
_joined: _Joined | None = None
_ends: list[Callable[[], object]] = []


def name_cluster(config: ClusterConfig, log: Path) -> None:
    """Say which cluster :func:`join` is to join, if anything here will need one.

    Args:
        config: Which cluster.
        log: The file that gets Ray's messages and its workers' output.
    """
    global _named
    _named = (config, log)


def join() -> Membership:
    """Join the cluster that was named, or start it; further calls return the same membership.

    This process's handlers of SIGTERM and SIGINT stay as they are. A cluster that the process has
    joined by ``ray.init`` itself, in a notebook, is used as it is and not left.

    Raises:
        RayMissingError: If Ray is not installed.
        ClusterError: If there is no such cluster, or this process has joined another.
    """
    global _joined
    if _named is None:
        raise RuntimeError("call name_cluster before join")
    config, log = _named
    if _joined is None:
        _joined = _join(config, log)
    elif _joined.config.address != config.address:
        raise ClusterError(
            f"this process has joined a Ray cluster by the address {_joined.config.address!r}; it "
            f"cannot join {config.address!r} as well"
        )
    return _joined.membership


def named_cluster() -> ClusterConfig:
    """Return the cluster of :func:`name_cluster`; the defaults if none was named."""
    return ClusterConfig() if _named is None else _named[0]


def before_leaving(end: Callable[[], object]) -> None:
    """Have :func:`leave` call ``end`` first, once: it ends what was started on the cluster."""
    _ends.append(end)


def leave() -> None:
    """Leave the cluster, which ends what this process has started there; a no-op if not joined.

    In a notebook the process lives on, so the end of a run must not wait for the interpreter's.
    """
    global _joined
    while _ends:
        _ends.pop()()
    if _joined is None:
        return
    former, _joined = _joined, None
    if former.noise is not None:
        ray = _import_ray()
        with _own_signal_handlers():
            ray.shutdown()
        former.noise.close()


def has_joined() -> bool:
    """Return whether this process is a member of a cluster by :func:`join`."""
    return _joined is not None


def _join(config: ClusterConfig, log: Path) -> _Joined:
    ray = _import_ray()
    if ray.is_initialized():
        return _Joined(config=config, membership=_membership(ray), noise=None)
    address = _found(config.address)
    noise = RayNoise(log)
    try:
        noise.catch_prints(ray._private.worker)
        with _own_signal_handlers():
            ray.init(address, **_options(config))
    except BaseException as error:
        ray.shutdown()
        noise.close()
        if isinstance(error, ConnectionError | RuntimeError | ValueError):
            raise ClusterError(_explanation(config, error)) from error
        raise
    membership = _membership(ray)
    _logger.info(
        "Joined the Ray cluster at %s: %s nodes. Its messages: %s",
        membership.address,
        sum(node["Alive"] for node in ray.nodes()),
        log,
    )
    return _Joined(config=config, membership=membership, noise=noise)


def _import_ray() -> Any:
    # Ray reads them when it is imported.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_COLOR_PREFIX", "0")  # the file has no colours
    try:
        import ray
        import ray._private.worker
    except ImportError as error:
        raise RayMissingError(
            "Ray is not installed here; install it with `pip install 'pmd_pipeline[ray]'`, on "
            "every node the same versions"
        ) from error
    return ray


def _found(address: str) -> str:
    """Return an address that is worth a try: Ray itself waits minutes for one that is not."""
    if address == RUNNING:
        named = os.environ.get("RAY_ADDRESS", "")
        try:
            refuse_client(named)
        except ValueError as error:
            raise ClusterError(f"RAY_ADDRESS: {error}") from None
        address = named if ":" in named else address
    if address not in (LOCAL, RUNNING):
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), _SECONDS_TO_ANSWER).close()
        except OSError as error:
            raise ClusterError(
                f"no Ray cluster answers at {address} ({error}); is the head node up "
                "(`ray start --head --port ...`), and its port reachable from here?"
            ) from error
    return address


def _options(config: ClusterConfig) -> dict[str, Any]:
    # With `configure_logging: False` Ray would remove the noise's handler too.
    options: dict[str, Any] = {"log_to_driver": True}
    if config.address == LOCAL:
        options["include_dashboard"] = False
        if config.object_store_gib is not None:
            options["object_store_memory"] = int(config.object_store_gib * 1024**3)
    return options


def _membership(ray: Any) -> Membership:
    context = ray.get_runtime_context()
    return Membership(
        address=context.gcs_address,
        node_id=context.get_node_id(),
        node_ip=ray.util.get_node_ip_address(),
    )


def _explanation(config: ClusterConfig, error: Exception) -> str:
    if config.address == RUNNING and isinstance(error, ConnectionError):
        return (
            "no Ray cluster runs on this machine; start one with `ray start --head` and join it "
            "from other machines with `ray start --address HOST:6379`, or set cluster.address: "
            "local for one that ends with the run"
        )
    text = f"the Ray cluster cannot be joined (address: {config.address}): {error}"
    if isinstance(error, ConnectionError) and "RAY_AUTH_MODE" not in os.environ:
        # By an address Ray shows no token unless told to, and says only that it cannot connect.
        text += (
            "; a cluster that was started where ~/.ray/auth_token lies wants that token: set "
            "RAY_AUTH_MODE=token here"
        )
    return text


@contextmanager
def _own_signal_handlers() -> Iterator[None]:
    """Put this process's handlers back: `ray.init` replaces them, and nothing of Ray's does."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread has to do with handlers
        return
    numbers = (signal.SIGTERM, signal.SIGINT)
    former = [signal.getsignal(number) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, former, strict=True):
            signal.signal(number, handler)
