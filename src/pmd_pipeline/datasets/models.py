"""Models that are evaluated without training, as catalog entries."""

from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
from kedro.io import AbstractDataset, DatasetError

from pmd_pipeline.config.evaluate_models import StoredPolicyConfig
from pmd_pipeline.config.policy import PretrainedPolicyConfig
from pmd_pipeline.datasets.policies import stored_policy
from pmd_pipeline.datasets.results import joint_digest
from pmd_pipeline.datasets.rounds import RoundTablesDataset
from pmd_pipeline.endpoints.endpoint import RESPONSE_COLUMNS, Endpoint
from pmd_pipeline.files import file_digest
from pmd_pipeline.policies.manifest import POLICY_FOLDER, file_threads, read_manifest
from pmd_pipeline.policies.reference import PolicyReference, PretrainedReference

# Weights, configuration, tokenizer and chat template of a model folder.
_MODEL_SUFFIXES = (".safetensors", ".json", ".jinja", ".model", ".txt")

COMPLETE = "complete"
"""The partition, without rows, that says that all responses are there."""


class ModelDataset(AbstractDataset[NoReturn, PolicyReference | PretrainedReference]):
    """A model that this process runs: loads a reference to it.

    Args:
        config: Where it is.
        models: The folder of this environment's policies.
        name: Of the model, for messages.
    """

    def __init__(
        self, config: StoredPolicyConfig | PretrainedPolicyConfig, models: Path, name: str
    ) -> None:
        self._config = config
        self._models = models
        self._name = name

    def load(self) -> PolicyReference | PretrainedReference:
        if isinstance(self._config, PretrainedPolicyConfig):
            return PretrainedReference(config=self._config)
        here = Path(self._config.path)
        folder = here if here.is_dir() else self._models / here
        try:
            return PolicyReference(folder=stored_policy(folder, models=self._models))
        except ValueError as error:
            raise ValueError(f"evaluate_models.models.{self._name}.path: {error}") from None

    def save(self, data: NoReturn) -> None:
        raise DatasetError("a model that is evaluated is not changed")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return self._config.model_dump()


class EndpointDataset(AbstractDataset[NoReturn, Endpoint]):
    """A model on a server: loads what asks it.

    Args:
        endpoint: The model; it holds the credentials, which are never described.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def load(self) -> Endpoint:
        return self._endpoint

    def save(self, data: NoReturn) -> None:
        raise DatasetError("a server is asked, not saved")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return self._endpoint.config.model_dump(include={"kind", "credentials", "model", "api"})


class ResponsesDataset(RoundTablesDataset):
    """A server's responses: a partition for those of every few seconds.

    It exists when the partition ``COMPLETE`` is there, so a run that was cut goes on with what is
    missing.
    """

    def load(self) -> pd.DataFrame:
        return _table_of(self.files())

    def _exists(self) -> bool:
        return (Path(self._path) / f"{COMPLETE}.parquet").is_file()


class FormerResponsesDataset(AbstractDataset[NoReturn, pd.DataFrame]):
    """The input side of a `ResponsesDataset`, as a node may not share an input and an output.

    Loads what is there, with its number of partitions in ``attrs["num_partitions"]``.
    """

    def __init__(self, *, path: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = path
        self.metadata = metadata

    def load(self) -> pd.DataFrame:
        files = ResponsesDataset(path=self._path).files()
        table = _table_of(files)
        table.attrs["num_partitions"] = len(files)
        return table

    def save(self, data: NoReturn) -> None:
        raise DatasetError(f"{self._path} is written by the node that asks, not through this entry")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"path": self._path}


def checksum_of(model: PolicyReference | PretrainedReference) -> str:
    """Return a digest of a model's files; its revision where it is on the hub.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If the model's folder is not one.
    """
    if isinstance(model, PolicyReference):
        files = read_manifest(model.folder).sha256
        return joint_digest({k: v for k, v in files.items() if k.startswith(POLICY_FOLDER)})
    if model.config.path is None:
        return str(model.config.revision)
    folder = Path(model.config.path)
    paths = sorted(path for suffix in _MODEL_SUFFIXES for path in folder.glob(f"*{suffix}"))
    with file_threads() as threads:
        digests = threads.map(file_digest, paths)
        return joint_digest({path.name: d for path, d in zip(paths, digests, strict=True)})


def _table_of(files: list[Path]) -> pd.DataFrame:
    parts = [pd.read_parquet(path) for path in files if path.stem != COMPLETE]
    if not parts:
        return no_responses()
    return pd.concat(parts, ignore_index=True)


def no_responses() -> pd.DataFrame:
    """Return a table of responses without rows."""
    types = {"sample_index": "int64", "truncated": "bool", "num_tokens": "int64"}
    return pd.DataFrame(
        {name: pd.Series(dtype=types.get(name, "object")) for name in RESPONSE_COLUMNS}
    )
