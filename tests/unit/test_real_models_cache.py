"""The cache of real models: made once, whole or not at all, skipped where out of reach."""

import multiprocessing
import time
from pathlib import Path

import pytest
import real_models
from real_models import UnavailableError, cached


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PMD_PIPELINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(real_models, "unavailable", {})
    return tmp_path / "cache"


def test_workers_that_ask_at_once_share_one_making(tmp_path: Path, cache: Path) -> None:
    def make(folder: Path) -> None:
        with (tmp_path / "makings").open("a") as file:
            file.write("made\n")
        time.sleep(0.3)
        (folder / "weights").write_text("whole")

    def ask() -> None:
        assert (cached("model", make) / "weights").read_text() == "whole"

    workers = [multiprocessing.get_context("fork").Process(target=ask) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert (tmp_path / "makings").read_text() == "made\n"
    assert sorted(path.name for path in cache.iterdir()) == ["model", "model.lock"]


def test_a_making_that_fails_leaves_nothing_and_fails_the_test(cache: Path) -> None:
    def make(folder: Path) -> None:
        (folder / "weights").write_text("half")
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="the disk is full"):
        cached("model", make)
    assert [path.name for path in cache.iterdir()] == ["model.lock"]


def test_what_cannot_be_fetched_skips_with_the_reason_and_is_asked_for_once(cache: Path) -> None:
    asked: list[Path] = []

    def make(folder: Path) -> None:
        asked.append(folder)
        raise UnavailableError("no route to the index")

    for _ in range(2):
        with pytest.raises(pytest.skip.Exception, match=r"needs model.*no route to the index"):
            cached("model", make)
    assert len(asked) == 1
    assert [path.name for path in cache.iterdir()] == ["model.lock"]


def test_an_index_that_refuses_gives_its_first_error_as_the_reason() -> None:
    script = "echo trying >&2; echo ERROR: no route >&2; echo see the log >&2; exit 1"
    with pytest.raises(UnavailableError, match=r"^ERROR: no route$"):
        real_models.fetch(["sh", "-c", script])


def test_a_download_of_other_bytes_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "model.whl").write_bytes(b"something else")
    with pytest.raises(AssertionError, match=r"model\.whl: SHA-256 is [0-9a-f]{64}, expected 00"):
        real_models.check_sha256(tmp_path / "model.whl", "00")
