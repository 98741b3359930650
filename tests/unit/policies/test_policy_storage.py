"""Policies on disk: what is loaded is what was saved, or an error that names the file."""

import errno
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from pmd_pipeline.policies import storage
from pmd_pipeline.policies.manifest import CheckpointError, drop_optimizer_state, verify
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.policies.storage import load_optimizer_state, load_policy, save_policy

CPU = torch.device("cpu")


def test_a_saved_policy_comes_back_bit_for_bit(tiny_policy: Policy, tmp_path: Path) -> None:
    tiny_policy.policy_version = 7
    save_policy(tiny_policy, tmp_path / "policy", optimizer_state={"w.step": torch.tensor(3.0)})
    loaded = load_policy(tmp_path / "policy", device=CPU)
    assert loaded.policy_version == 7
    expected = tiny_policy.model.state_dict()
    assert all(torch.equal(expected[k], v) for k, v in loaded.model.state_dict().items())
    text = "274+089?\\boxed{363}"
    assert loaded.tokenizer(text)["input_ids"] == tiny_policy.tokenizer(text)["input_ids"]
    assert loaded.stop_token_ids == tiny_policy.stop_token_ids
    assert load_optimizer_state(tmp_path / "policy") == {"w.step": torch.tensor(3.0)}


@pytest.mark.parametrize(
    "name", ["policy/model.safetensors", "policy/config.json", "optimizer.safetensors"]
)
def test_a_flipped_byte_is_found_and_named(tiny_policy: Policy, tmp_path: Path, name: str) -> None:
    save_policy(tiny_policy, tmp_path / "p", optimizer_state={"a": torch.zeros(3)})
    path = tmp_path / "p" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"{name} is damaged.*delete the folder"):
        verify(tmp_path / "p")


def test_a_file_cut_short_is_found_and_named(tiny_policy: Policy, tmp_path: Path) -> None:
    save_policy(tiny_policy, tmp_path / "p")
    path = tmp_path / "p" / "policy" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged"):
        load_policy(tmp_path / "p", device=CPU)


def test_a_missing_file_is_named(tiny_policy: Policy, tmp_path: Path) -> None:
    save_policy(tiny_policy, tmp_path / "p")
    (tmp_path / "p" / "policy" / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match=r"tokenizer\.json is missing"):
        load_policy(tmp_path / "p", device=CPU)


def test_a_folder_without_manifest_is_no_policy(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"manifest\.json is missing"):
        load_policy(tmp_path, device=CPU)


def test_an_unreadable_manifest_is_named(tiny_policy: Policy, tmp_path: Path) -> None:
    save_policy(tiny_policy, tmp_path / "p")
    (tmp_path / "p" / "manifest.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"manifest\.json is damaged"):
        load_policy(tmp_path / "p", device=CPU)


def test_a_full_disk_leaves_the_former_policy_and_names_the_folder(
    tiny_policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_policy(tiny_policy, tmp_path / "p")

    def full(*_: object) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(storage, "save_file", full)
    with pytest.raises(OSError, match="No space left") as caught:
        save_policy(tiny_policy, tmp_path / "p", optimizer_state={"a": torch.zeros(1)})
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(tmp_path / "p")
    verify(tmp_path / "p")
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_a_large_optimizer_state_is_several_files_of_which_each_counts(
    tiny_policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "MAX_FILE_BYTES", 8)
    state = {f"w{i}.exp_avg": torch.full((2,), float(i)) for i in range(3)}
    folder = tmp_path / "p"
    manifest = save_policy(tiny_policy, folder, optimizer_state=state)
    names = {path.name for path in folder.glob("optimizer*")}
    assert len(names) == 3
    assert names <= manifest.sha256.keys()
    loaded = load_optimizer_state(folder)
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in state.items())
    for name in names:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        for check in (verify, load_optimizer_state):
            with pytest.raises(CheckpointError, match=rf"{name} is damaged"):
                check(folder)
        # Who samples from the policy need not read what is several times as large.
        assert load_policy(folder, device=CPU).num_parameters == tiny_policy.num_parameters
        (folder / name).write_bytes(content)
    drop_optimizer_state(folder)
    assert not list(folder.glob("optimizer*"))
    verify(folder)
    with pytest.raises(CheckpointError, match="keep_optimizer_states"):
        load_optimizer_state(folder)
