"""A server in a forked child, which tests kill, pause and start again."""

import os
import signal
import socket
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from forks import begin_forked, redirect, wait


@dataclass(slots=True)
class ForkedServer:
    """A server on a free port of this machine, which logs to ``server.log`` in its folder."""

    folder: Path
    port: int
    pid: int | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.import_server()
        self.pid = begin_forked(self._serve_with_log)
        deadline = time.monotonic() + 60
        while not self._answers():
            assert time.monotonic() < deadline, (self.folder / "server.log").read_text()
            time.sleep(0.05)

    def kill(self) -> None:
        """End it at once, paused or not; without one, nothing happens."""
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)
            wait(self.pid)
            self.pid = None

    def pause(self) -> None:
        """Let it answer no more; connections are still accepted by the system."""
        assert self.pid is not None
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it answer again."""
        assert self.pid is not None
        os.kill(self.pid, signal.SIGCONT)

    def import_server(self) -> None:
        """Import what serves: in the parent, so that the child finds it made."""
        raise NotImplementedError

    def serve(self) -> None:
        """Serve until the process is killed."""
        raise NotImplementedError

    def first_request(self) -> urllib.request.Request:
        """Return the request that is answered once it serves."""
        raise NotImplementedError

    def _serve_with_log(self) -> None:
        for stream in ("stdout", "stderr"):
            redirect(stream, self.folder / "server.log")
        self.serve()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.first_request(), timeout=5):
                return True
        except OSError:
            return False


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
