"""An S3 server that tests pause and kill: moto's, which keeps all in the memory of a process."""

import json
import urllib.request
from pathlib import Path
from typing import Any

from forked_server import ForkedServer, free_port

BUCKET = "bucket"


class S3Server(ForkedServer):
    """A server with one bucket."""

    def credentials(self, **changed: Any) -> dict[str, Any]:
        """Return what Kedro's datasets and `storage.credentials` take."""
        return {
            "key": "a-key",
            "secret": "a-secret",
            "client_kwargs": {"endpoint_url": self.address},
            **changed,
        }

    def objects(self) -> list[str]:
        """Return the names of all that it holds."""
        with urllib.request.urlopen(f"{self.address}/moto-api/data.json", timeout=5) as answer:
            keys = json.load(answer)["s3"]["FakeKey"]
        return sorted(key["name"] for key in keys)

    def import_server(self) -> None:
        import moto.server  # noqa: F401

    def serve(self) -> None:
        from moto.server import ThreadedMotoServer

        ThreadedMotoServer(ip_address="127.0.0.1", port=self.port)._server_entry()

    def first_request(self) -> urllib.request.Request:
        """Return the request that makes the bucket."""
        return urllib.request.Request(f"{self.address}/{BUCKET}", method="PUT", data=b"")


def new_server(folder: Path) -> S3Server:
    """Return a server that has not been started."""
    return S3Server(folder, free_port())
