"""What is needed to resume a run, in ``run_state.json`` in the data folder.

A fresh run clears a node's outputs right before the node runs, never earlier, so that a run that
fails early loses nothing. A resumed run trusts only what was written after the run it resumes
began, and what is still as it was written.
"""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from pmd_pipeline.files import read_sealed_json, write_sealed_json

FILE_NAME = "run_state.json"

FileRecords = dict[str, tuple[str, str]]


class ResumeError(ValueError):
    """A run cannot be resumed, or would mix or replace results of different parameters or data."""


@dataclass(slots=True, kw_only=True)
class RunState:
    """The state of the latest run.

    Attributes:
        version: Kedro's save version of the run, used for versioned datasets.
        started_nodes: Nodes whose old outputs have been cleared, each with its save version.
        stage_parameters: The parameters that decided each stage's results, flat.
        files: By dataset, of each file as it was saved: digests of its bytes and of its content,
            by its path below the data folder.
        consumed: By node, the digest of each result that it was made from.
        sources: SHA-256 of each local problem file that was read, by its parameter.
        node_seconds: Wall time of each finished node, all attempts added up.
        mlflow_runs: MLflow run ids, or keys of runs that the store has not got yet: ``""`` for the
            parent run, else by algorithm.
    """

    version: str
    started_nodes: dict[str, str] = field(default_factory=dict)
    stage_parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, FileRecords] = field(default_factory=dict)
    consumed: dict[str, dict[str, str]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    node_seconds: dict[str, float] = field(default_factory=dict)
    mlflow_runs: dict[str, str] = field(default_factory=dict)

    def save(self, data_root: Path) -> None:
        """Write the state; a killed run leaves the previous one or this one, never a part."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        write_sealed_json(data_root / FILE_NAME, values)

    def forget_node(self, name: str) -> None:
        """Take a node for one that has not run."""
        for records in (self.started_nodes, self.consumed, self.node_seconds):
            records.pop(name, None)


def load_run_state(data_root: Path) -> RunState | None:
    """Return the latest run's state, None if there was no run.

    Raises:
        ResumeError: If the file is damaged.
    """
    path = data_root / FILE_NAME
    try:
        return RunState(**read_sealed_json(path))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise ResumeError(
            f"{path} is damaged ({error}), so nothing is known of the results beside it; kedro run "
            "--overwrite starts afresh"
        ) from error
