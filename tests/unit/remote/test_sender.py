"""An address that does not answer holds nothing up; one that is another's is left alone."""

import logging
import threading
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from remote_helpers import FIRST, SECOND, fetched, send, stage

from pmd_pipeline import sending_thread
from pmd_pipeline.remote.folder import RemoteFolder
from pmd_pipeline.remote.outbox import Outbox
from pmd_pipeline.remote.sender import Sender


def test_what_could_not_be_sent_is_sent_when_the_address_works_again(
    folder: RemoteFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(sending_thread, "FIRST_PAUSE_SECONDS", 0.01)
    asked = threading.Semaphore(0)

    def away(*_: Any, **__: Any) -> None:
        asked.release()
        raise ConnectionRefusedError("Connection refused")

    outbox = Outbox(tmp_path / "a", folder.address)
    caplog.set_level(logging.INFO)
    with monkeypatch.context() as patch:
        patch.setattr(MemoryFileSystem, "find", away)
        sender = Sender(outbox, folder)
        stage(outbox, tmp_path / "a", FIRST)
        sender.wake()
        for _ in range(3):
            assert asked.acquire(timeout=10)
        assert caplog.text.count("does not answer (Connection refused)") == 1
        assert outbox.waiting() is not None
    stage(outbox, tmp_path / "a", SECOND)
    sender.close(10)
    assert "works again" in caplog.text
    assert outbox.waiting() is None
    assert fetched(tmp_path / "b", folder) == SECOND


def test_the_end_of_a_run_does_not_wait_for_an_address_that_hangs(
    folder: RemoteFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs, is_over = threading.Event(), threading.Event()

    def hang(*_: Any, **__: Any) -> None:
        hangs.set()
        is_over.wait(30)
        raise ConnectionResetError("the test is over")

    monkeypatch.setattr(MemoryFileSystem, "put_file", hang)
    outbox = Outbox(tmp_path, folder.address)
    stage(outbox, tmp_path, FIRST)
    sender = Sender(outbox, folder)
    assert hangs.wait(10)
    sender.close(0.01)
    assert not is_over.is_set()
    assert outbox.waiting() is not None
    is_over.set()
    sender.close(10)


def test_results_that_another_folder_has_put_there_are_not_replaced(
    folder: RemoteFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Another machine has gone on meanwhile."""
    send(tmp_path / "a", folder, FIRST)
    assert fetched(tmp_path / "b", folder) == FIRST
    theirs = send(tmp_path / "b", folder, SECOND)
    outbox = Outbox(tmp_path / "a", folder.address)
    stage(outbox, tmp_path / "a", {**FIRST, "08_reporting/b.csv": b"table"})
    Sender(outbox, folder).close(10)
    assert f"has results that {tmp_path / 'a'} does not have: {theirs}" in caplog.text
    assert "The run goes on" in caplog.text
    assert fetched(tmp_path / "c", folder) == SECOND
