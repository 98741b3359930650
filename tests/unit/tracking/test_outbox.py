"""What was to be logged survives its process, and a full disk."""

import os
import signal
from pathlib import Path

import pytest
from forks import run_forked
from tracking_stores import full_disk

from pmd_pipeline.tracking.outbox import Outbox, left_outboxes, num_waiting


def add_metric(outbox: Outbox, name: str) -> None:
    outbox.add("metrics", "run", {"metrics": {name: 1.0}, "time": 1, "step": 1})


def names(outbox: Outbox) -> list[str]:
    return [next(iter(record.values["metrics"])) for record in outbox.waiting()]


def test_records_and_files_of_a_killed_process_are_there_in_order(tmp_path: Path) -> None:
    def killed() -> None:
        outbox = Outbox.begin(tmp_path)
        add_metric(outbox, "a")
        outbox.add("artifact", "run", {"path": "tables/rounds.json"}, b"content")
        add_metric(outbox, "b")
        outbox.mark_sent(outbox.waiting()[0])
        os.kill(os.getpid(), signal.SIGKILL)

    assert run_forked(killed) == -signal.SIGKILL
    (folder,) = left_outboxes(tmp_path)
    assert num_waiting(folder) == 2
    outbox = Outbox.take_over(folder)
    assert outbox is not None
    file, metric = outbox.waiting()
    assert (file.kind, outbox.artifact(file).read_bytes()) == ("artifact", b"content")
    assert outbox.artifact(file).name == "rounds.json"
    assert metric.values["metrics"] == {"b": 1.0}


def test_half_a_line_is_no_record_and_takes_no_other_with_it(tmp_path: Path) -> None:
    outbox = Outbox.begin(tmp_path)
    add_metric(outbox, "a")
    outbox.release()
    journal = outbox.folder / "journal.jsonl"
    with journal.open("a") as file:
        file.write('\n{"number": 2, "kind": "met')
    left = Outbox.take_over(outbox.folder)
    assert left is not None
    assert names(left) == ["a"]


def test_records_of_a_living_process_are_its_own(tmp_path: Path) -> None:
    outbox = Outbox.begin(tmp_path)
    add_metric(outbox, "a")
    assert Outbox.take_over(outbox.folder) is None
    outbox.release()
    assert Outbox.take_over(outbox.folder) is not None


def test_nothing_remains_of_an_outbox_that_is_sent(tmp_path: Path) -> None:
    outbox = Outbox.begin(tmp_path)
    add_metric(outbox, "a")
    outbox.mark_sent(outbox.waiting()[0])
    outbox.release()
    assert list(tmp_path.iterdir()) == []


def test_on_a_full_disk_records_wait_in_memory_and_are_written_when_there_is_room(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = Outbox.begin(tmp_path)
    with full_disk():
        add_metric(outbox, "a")
        outbox.add("artifact", "run", {"path": "b"}, b"content")
        assert outbox.num_in_memory == 2
    (message,) = caplog.messages
    assert "File too large" in message
    assert "lost if this process ends" in message
    add_metric(outbox, "c")
    assert outbox.num_in_memory == 0
    outbox.release()
    left = Outbox.take_over(outbox.folder)
    assert left is not None
    assert [record.number for record in left.waiting()] == [1, 2, 3]
