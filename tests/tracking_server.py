"""A tracking server that tests kill, pause and start again: MLflow's own application by uvicorn.

``mlflow server`` starts the same application, and nine processes of jobs beside it, in ten seconds
of computing.
"""

import os
import signal
import socket
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from forks import begin_forked, redirect, wait


@dataclass(slots=True)
class TrackingServer:
    """A server on a free port of this machine, which keeps its runs in a folder."""

    folder: Path
    port: int
    pid: int | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def database(self) -> str:
        """The address of what it has stored, to look into without it."""
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        import mlflow.server.fastapi_app  # noqa: F401  (in the parent: the child finds it made)

        self.pid = begin_forked(self._serve)
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
        assert self.pid is not None
        os.kill(self.pid, signal.SIGCONT)

    def _serve(self) -> None:
        import uvicorn
        from mlflow.server.fastapi_app import app

        for stream in ("stdout", "stderr"):
            redirect(stream, self.folder / "server.log")
        os.environ |= {
            "_MLFLOW_SERVER_FILE_STORE": self.database,
            "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
            "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(self.folder / "artifacts"),
            "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        }
        uvicorn.run(app, host="127.0.0.1", port=self.port, log_level="warning")

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/health", timeout=5):
                return True
        except OSError:
            return False


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
