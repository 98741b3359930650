"""How processes on several nodes reach each other."""

import os
import socket

import psutil

# gloo and NCCL would take the first card, or the one of the host's name, which may be a loopback.
_VARIABLES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")


def use_interface_of(address: str) -> None:
    """Have this process's gloo and NCCL use the network card that has ``address``, its node's.

    What the environment says already holds.
    """
    interface = _interface_of(address)
    if interface is not None:
        for name in _VARIABLES:
            os.environ.setdefault(name, interface)


def _interface_of(address: str) -> str | None:
    families = (socket.AF_INET, socket.AF_INET6)
    for name, addresses in psutil.net_if_addrs().items():
        if any(one.family in families and one.address == address for one in addresses):
            return name
    return None
