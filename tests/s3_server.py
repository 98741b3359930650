"""An S3 server that tests pause and kill: moto's, which keeps all in the memory of a process."""

import json
import os
import signal
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forks import begin_forked, redirect, wait
from tracking_server import free_port

BUCKET = "bucket"


@dataclass(slots=True)
class S3Server:
    """A server on a free port of this machine, with one bucket."""

    folder: Path
    port: int
    pid: int | None = None

    def credentials(self, **changed: Any) -> dict[str, Any]:
        """Return what Kedro's datasets and `storage.credentials` take."""
        return {
            "key": "a-key",
            "secret": "a-secret",
            "client_kwargs": {"endpoint_url": f"http://127.0.0.1:{self.port}"},
            **changed,
        }

    def start(self) -> None:
        """Start it, wait until it answers, and make the bucket."""
        import moto.server  # noqa: F401  (in the parent: the child finds it made)

        self.pid = begin_forked(self._serve)
        deadline = time.monotonic() + 60
        while not self._has_bucket():
            assert time.monotonic() < deadline, (self.folder / "s3.log").read_text()
            time.sleep(0.05)

    def kill(self) -> None:
        """End it at once, paused or not."""
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)
            wait(self.pid)
            self.pid = None

    def go_on(self) -> None:
        """Let it answer again after SIGSTOP."""
        assert self.pid is not None
        os.kill(self.pid, signal.SIGCONT)

    def objects(self) -> list[str]:
        """Return the names of all that it holds."""
        url = f"http://127.0.0.1:{self.port}/moto-api/data.json"
        with urllib.request.urlopen(url, timeout=5) as answer:
            keys = json.load(answer)["s3"]["FakeKey"]
        return sorted(key["name"] for key in keys)

    def _serve(self) -> None:
        from moto.server import ThreadedMotoServer

        for stream in ("stdout", "stderr"):
            redirect(stream, self.folder / "s3.log")
        ThreadedMotoServer(ip_address="127.0.0.1", port=self.port)._server_entry()

    def _has_bucket(self) -> bool:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/{BUCKET}", method="PUT", data=b""
        )
        try:
            with urllib.request.urlopen(request, timeout=5):
                return True
        except OSError:
            return False


def new_server(folder: Path) -> S3Server:
    """Return a server that has not been started."""
    return S3Server(folder, free_port())
