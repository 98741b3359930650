"""What the hub, or its cache on this machine, says about a repository."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import yaml

RepositoryKind = Literal["model", "dataset"]

# The hub answers in well under a second; a firewall that drops packets never does.
TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """What could be found out about a repository.

    Attributes:
        is_reachable: True if its files are available, from the cache or from the hub.
        is_cached: True if this revision, or a part of it, is on this machine.
        commit: The revision's full commit; if none was asked for, the current one.
        licence: From its card; None if the card has none or was not seen.
        reason: Why it is not reachable.
    """

    is_reachable: bool
    is_cached: bool = False
    commit: str | None = None
    licence: str | None = None
    reason: str = ""


class Hub(Protocol):
    """Where repositories are looked up."""

    def look_up(self, name: str, kind: RepositoryKind, revision: str | None) -> Repository:
        """Return what can be found out about a repository; never raises."""


class HuggingFaceHub:
    """The Hugging Face hub and its cache."""

    def look_up(self, name: str, kind: RepositoryKind, revision: str | None) -> Repository:
        """Look in the cache first, then ask the hub, with a deadline."""
        folder = _cached_folder(name, kind, revision) if revision is not None else None
        if folder is not None:
            return Repository(
                is_reachable=True,
                is_cached=True,
                commit=folder.name,
                licence=licence_of_card(folder),
            )
        from huggingface_hub import HfApi

        try:
            info = HfApi().repo_info(
                name, repo_type=kind, revision=revision, timeout=TIMEOUT_SECONDS
            )
        # Its errors are those of an HTTP library that changes between releases; whatever goes
        # wrong, the repository is not available.
        except Exception as error:
            return Repository(is_reachable=False, reason=_reason(error))
        card = getattr(info, "card_data", None)
        licence = None if card is None else card.get("license")
        return Repository(is_reachable=True, commit=info.sha, licence=_as_text(licence))


def licence_of_card(folder: Path) -> str | None:
    """Return the licence in the header of a repository's README.md, None for none."""
    try:
        text = (folder / "README.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    parts = text.split("---", maxsplit=2)
    if len(parts) < 3 or parts[0].strip():
        return None
    try:
        head = yaml.safe_load(parts[1])
    except yaml.YAMLError:
        return None
    return _as_text(head["license"]) if isinstance(head, dict) and "license" in head else None


def _as_text(licence: object) -> str | None:
    if isinstance(licence, list):
        return ", ".join(map(str, licence)) or None
    return None if licence is None else str(licence)


def _cached_folder(name: str, kind: RepositoryKind, revision: str) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(name, repo_type=kind, revision=revision, local_files_only=True)
        )
    except (LocalEntryNotFoundError, ValueError, OSError):
        return None


def _reason(error: Exception) -> str:
    if "Connect" in type(error).__name__ or isinstance(error, ConnectionError | TimeoutError):
        return "no connection"
    first = (str(error).strip().splitlines() or ["no message"])[0]
    return f"{type(error).__name__}: {first[:120]}"
