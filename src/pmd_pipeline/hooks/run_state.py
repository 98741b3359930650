"""What is needed to resume a run, in ``run_state.json`` in the data folder.

A fresh run clears a node's outputs right before the node runs, never earlier, so that a run that
fails early loses nothing. A resumed run (``--only-missing-outputs``) trusts only what was written
after the run it resumes began.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pmd_pipeline.files import write_json

FILE_NAME = "run_state.json"


class ResumeError(ValueError):
    """A run cannot be resumed, or would mix results of different parameters."""


@dataclass(slots=True, kw_only=True)
class RunState:
    """The state of the latest run.

    Attributes:
        version: Kedro's save version of the run, used for versioned datasets.
        started_nodes: Nodes whose old outputs have been cleared.
        stage_parameters: The parameters that decided each stage's results, flat.
        node_seconds: Wall time of each finished node, all attempts added up.
        mlflow_runs: MLflow run ids, or keys of runs that the store has not got yet: ``""`` for the
            parent run, else by algorithm.
    """

    version: str
    started_nodes: list[str] = field(default_factory=list)
    stage_parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    node_seconds: dict[str, float] = field(default_factory=dict)
    mlflow_runs: dict[str, str] = field(default_factory=dict)

    def save(self, data_root: Path) -> None:
        """Write the state; a killed run leaves the previous one or this one, never a part."""
        write_json(data_root / FILE_NAME, asdict(self))


def load_run_state(data_root: Path) -> RunState | None:
    """Return the latest run's state, None if there was no run.

    Raises:
        ResumeError: If the file is unreadable.
    """
    path = data_root / FILE_NAME
    try:
        return RunState(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise ResumeError(
            f"{path} is damaged ({error}); delete it and start afresh with kedro run"
        ) from error
