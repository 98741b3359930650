"""What has to be known of a run to resume it, in ``run_state.json`` below the data folder.

A fresh run clears a node's outputs right before the node runs, never earlier, so that a run that
fails early loses nothing. A resumed run (``--only-missing-outputs``) trusts only what was written
since the run it resumes began.
"""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FILE_NAME = "run_state.json"


class ResumeError(ValueError):
    """A run cannot be resumed, or would mix results of different parameters."""


@dataclass(slots=True, kw_only=True)
class RunState:
    """The state of the latest run.

    Attributes:
        version: Kedro's save version of the run: versioned datasets bear it.
        started_nodes: Nodes whose former outputs have been cleared.
        stage_parameters: The parameters that decided each stage's results, flat.
        node_seconds: Wall time of each finished node, all attempts added up.
        mlflow_runs: MLflow run ids: ``""`` for the parent run, else by algorithm.
    """

    version: str
    started_nodes: list[str] = field(default_factory=list)
    stage_parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    node_seconds: dict[str, float] = field(default_factory=dict)
    mlflow_runs: dict[str, str] = field(default_factory=dict)

    def save(self, data_root: Path) -> None:
        """Write the state; a killed run leaves the former one or this one, never a part."""
        path = data_root / FILE_NAME
        partial = path.with_name(f".{path.name}.partial")
        with partial.open("w", encoding="utf-8") as file:
            json.dump(asdict(self), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)


def load_run_state(data_root: Path) -> RunState | None:
    """Return the latest run's state, None where there was no run.

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


def changed_parameters(recorded: dict[str, Any], current: dict[str, Any]) -> list[str]:
    """Return one line per parameter that differs: name, recorded and present value."""
    normalised = json.loads(json.dumps(current))
    missing = object()
    return [
        f"{key}: {_shown(recorded.get(key, missing), missing)} -> "
        f"{_shown(normalised.get(key, missing), missing)}"
        for key in sorted(recorded.keys() | normalised.keys())
        if recorded.get(key, missing) != normalised.get(key, missing)
    ]


def _shown(value: Any, missing: object) -> str:
    return "(not set)" if value is missing else json.dumps(value)
