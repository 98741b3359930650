"""From an address to a data folder in which nothing has run."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pmd_pipeline.files import file_digest, sync
from pmd_pipeline.policies.manifest import file_threads
from pmd_pipeline.remote.errors import RemoteError
from pmd_pipeline.remote.folder import RemoteFolder
from pmd_pipeline.remote.outbox import STATE, Outbox
from pmd_pipeline.remote.snapshot import Snapshot
from pmd_pipeline.wording import counted

_BATCH = 32

_logger = logging.getLogger(__name__)


def fetch(outbox: Outbox, folder: RemoteFolder, snapshot: Snapshot, data_root: Path) -> None:
    """Bring a snapshot's files into a data folder, the state of the run last.

    What a fetch that was cut off has brought is kept.

    Args:
        outbox: Of the data folder; knows the snapshot afterwards.
        folder: Where the snapshot is.
        snapshot: What is fetched.
        data_root: The data folder.

    Raises:
        RemoteError: If a file is missing there, or damaged.
        RemoteOutageError: If the address does not answer.
        OSError: If a file cannot be written.
    """
    _logger.info(
        "Fetching the results of %s from %s: %s, %.1f MB",
        snapshot.host,
        folder.address,
        counted(len(snapshot.files), "file"),
        snapshot.num_bytes / 1e6,
    )
    names = snapshot.remote_names()
    results = [path for path in snapshot.files if path != STATE]
    for start in range(0, len(results), _BATCH):
        _fetch_batch(folder, snapshot, names, results[start : start + _BATCH], data_root)
    outbox.follow(snapshot)
    _fetch_batch(folder, snapshot, names, [STATE], data_root)


def _fetch_batch(
    folder: RemoteFolder,
    snapshot: Snapshot,
    names: Mapping[str, str],
    paths: list[str],
    data_root: Path,
) -> None:
    with file_threads() as threads:

        def is_right(path: str, file: Path) -> bool:
            expected = snapshot.files[path]
            return (
                file.is_file()
                and file.stat().st_size == expected.size
                and file_digest(file) == expected.sha256
            )

        here = threads.map(lambda path: is_right(path, data_root / path), paths)
        wanted = [path for path, is_here in zip(paths, here, strict=True) if not is_here]
        with _partial_files(data_root, wanted) as partial:
            folder.fetch({names[path]: file for path, file in partial.items()}, _nothing)
            arrived = threads.map(lambda item: is_right(*item), partial.items())
            for (path, file), is_whole in zip(partial.items(), arrived, strict=True):
                if not is_whole:
                    raise RemoteError(
                        f"{folder.address}/{names[path]} is damaged: it has not the checksum that "
                        "its name bears. Delete it there; the machine that has made it sends it "
                        "again, or run without storage.remote_root to make all anew"
                    )
                sync(file)
                file.replace(data_root / path)
                sync((data_root / path).parent)


@contextmanager
def _partial_files(data_root: Path, paths: list[str]) -> Iterator[dict[str, Path]]:
    """Give temporary names beside the final ones, and remove what is left of them."""
    partial = {}
    for path in paths:
        final = data_root / path
        final.parent.mkdir(parents=True, exist_ok=True)
        partial[path] = final.with_name(f".{final.stem}.partial{final.suffix}")
    try:
        yield partial
    finally:
        for file in partial.values():
            file.unlink(missing_ok=True)


_nothing: Callable[[], None] = lambda: None  # noqa: E731
