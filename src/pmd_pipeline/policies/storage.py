"""Policies and training states on disk: safetensors, with the checksum of every file.

A folder is written under a temporary name and renamed when it is complete, so that a killed run
leaves either a complete folder or none that will be read. A large optimizer's state is divided into
files, which threads write, flush and read for their checksums at once.
"""

import errno
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from pmd_pipeline.files import file_digest, sync, whole_folder, write_sealed_json
from pmd_pipeline.policies.loading import WeightDtype, load_policy_folder
from pmd_pipeline.policies.lora import load_adapter
from pmd_pipeline.policies.manifest import (
    MANIFEST_NAME,
    POLICY_FOLDER,
    CheckpointError,
    check_files,
    file_threads,
    is_optimizer_file,
    read_manifest,
    remedy,
)
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.records import PolicyManifest

_OPTIMIZER_FILE = "optimizer.safetensors"
_ROLLOUTS_AHEAD_FILE = "rollouts_ahead.parquet"
_FURTHER_OPTIMIZER_FILES = "optimizer-{}.safetensors"

MAX_FILE_BYTES = 1 << 30
"""Of an optimizer's state; a larger tensor has a file of its own."""


def save_policy(
    policy: Policy,
    folder: Path,
    *,
    optimizer_state: Mapping[str, Tensor] | None = None,
    rollouts_ahead: bytes = b"",
    ends_phase: bool = False,
) -> PolicyManifest:
    """Write a policy, and optionally an optimizer's state, as one folder; replaces an old one.

    For a policy with an adapter, only the adapter is written; the manifest says where the frozen
    policy is, and what its checksums are.

    Args:
        policy: The policy.
        folder: Where; its parent is created if missing.
        optimizer_state: Named tensors of the optimizer.
        rollouts_ahead: Rollouts of the rounds to come, as they are stored; no file if empty.
        ends_phase: True for the state after the last round of a phase.

    Returns:
        The manifest, which is also in the folder.
    """
    with _policy_folder(folder) as partial:
        model_folder = partial / POLICY_FOLDER
        with file_threads() as threads:
            written = threads.map(
                lambda part: save_file(part[1], partial / part[0]),
                _optimizer_files(optimizer_state).items(),
            )
            policy.model.save_pretrained(model_folder, safe_serialization=True)
            policy.tokenizer.save_pretrained(model_folder)
            if rollouts_ahead:
                (partial / _ROLLOUTS_AHEAD_FILE).write_bytes(rollouts_ahead)
            list(written)  # raises what a thread has raised
            paths = sorted(path for path in partial.rglob("*") if path.is_file())
            checksums = list(threads.map(_flushed_sha256, paths))
        manifest = PolicyManifest(
            path=POLICY_FOLDER,
            policy_version=policy.policy_version,
            num_parameters=policy.num_parameters,
            sha256={
                path.relative_to(partial).as_posix(): checksum
                for path, checksum in zip(paths, checksums, strict=True)
            },
            base_path=None
            if policy.base_folder is None
            else os.path.relpath(policy.base_folder, folder),
            base_sha256=None
            if policy.base_folder is None
            else file_digest(policy.base_folder / MANIFEST_NAME),
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
    """Return the policy of a folder after checking that its files are intact.

    An optimizer's state beside it, several times as large, is checked when it is loaded.

    Args:
        folder: Where :func:`save_policy` wrote it.
        device: Where the policy will be.
        dtype: Of its weights; "auto": as they are stored.

    Raises:
        CheckpointError: If a file is missing, truncated or changed, or an adapter's frozen policy
            is not the one it was trained on.
        LoraError: If an adapter needs peft and it is missing.
    """
    manifest = read_manifest(folder)
    check_files(
        folder,
        manifest,
        [n for n in manifest.sha256 if not is_optimizer_file(n) and n != _ROLLOUTS_AHEAD_FILE],
    )
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
    """Return the optimizer's named tensors, on the CPU.

    Raises:
        CheckpointError: If the folder has none, or a file of it is missing, truncated or changed.
    """
    manifest = read_manifest(folder)
    names = sorted(filter(is_optimizer_file, manifest.sha256))
    if not names:
        raise CheckpointError(
            f"{folder / _OPTIMIZER_FILE} is missing: the optimizer's state cannot be continued; "
            "train the algorithm again from its first phase (keep_optimizer_states in the "
            "environment's globals.yml decides which states are kept)"
        )
    check_files(folder, manifest, names)
    return {name: tensor for part in names for name, tensor in load_file(folder / part).items()}


def load_rollouts_ahead(folder: Path) -> bytes:
    """Return the stored rollouts of the rounds to come; empty if there are none.

    Raises:
        CheckpointError: If their file is missing, truncated or changed.
    """
    manifest = read_manifest(folder)
    if _ROLLOUTS_AHEAD_FILE not in manifest.sha256:
        return b""
    check_files(folder, manifest, [_ROLLOUTS_AHEAD_FILE])
    return (folder / _ROLLOUTS_AHEAD_FILE).read_bytes()


def _check_base(folder: Path, base_folder: Path, manifest: PolicyManifest) -> None:
    base_manifest = base_folder / MANIFEST_NAME
    if not base_manifest.is_file():
        raise CheckpointError(
            f"{base_manifest} is missing: the adapter in {folder} works only with that policy; "
            "put it back, or run the whole pipeline again"
        )
    if file_digest(base_manifest) != manifest.base_sha256:
        raise CheckpointError(
            f"the policy in {base_folder} is not the one that the adapter in {folder} was trained "
            f"on; {remedy(folder)}"
        )


def _optimizer_files(state: Mapping[str, Tensor] | None) -> dict[str, dict[str, Tensor]]:
    """Return the tensors of each file, in order, by its name; no file for no state."""
    if state is None:
        return {}
    parts: list[dict[str, Tensor]] = [{}]
    num_bytes = 0
    for name, tensor in state.items():
        if parts[-1] and num_bytes + tensor.nbytes > MAX_FILE_BYTES:
            parts.append({})
            num_bytes = 0
        parts[-1][name] = tensor.contiguous()
        num_bytes += tensor.nbytes
    names = [_OPTIMIZER_FILE, *map(_FURTHER_OPTIMIZER_FILES.format, range(2, len(parts) + 1))]
    return dict(zip(names, parts, strict=True))


def _flushed_sha256(path: Path) -> str:
    """Return the SHA-256 of a new file; meanwhile the disk flushes those of other threads."""
    sync(path)
    return file_digest(path)


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
