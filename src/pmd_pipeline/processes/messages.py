"""Messages over a socket: a length, then so many bytes."""

import socket
import struct
import time

_LENGTH = struct.Struct("!Q")
_MAX_CHUNK_BYTES = 1 << 20
_SHORTEST_WAIT_SECONDS = 1e-3  # a socket takes no wait at all for another mode


def write_message(
    connection: socket.socket, message: bytes, *, deadline: float | None = None
) -> None:
    """Send the whole message.

    Args:
        connection: A socket of type stream.
        message: Any bytes.
        deadline: When to give up, by ``time.monotonic()``; never, where None.

    Raises:
        TimeoutError: If the deadline passes.
        OSError: If nobody reads any more.
    """
    connection.settimeout(_left(deadline))
    connection.sendall(_LENGTH.pack(len(message)) + message)


def read_message(connection: socket.socket, *, deadline: float | None = None) -> bytes:
    """Return the next message.

    Raises:
        TimeoutError: If the deadline passes before its end.
        EOFError: If nobody writes any more.
        OSError: If the connection is lost.
    """
    (length,) = _LENGTH.unpack(_read(connection, _LENGTH.size, deadline))
    return _read(connection, length, deadline)


def _read(connection: socket.socket, length: int, deadline: float | None) -> bytes:
    received = bytearray()
    while len(received) < length:
        connection.settimeout(_left(deadline))
        chunk = connection.recv(min(length - len(received), _MAX_CHUNK_BYTES))
        if not chunk:
            raise EOFError
        received += chunk
    return bytes(received)


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(_SHORTEST_WAIT_SECONDS, deadline - time.monotonic())
