"""The results in the data folder, held against what the run's state says of them."""

import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from kedro.io import AbstractVersionedDataset, DataCatalog, Version
from kedro.pipeline.node import Node

from pmd_pipeline.config.data_preparation import DataPreparationConfig
from pmd_pipeline.datasets.results import ResultDataset, joint_digest
from pmd_pipeline.files import file_digest
from pmd_pipeline.hooks.run_state import FileRecords, ResumeError, RunState

_MAX_LINES = 10


class Results:
    """The results that a catalog's datasets keep in the data folder.

    Args:
        state: What is known of them; kept true by the methods, saved by the caller.
        catalog: Their datasets.
        data_root: The data folder.
    """

    def __init__(self, state: RunState, catalog: DataCatalog, data_root: Path) -> None:
        self.state = state
        self._catalog = catalog
        self._data_root = data_root

    def of(self, names: Iterable[str]) -> dict[str, ResultDataset]:
        """Return those of the named datasets that runs write."""
        datasets = {name: self._catalog.get(name) for name in names}
        return {name: d for name, d in datasets.items() if isinstance(d, ResultDataset)}

    def digest(self, name: str) -> str | None:
        """Return the digest of a dataset's content; None if nothing of it is recorded."""
        files = self.state.files.get(name)
        if not files:
            return None
        return joint_digest({Path(path).name: content for path, (_, content) in files.items()})

    def inputs_of(self, node: Node) -> dict[str, str]:
        """Return the digests of the results that a node is made from; "" where none is known."""
        return {name: self.digest(name) or "" for name in self.of(node.inputs)}

    def pin(self, dataset: ResultDataset, version: str) -> None:
        """Have a versioned dataset load and save this version alone."""
        if isinstance(dataset, AbstractVersionedDataset) and dataset._version:
            dataset._version = Version(version, version)

    def mixed(
        self, nodes: Iterable[str], data: Collection[str] | None = None
    ) -> dict[str, list[str]]:
        """Return which of these nodes were made from other data than what is there now.

        Args:
            nodes: Their names.
            data: Names of the datasets that are looked at; None: all that the nodes have read.

        Returns:
            By node, a line for each such input: its name, the digest then and the digest now.
        """
        found: dict[str, list[str]] = {}
        for node in nodes:
            for name, then in self.state.consumed.get(node, {}).items():
                if data is not None and name not in data:
                    continue
                now = self.digest(name)
                if now is not None and then not in ("", now):
                    found.setdefault(node, []).append(f"{name}: {then[:8]} -> {now[:8]}")
        return found

    def replaced_files(self, name: str, data: Any) -> list[str]:
        """Return which recorded files saving ``data`` will replace, as the state names them."""
        dataset, known = self._catalog.get(name), self.state.files.get(name)
        if not known or not isinstance(dataset, ResultDataset):
            return []
        if not dataset.grows:
            return list(known)
        return [key for path in dataset.files_of(data) if (key := self._key(path)) in known]

    def records_of(self, name: str, data: Any) -> FileRecords:
        """Return the records of the files that saving ``data`` has written."""
        dataset = self._catalog.get(name)
        if not isinstance(dataset, ResultDataset):
            return {}
        return self._records(dataset, dataset.files_of(data))

    def adopt(self, name: str, dataset: ResultDataset) -> None:
        """Record files that a killed run has written but not yet recorded."""
        known = self.state.files.get(name, {})
        unknown = [path for path in dataset.files() if self._key(path) not in known]
        if unknown:
            former = known if dataset.grows else {}
            paths = unknown if dataset.grows else dataset.files()
            self.state.files[name] = {**former, **self._records(dataset, paths)}

    def drop_missing(self, name: str) -> bool:
        """Forget recorded files that are gone; return True if there were any."""
        known = self.state.files.get(name, {})
        gone = [key for key in known if not (self._data_root / key).is_file()]
        for key in gone:
            del known[key]
        return bool(gone)

    def check(self, names: Iterable[str], *, thoroughly: bool = False) -> None:
        """Check that recorded files are as they were saved; those that are gone may be made again.

        Args:
            names: Of the datasets.
            thoroughly: Whether weights count, which are checked anyway when they are loaded, and
                files that are gone.

        Raises:
            ResumeError: With each file that is not.
        """
        lines = []
        for name, dataset in self.of(names).items():
            for key, (checksum, _) in self.state.files.get(name, {}).items():
                path = self._data_root / key
                try:
                    if not path.is_file():
                        lines += [f"{path} is missing"] if thoroughly else []
                    elif dataset.checksum(path) != checksum:
                        lines.append(f"{path}: its SHA-256 is not the recorded one")
                    elif thoroughly:
                        dataset.verify(path)
                except (OSError, ValueError) as error:
                    lines.append(str(error))
        if lines:
            raise ResumeError(
                "results are damaged, or were changed by hand:\n  "
                + shortened(lines)
                + "\nPut the former files back, or delete these and run again with "
                "--only-missing-outputs: they are made again (a table of a round: with its phase)"
            )

    def _records(self, dataset: ResultDataset, paths: Iterable[Path]) -> FileRecords:
        return {self._key(path): (dataset.checksum(path), dataset.content(path)) for path in paths}

    def _key(self, path: Path) -> str:
        return os.path.relpath(path, self._data_root)


def source_digests(config: DataPreparationConfig) -> dict[str, str]:
    """Return the SHA-256 of each local problem file that is there, by its parameter."""
    digests = {}
    for name in config.set_names():
        path = getattr(config.source_of(name), "path", None)
        if path is not None and Path(path).is_file():
            digests[f"{config.key_of(name)}.path"] = file_digest(Path(path))
    return digests


def shortened(lines: list[str]) -> str:
    """Return the first lines, indented, and how many more there are."""
    more = len(lines) - _MAX_LINES
    shown = lines[:_MAX_LINES] + ([f"... and {more} more"] if more > 0 else [])
    return "\n  ".join(shown)
