"""What is needed to resume a run, in ``run_state.json`` in the data folder.

A fresh run clears a node's outputs right before the node runs, never earlier, so that a run that
fails early loses nothing. A resumed run trusts only what was written after the run it resumes
began, and what is still as it was written.

While a run is at work, each change is a line more in a journal beside it, so that a round costs as
much after hundreds of others as it does at first. The journal bears the beginning of the checksum
that the state had when it was last written whole: ``run_state.3fa9c1d2e4b5a697.jsonl``. A finished
run leaves none.
"""

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from pmd_pipeline.files import (
    append_sealed_line,
    read_sealed_json_and_seal,
    read_sealed_lines,
    write_sealed_json,
)
from pmd_pipeline.shell import kedro

FILE_NAME = "run_state.json"

# Of nodes, datasets and folders; another number where they have other names. Version 1 had no
# training seeds: its policies were in 06_models/<algorithm>/<phase>. Version 2 had no namespaces of
# stages and no results of an algorithm: its nodes were `load_problems`, `compare` and so on.
LAYOUT = 3

FileRecords = dict[str, tuple[str, str]]

_SEAL_LENGTH = 16


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
        machine: What the last digits of results depend on where the run was last at work: see
            `hooks.machine`; empty in states of versions that did not record it.
        mlflow_runs: MLflow run ids, or keys of runs that the store has not got yet: ``""`` for the
            parent run, else by the training run's namespace.
        mlflow_trained: The MLflow run in which each training run's policies were trained; it stays
            when they are evaluated again in another.
    """

    version: str
    started_nodes: dict[str, str] = field(default_factory=dict)
    stage_parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, FileRecords] = field(default_factory=dict)
    consumed: dict[str, dict[str, str]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    node_seconds: dict[str, float] = field(default_factory=dict)
    machine: dict[str, str] = field(default_factory=dict)
    mlflow_runs: dict[str, str] = field(default_factory=dict)
    mlflow_trained: dict[str, str] = field(default_factory=dict)

    _journal_name: str = field(default="", init=False, repr=False, compare=False)
    _seal: str = field(default="", init=False, repr=False, compare=False)

    def save(self, data_root: Path) -> None:
        """Write the whole state; a killed run leaves the previous one or this one, never a part."""
        values: dict[str, Any] = {"layout": LAYOUT}
        values |= {item.name: getattr(self, item.name) for item in fields(self) if item.init}
        self._begin_journal(write_sealed_json(data_root / FILE_NAME, values))
        for former in data_root.glob(_journal_name("*")):
            former.unlink()

    def note(self, change: "Change", data_root: Path) -> None:
        """Change the state, here and on disk, where it has been written whole before."""
        assert self._journal_name, "the state has not been written whole"
        self._apply(change)
        self._seal = append_sealed_line(
            data_root / self._journal_name, change.values(), former_seal=self._seal
        )

    def forget_node(self, name: str) -> None:
        """Take a node for one that has not run."""
        for records in (self.started_nodes, self.consumed, self.node_seconds):
            records.pop(name, None)

    def read_journal(self, data_root: Path, seal: str) -> None:
        """Make the changes since the state was written whole, with this checksum.

        Raises:
            ValueError: If a line is damaged.
        """
        for values in read_sealed_lines(data_root / _journal_name(seal), first_seal=seal):
            self._apply(Change(**values))

    def _apply(self, change: "Change") -> None:
        for name, keys in change.forgotten.items():
            known = self.files.get(name, {})
            for key in keys:
                known.pop(key, None)
        for name, records in change.files.items():
            self.files.setdefault(name, {}).update(records)
        self.started_nodes.update(change.started_nodes)
        self.consumed.update(change.consumed)
        self.node_seconds.update(change.node_seconds)

    def _begin_journal(self, seal: str) -> None:
        self._journal_name, self._seal = _journal_name(seal), seal


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is new since the state was last written; the fields are those of `RunState`.

    Attributes:
        forgotten: By dataset, paths of files that are no longer known.
    """

    forgotten: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, FileRecords] = field(default_factory=dict)
    started_nodes: dict[str, str] = field(default_factory=dict)
    consumed: dict[str, dict[str, str]] = field(default_factory=dict)
    node_seconds: dict[str, float] = field(default_factory=dict)

    def values(self) -> dict[str, Any]:
        """Return the fields that say anything."""
        return {name: value for name, value in asdict(self).items() if value}


def load_run_state(data_root: Path, env: str | None = None) -> RunState | None:
    """Return the latest run's state, None if there was no run.

    Args:
        data_root: Where its results are.
        env: The environment that they are of, which errors name.

    Raises:
        ResumeError: If the file, or the journal beside it, is damaged, or another version of this
            package has written it.
    """
    path = data_root / FILE_NAME
    try:
        values, seal = read_sealed_json_and_seal(path)
        layout = values.pop("layout", 1)
        if layout != LAYOUT:
            raise ResumeError(
                f"the results in {data_root} were made by another version of pmd_pipeline, which "
                f"gave nodes and folders other names (layout {layout}; this version's is "
                f"{LAYOUT}), so a run cannot go on from them. To keep them, choose "
                f"another data_root in globals.yml. {kedro('run --overwrite', env)} starts afresh "
                "in the same folder; what it does not replace there can be deleted"
            )
        state = RunState(**values)
        state.read_journal(data_root, seal)
    except FileNotFoundError:
        return None
    except ResumeError:
        raise
    except (ValueError, TypeError) as error:
        raise ResumeError(
            f"{path} is damaged ({error}), so nothing is known of the results beside it; "
            f"{kedro('run --overwrite', env)} starts afresh"
        ) from error
    return state


def _journal_name(seal: str) -> str:
    return f"run_state.{seal[:_SEAL_LENGTH]}.jsonl"
