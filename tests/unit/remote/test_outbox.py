"""What waits to be sent keeps its content, and makes way for what is newer."""

from pathlib import Path

import pytest
from remote_helpers import FIRST, POLICY, SECOND, fetched, send, stage

from pmd_pipeline.remote.errors import RemoteError
from pmd_pipeline.remote.folder import RemoteFolder
from pmd_pipeline.remote.outbox import Outbox
from pmd_pipeline.remote.sender import send_waiting

HERE, THERE = "memory://bucket/base", "memory://bucket/other"


def waiting(outbox: Outbox) -> dict[str, bytes]:
    staged = outbox.waiting()
    assert staged is not None
    return {name: path.read_bytes() for name, path in staged.local().items()}


def test_it_keeps_its_content_when_the_run_replaces_and_removes_files(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, HERE)
    stage(outbox, tmp_path, FIRST)
    (tmp_path / POLICY).unlink()
    new = tmp_path / "new"
    new.write_bytes(b"another table")
    new.replace(tmp_path / "08_reporting/a.csv")
    assert waiting(Outbox(tmp_path, HERE)) == FIRST


def test_only_the_newest_waits_and_the_one_that_is_being_sent(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, HERE)
    stage(outbox, tmp_path, FIRST)
    taken = outbox.take()
    assert taken is not None
    stage(outbox, tmp_path, SECOND)
    stage(outbox, tmp_path, {**SECOND, POLICY: b"other weights"})
    assert [taken.folder.is_dir(), (outbox.folder / "00000002").is_dir()] == [True, False]
    assert taken.local()[POLICY].read_bytes() == b"weights"
    outbox.give_back(taken, is_sent=False)
    assert not taken.folder.exists()
    assert waiting(outbox)[POLICY] == b"other weights"


def test_the_same_results_are_kept_once_whatever_the_state_says_beside_them(
    folder: RemoteFolder, tmp_path: Path
) -> None:
    send(tmp_path, folder, FIRST)
    outbox = Outbox(tmp_path, folder.address)
    assert not stage(outbox, tmp_path, {**FIRST, "run_state.json": b"another"})
    assert outbox.waiting() is None
    assert stage(outbox, tmp_path, SECOND)


def test_what_is_at_the_address_already_is_not_kept_but_sent_again_if_it_is_lost_there(
    folder: RemoteFolder, tmp_path: Path
) -> None:
    send(tmp_path / "a", folder, FIRST)
    outbox = Outbox(tmp_path / "a", folder.address)
    stage(outbox, tmp_path / "a", SECOND)
    kept = {path.name for path in (outbox.folder / "00000002" / "files").rglob("*.*")}
    assert kept == {"a.csv", "run_state.json"}
    folder.remove([name for name in folder.sizes("files") if "model-" in name])
    assert send_waiting(outbox, folder, lambda: None)
    assert fetched(tmp_path / "b", folder) == SECOND


def test_a_file_that_was_changed_by_hand_is_named_and_not_sent(
    folder: RemoteFolder, tmp_path: Path
) -> None:
    outbox = Outbox(tmp_path, folder.address)
    stage(outbox, tmp_path, FIRST)
    (tmp_path / POLICY).write_bytes(b"changed")  # in place: the link's content too
    with pytest.raises(RemoteError, match=r"model\.safetensors is not as the run has written it"):
        send_waiting(outbox, folder, lambda: None)


def test_what_waits_for_a_former_address_is_not_sent_to_another(tmp_path: Path) -> None:
    stage(Outbox(tmp_path, HERE), tmp_path, FIRST)
    outbox = Outbox(tmp_path, THERE)
    assert outbox.waiting() is None
    assert stage(outbox, tmp_path, FIRST)
    assert waiting(outbox) == FIRST


def test_a_damaged_list_is_named_and_made_again_once_it_is_deleted(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, HERE)
    stage(outbox, tmp_path, FIRST)
    path = outbox.folder / "00000001" / "snapshot.json"
    path.write_text(path.read_text()[:-9])
    with pytest.raises(RemoteError, match=r"00000001 is damaged.*delete it"):
        outbox.waiting()
    path.unlink()
    path.parent.rename(tmp_path / "deleted")
    assert stage(outbox, tmp_path, FIRST)
    assert waiting(outbox) == FIRST
