"""The problems that a run trains and is evaluated on, as MLflow's data set inputs."""

import hashlib
import warnings
from dataclasses import dataclass
from typing import Literal

import pandas as pd
from mlflow.data.pandas_dataset import from_pandas
from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

Context = Literal["training", "evaluation"]

# As many as those that MLflow makes itself; its page shows all of them.
_DIGEST_LENGTH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class DataInput:
    """A data set that a run has read, as JSON can hold it.

    Attributes:
        name: Of the data set.
        digest: The beginning of a SHA-256 of its rows; with the name, MLflow's key.
        context: What it was read for.
        source_type: As MLflow names it.
        source: JSON: where it lies.
        schema: JSON: its columns.
        profile: JSON: how many rows it has.
    """

    name: str
    digest: str
    context: Context
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None

    def to_mlflow(self) -> DatasetInput:
        """Return it as the client takes it."""
        data = Dataset(
            self.name, self.digest, self.source_type, self.source, self.schema, self.profile
        )
        return DatasetInput(data, [InputTag(MLFLOW_DATASET_CONTEXT, self.context)])


def train_inputs(problems: pd.DataFrame, path: str) -> list[DataInput]:
    """Return the training problems as one data set.

    Args:
        problems: All of them.
        path: Where they lie.
    """
    return [_input("train_problems", problems, path, "training")]


def eval_inputs(problems: pd.DataFrame, path: str) -> list[DataInput]:
    """Return a data set for each evaluation set, under its name.

    Args:
        problems: All evaluation problems; ``source`` is the evaluation set.
        path: Where they lie.
    """
    return [
        _input(str(name), rows, path, "evaluation")
        for name, rows in problems.groupby("source", sort=False)
    ]


def _input(name: str, rows: pd.DataFrame, path: str, context: Context) -> DataInput:
    with warnings.catch_warnings():
        # Of integer columns, for models that would read them, and of a path's many meanings.
        warnings.simplefilter("ignore")
        described = from_pandas(rows, path, name=name, digest=_digest(rows)).to_dict()
    return DataInput(context=context, **described)


def _digest(rows: pd.DataFrame) -> str:
    # MLflow's own reads ten thousand rows, and no column in which an answer is missing.
    values = pd.util.hash_pandas_object(rows, index=False).to_numpy()
    return hashlib.sha256(values.tobytes()).hexdigest()[:_DIGEST_LENGTH]
