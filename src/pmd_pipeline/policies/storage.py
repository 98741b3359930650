"""Policies and training states on disk: safetensors, with the checksum of every file.

A folder is written under a temporary name and renamed when it is complete, so that a killed run
leaves either a complete folder or none that will be read.
"""

import errno
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from pmd_pipeline.files import read_sealed_json, whole_folder, write_sealed_json
from pmd_pipeline.policies.loading import WeightDtype, load_policy_folder
from pmd_pipeline.policies.lora import load_adapter
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.records import PolicyManifest

MANIFEST_NAME = "manifest.json"
POLICY_FOLDER = "policy"
_OPTIMIZER_FILE = "optimizer.safetensors"


class CheckpointError(ValueError):
    """A checkpoint is incomplete or damaged; the message names the file and the remedy."""


def save_policy(
    policy: Policy,
    folder: Path,
    *,
    optimizer_state: Mapping[str, Tensor] | None = None,
    ends_phase: bool = False,
) -> PolicyManifest:
    """Write a policy, and optionally an optimizer's state, as one folder; replaces an old one.

    For a policy with an adapter, only the adapter is written; the manifest says where the frozen
    policy is, and what its checksums are.

    Args:
        policy: The policy.
        folder: Where; its parent is created if missing.
        optimizer_state: Named tensors of the optimizer.
        ends_phase: True for the state after the last round of a phase.

    Returns:
        The manifest, which is also in the folder.
    """
    with _policy_folder(folder) as partial:
        model_folder = partial / POLICY_FOLDER
        policy.model.save_pretrained(model_folder, safe_serialization=True)
        policy.tokenizer.save_pretrained(model_folder)
        if optimizer_state is not None:
            tensors = {name: tensor.contiguous() for name, tensor in optimizer_state.items()}
            save_file(tensors, partial / _OPTIMIZER_FILE)
        manifest = PolicyManifest(
            path=POLICY_FOLDER,
            policy_version=policy.policy_version,
            num_parameters=policy.num_parameters,
            sha256={
                path.relative_to(partial).as_posix(): _sha256(path)
                for path in sorted(partial.rglob("*"))
                if path.is_file()
            },
            base_path=None
            if policy.base_folder is None
            else os.path.relpath(policy.base_folder, folder),
            base_sha256=None
            if policy.base_folder is None
            else _sha256(policy.base_folder / MANIFEST_NAME),
            ends_phase=ends_phase,
        )
        write_sealed_json(partial / MANIFEST_NAME, asdict(manifest))
    return manifest


def save_tokenizer(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write a tokenizer's files as one folder; replaces an old one."""
    with _policy_folder(folder) as partial:
        tokenizer.save_pretrained(partial)


def load_policy(
    folder: Path, *, device: torch.device, dtype: WeightDtype = torch.float32
) -> Policy:
    """Return the policy of a folder after checking that every file is intact.

    Args:
        folder: Where :func:`save_policy` wrote it.
        device: Where the policy will be.
        dtype: Of its weights; "auto": as they are stored.

    Raises:
        CheckpointError: If a file is missing, truncated or changed, or an adapter's frozen policy
            is not the one it was trained on.
        LoraError: If an adapter needs peft and it is missing.
    """
    manifest = verify(folder)
    if manifest.base_path is None:
        return load_policy_folder(
            folder / manifest.path,
            policy_version=manifest.policy_version,
            device=device,
            dtype=dtype,
        )
    base_folder = Path(os.path.normpath(folder / manifest.base_path))
    _check_base(folder, base_folder, manifest)
    policy = load_policy(base_folder, device=device, dtype=dtype)
    load_adapter(policy, folder / manifest.path, base_folder=base_folder)
    policy.policy_version = manifest.policy_version
    return policy


def load_optimizer_state(folder: Path) -> dict[str, Tensor]:
    """Return the optimizer's named tensors, on the CPU; call :func:`load_policy` first.

    Raises:
        CheckpointError: If the folder has none.
    """
    path = folder / _OPTIMIZER_FILE
    if not path.is_file():
        raise CheckpointError(
            f"{path} is missing: the optimizer's state cannot be continued; train the algorithm "
            "again from its first phase (keep_optimizer_states in the environment's globals.yml "
            "decides which states are kept)"
        )
    return load_file(path)


def drop_optimizer_state(folder: Path) -> None:
    """Remove the optimizer's state of a stored policy, if any; the policy itself stays."""
    manifest = read_manifest(folder)
    if _OPTIMIZER_FILE not in manifest.sha256:
        return
    kept = {name: value for name, value in manifest.sha256.items() if name != _OPTIMIZER_FILE}
    # The manifest first: if killed in between, only an unused file is left over.
    write_sealed_json(folder / MANIFEST_NAME, asdict(replace(manifest, sha256=kept)))
    (folder / _OPTIMIZER_FILE).unlink(missing_ok=True)


def verify(folder: Path) -> PolicyManifest:
    """Return the manifest of a folder after checking that all files have its checksums.

    Raises:
        CheckpointError: If the manifest or a file is missing, truncated or changed.
    """
    manifest = read_manifest(folder)
    for name, expected in manifest.sha256.items():
        path = folder / name
        if not path.is_file():
            raise CheckpointError(f"{path} is missing; {_remedy(folder)}")
        found = _sha256(path)
        if found != expected:
            raise CheckpointError(
                f"{path} is damaged: its SHA-256 is {found[:12]}..., the manifest says "
                f"{expected[:12]}...; {_remedy(folder)}"
            )
    return manifest


def read_manifest(folder: Path) -> PolicyManifest:
    """Return the manifest of a folder without checking its files.

    Raises:
        CheckpointError: If it is missing or damaged.
    """
    path = folder / MANIFEST_NAME
    try:
        return PolicyManifest(**read_sealed_json(path))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path} is missing: the folder has no complete policy; {_remedy(folder)}"
        ) from error
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); {_remedy(folder)}") from error


def _check_base(folder: Path, base_folder: Path, manifest: PolicyManifest) -> None:
    base_manifest = base_folder / MANIFEST_NAME
    if not base_manifest.is_file():
        raise CheckpointError(
            f"{base_manifest} is missing: the adapter in {folder} works only with that policy; "
            "put it back, or run the whole pipeline again"
        )
    if _sha256(base_manifest) != manifest.base_sha256:
        raise CheckpointError(
            f"the policy in {base_folder} is not the one that the adapter in {folder} was trained "
            f"on; {_remedy(folder)}"
        )


def _remedy(folder: Path) -> str:
    return f"delete the folder {folder} and run again with --only-missing-outputs"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _policy_folder(folder: Path) -> Iterator[Path]:
    """Give a temporary folder that replaces ``folder`` when the block has succeeded."""
    with whole_folder(folder) as partial:
        try:
            yield partial
        except SafetensorError as error:
            # It reports a full disk as its own error type, with the reason in the text.
            raise OSError(_errno_in(str(error)), str(error)) from error


def _errno_in(reason: str) -> int:
    found = re.search(r"os error (\d+)", reason)
    return int(found.group(1)) if found else errno.EIO
