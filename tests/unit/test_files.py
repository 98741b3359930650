"""Files and folders that are whole or absent."""

import errno
import json
import os
from pathlib import Path

import pytest

from pmd_pipeline.files import (
    append_sealed_line,
    read_sealed_json,
    read_sealed_lines,
    whole_file,
    whole_folder,
    write_json,
    write_sealed_json,
)


class Killed(BaseException):
    """Ends a block in its middle."""


def stop_halfway(partial: Path) -> None:
    (partial / "half").touch()
    raise Killed


def test_a_document_is_written_into_a_new_folder_and_nothing_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state.json"
    write_json(path, {"a": [1, None]})
    write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 2}
    assert list(path.parent.iterdir()) == [path]


def test_a_document_that_cannot_be_written_leaves_the_former_one(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_json(path, 1)
    with pytest.raises(TypeError):
        write_json(path, object())
    assert path.read_text() == "1"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_bears_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "figure.svg"
    path.write_text("former")
    with whole_file(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "former"
        assert partial.suffix == ".svg"
    assert path.read_text() == "new"


def test_a_folder_bears_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    folder = tmp_path / "policy"
    for number in (1, 2):
        with pytest.raises(Killed), whole_folder(folder) as partial:
            stop_halfway(partial)
        with whole_folder(folder) as partial:
            assert list(partial.iterdir()) == []
            (partial / str(number)).touch()
            assert folder.exists() == (number == 2)
        assert [path.name for path in folder.iterdir()] == [str(number)]
    assert list(tmp_path.iterdir()) == [folder]


def test_what_a_kill_has_left_is_cleared_away(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "policy") as partial:
        pass
    partial.mkdir()
    (partial / "left over").touch()
    with whole_folder(tmp_path / "policy"):
        pass
    assert list((tmp_path / "policy").iterdir()) == []


@pytest.mark.parametrize("write", [whole_file, whole_folder])
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left"), OSError("No space left")]
)
def test_an_error_names_the_final_path(tmp_path: Path, write, error: OSError) -> None:
    final = tmp_path / "state.json"
    with (
        pytest.raises(OSError, match=r"cannot write: No space left: '.*/state\.json'") as caught,
        write(final),
    ):
        raise error
    assert caught.value.errno == (error.errno or errno.EIO)
    assert list(tmp_path.iterdir()) == []


def test_content_reaches_the_disk_before_the_name_and_then_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed = []

    def record(descriptor: int) -> None:
        flushed.append((os.fstat(descriptor).st_ino, (tmp_path / "state.json").exists()))

    monkeypatch.setattr(os, "fsync", record)
    write_json(tmp_path / "state.json", 1)
    assert flushed == [
        ((tmp_path / "state.json").stat().st_ino, False),
        (tmp_path.stat().st_ino, True),
    ]


def test_a_file_system_that_cannot_flush_folders_is_good_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def refuse_folders(descriptor: int) -> None:
        if os.fstat(descriptor).st_ino == tmp_path.stat().st_ino:
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse_folders)
    write_json(tmp_path / "state.json", 1)
    assert (tmp_path / "state.json").read_text() == "1"


def test_any_changed_byte_of_a_sealed_document_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "sealed.json"
    value = {"version": "1", "seconds": {"a": 0.1 + 0.2}, "names": ["ü", "b"], "none": None}
    write_sealed_json(path, value)
    assert read_sealed_json(path) == value
    content = path.read_bytes()
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 1
        path.write_bytes(changed)
        with pytest.raises(ValueError):  # noqa: PT011  # each kind of damage has its own words
            read_sealed_json(path)
    path.write_bytes(content[:-1])
    with pytest.raises(ValueError, match="checksum"):
        read_sealed_json(path)


def lines_of(path: Path, num_lines: int) -> None:
    """Write lines that belong to "first"."""
    seal = "first"
    for number in range(num_lines):
        seal = append_sealed_line(path, {"ü": number}, former_seal=seal)


def test_any_changed_byte_of_sealed_lines_is_noticed_but_for_the_end_of_the_last(
    tmp_path: Path,
) -> None:
    path = tmp_path / "lines.jsonl"
    assert read_sealed_lines(path, first_seal="first") == []
    lines_of(path, 3)
    assert read_sealed_lines(path, first_seal="first") == [{"ü": 0}, {"ü": 1}, {"ü": 2}]
    content = path.read_bytes()
    for position in range(len(content) - 1):
        path.write_bytes(
            content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]
        )
        with pytest.raises(ValueError, match=r"checksum|codec"):
            read_sealed_lines(path, first_seal="first")
    path.write_bytes(content)
    with pytest.raises(ValueError, match="line 1, has not its own checksum"):
        read_sealed_lines(path, first_seal="another")


def test_of_sealed_lines_a_killed_process_loses_the_last_alone(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    lines_of(path, 2)
    path.write_bytes(path.read_bytes()[:-1])
    assert read_sealed_lines(path, first_seal="first") == [{"ü": 0}]


def test_a_line_that_finds_no_room_leaves_no_part_of_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lines.jsonl"
    lines_of(path, 1)

    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match=r"lines\.jsonl"):
        append_sealed_line(path, 1, former_seal="x")
    assert read_sealed_lines(path, first_seal="first") == [{"ü": 0}]
