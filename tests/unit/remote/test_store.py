"""A snapshot is at an address whole or not at all, and comes back to the byte."""

from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from remote_helpers import FIRST, SECOND, fetched, send, stage

from pmd_pipeline.files import write_sealed_json
from pmd_pipeline.remote import store
from pmd_pipeline.remote.errors import RemoteError
from pmd_pipeline.remote.folder import RemoteFolder
from pmd_pipeline.remote.outbox import Outbox
from pmd_pipeline.remote.sender import send_waiting


def test_what_was_sent_comes_back_to_the_byte(folder: RemoteFolder, tmp_path: Path) -> None:
    assert store.latest(folder) is None
    send(tmp_path / "a", folder, FIRST)
    send(tmp_path / "a", folder, SECOND)
    assert fetched(tmp_path / "b", folder) == SECOND


@pytest.mark.parametrize("leaves_half", [False, True])
@pytest.mark.parametrize("cut_at", range(4))
def test_cut_off_anywhere_the_former_snapshot_stays_and_the_rest_is_sent_later(
    folder: RemoteFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cut_at: int,
    leaves_half: bool,
) -> None:
    """Both new files and the list of all, in turn; the fourth transfer does not come."""
    former = send(tmp_path / "a", folder, FIRST)
    count = 0
    put_file = MemoryFileSystem.put_file

    def cut(self: Any, lpath: str, rpath: str, **options: Any) -> None:
        nonlocal count
        count += 1
        if count > cut_at:
            if leaves_half:
                content = Path(lpath).read_bytes()
                self.pipe_file(rpath, content[: len(content) // 2])
            raise ConnectionResetError("the server has gone")
        put_file(self, lpath, rpath, **options)

    outbox = Outbox(tmp_path / "a", folder.address)
    stage(outbox, tmp_path / "a", SECOND)
    with monkeypatch.context() as patch:
        patch.setattr(MemoryFileSystem, "put_file", cut)
        if cut_at < 3:
            with pytest.raises(OSError, match="the server has gone"):
                send_waiting(outbox, folder, lambda: None)
        else:
            assert send_waiting(outbox, folder, lambda: None)
    there = store.latest(folder)
    assert there is not None
    assert (there == former) == (cut_at < 3)
    assert fetched(tmp_path / "meanwhile", folder) == (FIRST if cut_at < 3 else SECOND)

    # Another process, which finds what waits.
    assert send_waiting(Outbox(tmp_path / "a", folder.address), folder, lambda: None) == (
        cut_at < 3
    )
    assert fetched(tmp_path / "later", folder) == SECOND


def test_a_fetch_that_was_cut_off_leaves_no_run_to_go_on_with_and_is_repeated(
    folder: RemoteFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(tmp_path / "a", folder, FIRST)
    get_file = MemoryFileSystem.get_file

    def cut(self: Any, rpath: str, lpath: str, **options: Any) -> None:
        if "model" in rpath:
            Path(lpath).write_bytes(b"wei")
            raise ConnectionResetError("the server has gone")
        get_file(self, rpath, lpath, **options)

    with monkeypatch.context() as patch:
        patch.setattr(MemoryFileSystem, "get_file", cut)
        with pytest.raises(OSError, match="the server has gone"):
            fetched(tmp_path / "b", folder)
    assert [path for path in (tmp_path / "b").rglob("*") if path.is_file()] == []
    assert fetched(tmp_path / "b", folder) == FIRST


def test_a_damaged_file_is_named_and_not_taken(folder: RemoteFolder, tmp_path: Path) -> None:
    send(tmp_path / "a", folder, FIRST)
    (name,) = [name for name in MemoryFileSystem.store if "model-" in name]
    MemoryFileSystem().pipe_file(name, b"weighty")
    with pytest.raises(RemoteError, match=r"model-\w+\.safetensors is damaged"):
        fetched(tmp_path / "b", folder)
    assert not (tmp_path / "b" / "run_state.json").exists()


def test_files_are_removed_when_no_kept_snapshot_names_them(
    folder: RemoteFolder, tmp_path: Path
) -> None:
    tables = [b"table 1", b"table 2", b"table 3", b"table 1"]
    for table in tables:
        send(tmp_path / "a", folder, {**FIRST, "08_reporting/a.csv": table})
    numbers = [name.partition("-")[0] for name in sorted(folder.sizes("snapshots"))]
    assert numbers == ["snapshots/00000003", "snapshots/00000004"]
    kept = {MemoryFileSystem().cat(f"/bucket/base/{n}") for n in folder.sizes("files")}
    assert kept == {b"state 1", b"weights", b"table 3", b"table 1"}


def test_a_list_that_names_files_elsewhere_is_refused(folder: RemoteFolder, tmp_path: Path) -> None:
    send(tmp_path / "a", folder, FIRST)
    path = tmp_path / "list.json"
    stored = {"sha256": "0" * 64, "size": 1}
    values = {"number": 9, "writer": "x", "parent": "", "host": "h", "stored_at": "now"}
    write_sealed_json(path, {"layout": 1, **values, "files": {"../outside": stored}})
    folder.send({"snapshots/00000009-x.json": path}, lambda: None)
    with pytest.raises(RemoteError, match=r"outside the data folder: \.\./outside"):
        store.latest(folder)
