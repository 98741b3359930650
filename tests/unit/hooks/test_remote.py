"""Results at storage.remote_root: when they are sent, and what a run does with what is there."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from pmd_pipeline.config.storage import StorageConfig
from pmd_pipeline.files import file_digest, whole_file
from pmd_pipeline.hooks.intent import Intent, intending
from pmd_pipeline.hooks.lock import give_back
from pmd_pipeline.hooks.remote import RemoteHook, send_last
from pmd_pipeline.hooks.run_state import RunState, load_run_state
from pmd_pipeline.remote.errors import RemoteError, RemoteOutageError
from pmd_pipeline.remote.outbox import Outbox

ROOT = "memory://bucket/project"


class Machine:
    """A data folder, and a hook that is told what a run does there."""

    def __init__(self, data_root: Path, **storage: Any) -> None:
        self.data_root = data_root
        data_root.mkdir(exist_ok=True)
        self.resume = SimpleNamespace(state=load_run_state(data_root))
        self.hook = RemoteHook(self.resume)  # type: ignore[arg-type]
        config = StorageConfig.model_validate({"remote_root": ROOT, **storage})
        context = SimpleNamespace(
            experiment=SimpleNamespace(storage=config), data_root=data_root, env="tiny"
        )
        self.hook.after_context_created(context)  # type: ignore[arg-type]
        self.hook.after_catalog_created({})

    def begin(self) -> None:
        self.hook.before_pipeline_run({"only_missing_outputs": True})
        self.resume.state = load_run_state(self.data_root) or RunState(version="first")
        self.resume.state.save(self.data_root)

    def save(self, name: str, content: bytes) -> None:
        path = self.data_root / name
        with whole_file(path) as partial:
            partial.write_bytes(content)
        self.resume.state.files[name] = {name: (file_digest(path), "")}
        self.resume.state.save(self.data_root)

    def end_phase(self, *, is_last: bool = True) -> None:
        saved = SimpleNamespace(is_last=is_last)
        self.hook.after_dataset_saved("pmd_mean.seed_0.phase_1.policy", saved)

    def end(self) -> None:
        self.hook.after_pipeline_run()
        give_back()

    def contents(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.data_root)): path.read_bytes()
            for path in self.data_root.glob("*.csv")
        }


@pytest.fixture(autouse=True)
def _empty_address() -> None:
    MemoryFileSystem.store.clear()


def test_without_an_address_nothing_is_sent(tmp_path: Path) -> None:
    machine = Machine(tmp_path, remote_root=None)
    machine.begin()
    machine.save("a.csv", b"1")
    machine.end_phase()
    machine.end()
    assert not MemoryFileSystem.store


def test_a_phases_end_is_sent_and_a_rounds_is_not(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.begin()
    machine.save("a.csv", b"1")
    machine.end_phase(is_last=False)
    assert Outbox(tmp_path, f"{ROOT}/tiny").latest is None
    machine.end_phase()
    staged = Outbox(tmp_path, f"{ROOT}/tiny").latest
    assert staged is not None
    assert staged.files.keys() == {"a.csv", "run_state.json"}
    machine.save("a.csv", b"2")
    machine.end()
    contents = {MemoryFileSystem().cat(name) for name in MemoryFileSystem.store if "/a-" in name}
    assert b"2" in contents


def test_an_empty_folder_goes_on_from_there_and_the_former_machine_does_not(
    tmp_path: Path,
) -> None:
    first = Machine(tmp_path / "first")
    first.begin()
    first.save("a.csv", b"1")
    first.end()
    second = Machine(tmp_path / "second")
    second.begin()
    assert second.contents() == {"a.csv": b"1"}
    assert second.resume.state.files.keys() == {"a.csv"}
    second.save("b.csv", b"2")
    second.end()

    again = Machine(tmp_path / "first")
    with pytest.raises(RemoteError, match=r"has results that .*first does not have"):
        again.begin()
    with intending(Intent.OVERWRITE):
        again.begin()
    again.save("c.csv", b"3")
    again.end()
    third = Machine(tmp_path / "third")
    third.begin()
    assert third.contents() == again.contents()
    third.end()


def test_a_run_begins_without_an_answer_only_where_its_results_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first = Machine(tmp_path / "first")
    first.begin()
    first.save("a.csv", b"1")
    first.end()

    def away(*_: Any, **__: Any) -> None:
        raise ConnectionRefusedError("Connection refused")

    monkeypatch.setattr("pmd_pipeline.hooks.remote.PATIENCE_SECONDS", 5)
    with monkeypatch.context() as patch:
        patch.setattr(MemoryFileSystem, "find", away)
        with pytest.raises(RemoteOutageError, match="Nothing has begun"):
            Machine(tmp_path / "second").begin()
        again = Machine(tmp_path / "first")
        again.begin()
        assert "The run goes on; its results are sent later" in caplog.text
        again.save("b.csv", b"2")
        again.end()
    assert f"for {ROOT}/tiny wait in {tmp_path / 'first' / 'remote_outbox'}" in caplog.text
    assert "kedro remote-sync --env tiny" in caplog.text
    once_more = Machine(tmp_path / "first")
    once_more.begin()
    once_more.end()  # it has nothing new, and has sent what had waited
    second = Machine(tmp_path / "second")
    second.begin()
    assert second.contents() == {"a.csv": b"1", "b.csv": b"2"}
    second.end()


def test_a_run_that_is_interrupted_sends_what_it_has(tmp_path: Path) -> None:
    first = Machine(tmp_path / "first")
    first.begin()
    first.save("a.csv", b"1")
    send_last()
    give_back()
    second = Machine(tmp_path / "second")
    second.begin()
    assert second.contents() == {"a.csv": b"1"}
    second.end()


def test_credentials_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match=r"no entry 'my_s3'.*conf/local/credentials\.yml"):
        Machine(tmp_path, credentials="my_s3").begin()
    give_back()
