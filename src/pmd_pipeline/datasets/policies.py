"""Policies and training states as catalog entries: by reference, weights with a manifest."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, get_args

from kedro.io import AbstractDataset, DatasetError

from pmd_pipeline.datasets.results import ResultDataset, joint_digest
from pmd_pipeline.policies.manifest import (
    MANIFEST_NAME,
    POLICY_FOLDER,
    drop_optimizer_state,
    read_manifest,
    verify,
)
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.policies.reference import PolicyReference, TrainingState

# What loads and saves weights is imported there: `kedro viz` makes a catalog as well.
if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

KeptStates = Literal["all", "last"]


class _StoredPolicy(ResultDataset):
    """Mixin: a policy is known by its manifest, which names the checksums of all its files."""

    def checksum(self, path: Path) -> str:
        # An optimizer's state may be dropped later; the policy stays what it is.
        files = read_manifest(path.parent).sha256
        return joint_digest({k: v for k, v in files.items() if k.startswith(POLICY_FOLDER)})

    def verify(self, path: Path) -> None:
        verify(path.parent)


class PolicyDataset(_StoredPolicy, AbstractDataset[Policy, PolicyReference]):
    """A policy in a folder: saves a live one, loads a reference to it."""

    def __init__(self, *, path: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(path)
        self.metadata = metadata

    def load(self) -> PolicyReference:
        return PolicyReference(folder=self._path)

    def save(self, data: Policy) -> None:
        from pmd_pipeline.policies.storage import save_policy

        save_policy(data, self._path)

    def files(self) -> list[Path]:
        return _manifests([self._path])

    def _remove(self) -> None:
        shutil.rmtree(self._path, ignore_errors=True)

    def _exists(self) -> bool:
        return (self._path / MANIFEST_NAME).is_file()

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._path)}


class TokenizerDataset(
    ResultDataset, AbstractDataset["PreTrainedTokenizerBase", "PreTrainedTokenizerBase"]
):
    """A tokenizer in a folder."""

    def __init__(self, *, path: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(path)
        self.metadata = metadata

    def load(self) -> "PreTrainedTokenizerBase":
        from pmd_pipeline.policies.loading import load_tokenizer_folder

        return load_tokenizer_folder(self._path)

    def save(self, data: "PreTrainedTokenizerBase") -> None:
        from pmd_pipeline.policies.storage import save_tokenizer

        save_tokenizer(data, self._path)

    def files(self) -> list[Path]:
        return sorted(path for path in self._path.rglob("*") if path.is_file())

    def _remove(self) -> None:
        shutil.rmtree(self._path, ignore_errors=True)

    def _exists(self) -> bool:
        return self._path.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._path)}


class TrainingStateDataset(_StoredPolicy, AbstractDataset[TrainingState, PolicyReference]):
    """The states of a phase: saves one per round, loads a reference to the phase's last.

    It exists when the phase is finished. A round's state replaces the previous one only when it is
    complete, so a killed run continues from the last complete round.

    Args:
        path: Folder of the phase, beside those of the training run's other phases.
        keep_optimizer_states: ``last``: once a state is saved, the optimizer states of earlier
            phases, which are no longer needed, are deleted; ``all``: all are kept.
    """

    def __init__(
        self,
        *,
        path: str,
        keep_optimizer_states: KeptStates = "all",
        metadata: dict[str, Any] | None = None,
    ) -> None:
        if keep_optimizer_states not in get_args(KeptStates):
            raise DatasetError(
                f"keep_optimizer_states is {keep_optimizer_states!r}; choose all or last"
            )
        self._path = Path(path)
        # Once is enough: while this phase trains, no former one does.
        self._drops_former_states = keep_optimizer_states == "last"
        self.metadata = metadata

    def load(self) -> PolicyReference:
        return _reference(_round_folders(self._path)[-1])

    def save(self, data: TrainingState) -> None:
        from pmd_pipeline.policies.storage import save_policy

        folder = self._path / f"round_{data.round_index:05d}"
        save_policy(
            data.policy,
            folder,
            optimizer_state=data.optimizer_state(),
            rollouts_ahead=data.rollouts_ahead,
            ends_phase=data.is_last,
        )
        data.stored(_reference(folder))
        for former in _round_folders(self._path):
            if former != folder:
                shutil.rmtree(former)
        if self._drops_former_states:
            for state in self._states_of_former_phases():
                drop_optimizer_state(state)
            self._drops_former_states = False

    def files(self) -> list[Path]:
        return _manifests(_round_folders(self._path)[-1:])

    def _remove(self) -> None:
        shutil.rmtree(self._path, ignore_errors=True)

    def _states_of_former_phases(self) -> list[Path]:
        phases = [path for path in self._path.parent.glob("phase_*") if path != self._path]
        former = [path for path in phases if _phase_number(path) < _phase_number(self._path)]
        return [state for phase in former for state in _round_folders(phase)]

    def _exists(self) -> bool:
        # A state that was deleted because it was damaged must be trained again.
        folders = _round_folders(self._path)
        return bool(folders) and read_manifest(folders[-1]).ends_phase

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._path)}


class ResumePointsDataset(AbstractDataset[NoReturn, dict[str, PolicyReference]]):
    """The input side of all :class:`TrainingStateDataset` entries.

    Loads the last state of each phase that has started, by the phase's namespace, such as
    ``pmd_mean.seed_1.phase_2``. A node's input may not also be its output, hence another entry for
    the same folders.

    Args:
        path: The folder of all policies.
    """

    def __init__(self, *, path: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(path)
        self.metadata = metadata

    def load(self) -> dict[str, PolicyReference]:
        return {
            ".".join(phase.relative_to(self._path).parts): _reference(folders[-1])
            for phase in sorted(self._path.glob("*/seed_*/phase_*"))
            if (folders := _round_folders(phase))
        }

    def save(self, data: NoReturn) -> None:
        raise DatasetError(f"{self._path} is written by the phases, not through this entry")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._path)}


def stored_policy(path: Path, *, models: Path) -> Path:
    """Return the folder of a policy: ``path`` itself, or the last state of a phase.

    Args:
        path: Where it is looked for.
        models: The folder of all policies, for the message.

    Raises:
        ValueError: If there is no policy.
    """
    if (path / MANIFEST_NAME).is_file():
        return path
    folders = _round_folders(path)
    if not folders:
        raise ValueError(
            f"there is no policy in {path}; name a folder below {models}: initial, a phase "
            "such as pmd_mean/seed_0/phase_1, or one of its rounds"
        )
    return folders[-1]


def _phase_number(path: Path) -> int:
    return int(path.name.removeprefix("phase_"))


def _manifests(folders: list[Path]) -> list[Path]:
    return [path for folder in folders if (path := folder / MANIFEST_NAME).is_file()]


def _round_folders(path: Path) -> list[Path]:
    return sorted(path.glob("round_*"))


def _reference(folder: Path) -> PolicyReference:
    return PolicyReference(folder=folder, round_index=int(folder.name.removeprefix("round_")))
