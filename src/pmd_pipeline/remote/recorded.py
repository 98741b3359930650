"""Which files a run's state speaks of, with those that a policy's manifest names."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from pmd_pipeline.files import file_digest
from pmd_pipeline.policies.manifest import MANIFEST_NAME, read_manifest


def recorded_files(
    records: Mapping[str, Mapping[str, tuple[str, str]]], data_root: Path
) -> dict[str, str]:
    """Return the SHA-256 of each file that is there, by its path below the data folder.

    Args:
        records: By dataset, of each file its checksum first, by that path.
        data_root: The data folder; what a catalog keeps elsewhere is left out.

    Raises:
        CheckpointError: If a policy's manifest is damaged.
    """
    found: dict[str, str] = {}
    for files in records.values():
        for path, (checksum, _) in files.items():
            file = data_root / path
            if path.startswith("..") or not file.is_file():
                continue
            if file.name == MANIFEST_NAME:  # its checksum is of what it names
                found[path] = file_digest(file)
                folder = PurePosixPath(path).parent
                for name, sha256 in read_manifest(file.parent).sha256.items():
                    found[str(folder / name)] = sha256
            else:
                found[path] = checksum
    return found
