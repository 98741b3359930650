"""A tracking server that tests kill, pause and start again: MLflow's own application by uvicorn.

``mlflow server`` starts the same application, and nine processes of jobs beside it, in ten seconds
of computing.
"""

import os
import urllib.request

from forked_server import ForkedServer


class TrackingServer(ForkedServer):
    """A server that keeps its runs in its folder."""

    @property
    def database(self) -> str:
        """The address of what it has stored, to look into without it."""
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    def import_server(self) -> None:
        import mlflow.server.fastapi_app  # noqa: F401

    def serve(self) -> None:
        import uvicorn
        from mlflow.server.fastapi_app import app

        os.environ |= {
            "_MLFLOW_SERVER_FILE_STORE": self.database,
            "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
            "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(self.folder / "artifacts"),
            "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        }
        uvicorn.run(app, host="127.0.0.1", port=self.port, log_level="warning")

    def first_request(self) -> urllib.request.Request:
        return urllib.request.Request(f"{self.address}/health")
