"""Small data folders that are sent to an address and fetched from it."""

from collections.abc import Mapping
from pathlib import Path

from pmd_pipeline.files import file_digest, whole_file
from pmd_pipeline.remote import store
from pmd_pipeline.remote.fetching import fetch
from pmd_pipeline.remote.folder import RemoteFolder
from pmd_pipeline.remote.outbox import Outbox
from pmd_pipeline.remote.sender import send_waiting
from pmd_pipeline.remote.snapshot import Snapshot

POLICY = "06_models/pmd_mean/seed_0/phase_1/round_00002/policy/model.safetensors"
FIRST = {"run_state.json": b"state 1", POLICY: b"weights", "08_reporting/a.csv": b"table 1"}
SECOND = {**FIRST, "run_state.json": b"state 2", "08_reporting/a.csv": b"table 2"}


def write(root: Path, contents: Mapping[str, bytes]) -> dict[str, Path]:
    for name, content in contents.items():
        with whole_file(root / name) as partial:  # as a run writes: links keep the former content
            partial.write_bytes(content)
    return {name: root / name for name in contents}


def stage(outbox: Outbox, root: Path, contents: Mapping[str, bytes]) -> bool:
    files = write(root, contents)
    return outbox.stage(files, {name: file_digest(path) for name, path in files.items()})


def send(root: Path, folder: RemoteFolder, contents: Mapping[str, bytes]) -> Snapshot:
    """Store contents in a data folder and at an address."""
    outbox = Outbox(root, folder.address)
    assert stage(outbox, root, contents)
    assert send_waiting(outbox, folder, lambda: None)
    there = store.latest(folder)
    assert there is not None
    return there


def fetched(root: Path, folder: RemoteFolder) -> dict[str, bytes]:
    """Bring what is at an address into an empty data folder, and return its contents."""
    there = store.latest(folder)
    assert there is not None
    fetch(Outbox(root, folder.address), folder, there, root)
    return {name: (root / name).read_bytes() for name in there.files}
