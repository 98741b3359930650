"""The manifest of a stored policy: the checksum of every file; needs no torch."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

from pmd_pipeline.files import file_digest, read_sealed_json, write_sealed_json
from pmd_pipeline.records import PolicyManifest

MANIFEST_NAME = "manifest.json"
POLICY_FOLDER = "policy"
_OPTIMIZER_PREFIX = "optimizer"
_MAX_THREADS = 8


class CheckpointError(ValueError):
    """A checkpoint is incomplete or damaged; the message names the file and the remedy."""


def drop_optimizer_state(folder: Path) -> None:
    """Remove the optimizer's state of a stored policy, if any; the policy itself stays."""
    manifest = read_manifest(folder)
    dropped = [name for name in manifest.sha256 if is_optimizer_file(name)]
    if not dropped:
        return
    kept = {name: value for name, value in manifest.sha256.items() if name not in dropped}
    # The manifest first: if killed in between, only unused files are left over.
    write_sealed_json(folder / MANIFEST_NAME, asdict(replace(manifest, sha256=kept)))
    for name in dropped:
        (folder / name).unlink(missing_ok=True)


def verify(folder: Path) -> PolicyManifest:
    """Return the manifest of a folder after checking that all files have its checksums.

    Raises:
        CheckpointError: If the manifest or a file is missing, truncated or changed.
    """
    manifest = read_manifest(folder)
    check_files(folder, manifest, list(manifest.sha256))
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
            f"{path} is missing: the folder has no complete policy; {remedy(folder)}"
        ) from error
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); {remedy(folder)}") from error


def check_files(folder: Path, manifest: PolicyManifest, names: Sequence[str]) -> None:
    """Refuse files of a folder that have not the manifest's checksums.

    Raises:
        CheckpointError: If one is missing, truncated or changed.
    """
    for name in names:
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder / name} is missing; {remedy(folder)}")
    with file_threads() as threads:
        checksums = threads.map(lambda name: file_digest(folder / name), names)
        for name, found in zip(names, checksums, strict=True):
            expected = manifest.sha256[name]
            if found != expected:
                raise CheckpointError(
                    f"{folder / name} is damaged: its SHA-256 is {found[:12]}..., the manifest "
                    f"says {expected[:12]}...; {remedy(folder)}"
                )


def remedy(folder: Path) -> str:
    """Return what to do about a damaged folder, for messages."""
    return f"delete the folder {folder} and run again with --only-missing-outputs"


def is_optimizer_file(name: str) -> bool:
    """Return True for a file of the optimizer's state."""
    return name.startswith(_OPTIMIZER_PREFIX)


def file_threads() -> ThreadPoolExecutor:
    """Return threads that read or write files at once."""
    return ThreadPoolExecutor(min(_MAX_THREADS, os.cpu_count() or 1))
