"""The connections of a group of processes, to be cut where nothing else would end a wait.

A killed process closes its own. A machine that has lost its power closes none: whoever waits for it
would do so until the deadline, inside gloo, which cannot be asked to stop.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil


@dataclass(slots=True)
class Connections:
    """TCP connections of this process, by file descriptor."""

    ends: dict[int, tuple[object, object]] = field(default_factory=dict)

    @contextmanager
    def opened_here(self) -> Iterator[None]:
        """Take in all connections that are opened while the block runs."""
        before = _established()
        yield
        self.ends = {fd: ends for fd, ends in _established().items() if before.get(fd) != ends}

    def cut(self) -> None:
        """Shut those that are still there; whoever waits for them gets an error."""
        now = _established()
        for fd, ends in self.ends.items():
            if now.get(fd) == ends:
                connection = socket.socket(fileno=os.dup(fd))
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # closed meanwhile
                finally:
                    connection.close()


def _established() -> dict[int, tuple[object, object]]:
    return {
        one.fd: (one.laddr, one.raddr)
        for one in psutil.Process().net_connections("tcp")
        if one.status == psutil.CONN_ESTABLISHED
    }
