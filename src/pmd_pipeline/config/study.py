"""Hyperparameter studies: what is searched, on which budget, by which sampler."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from pmd_pipeline.config.base import StrictModel, without_nulls
from pmd_pipeline.config.data_preparation import ProblemSource
from pmd_pipeline.config.names import LONGEST_NAME, Label

StudyName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=LONGEST_NAME)]
ParameterName = Annotated[
    str, StringConstraints(pattern=r"^(training|algorithm|algorithms\.[a-z0-9_]+)(\.[a-z0-9_]+)+$")
]
Choice = bool | int | float | str

# The set of problems that decides between trials; no reported evaluation set may have its name.
VALIDATION_SET = "validation"
# Name of the dimension that says which algorithm a trial trains.
ALGORITHM = "algorithm"


class _Dimension(StrictModel):
    """What all dimensions share: a key set to null counts as not given."""

    @model_validator(mode="before")
    @classmethod
    def _null_is_not_given(cls, values: Any) -> Any:
        return without_nulls(values)


class _Range(_Dimension):
    low: float = Field(description="smallest value")
    high: float = Field(description="largest value")
    log: bool = Field(default=False, description="uniform in the logarithm")
    num_points: int | None = Field(
        default=None, ge=2, le=1000, description="points that the sampler grid takes"
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low >= self.high:
            raise ValueError(
                f"the bounds are the wrong way round: low {self.low:g} is not below high "
                f"{self.high:g}; swap them"
            )
        if self.log and self.low <= 0:
            raise ValueError(f"log: true needs a low above 0, found {self.low:g}")
        return self


class FloatRange(_Range):
    """A real number between two bounds."""

    kind: Literal["float"]


class IntRange(_Range):
    """A whole number between two bounds, both included."""

    kind: Literal["int"]
    low: int = Field(description="smallest value")
    high: int = Field(description="largest value")


class Choices(_Dimension):
    """One of a few values."""

    kind: Literal["choice"]
    choices: tuple[Choice, ...] = Field(min_length=2, description="the values")

    @field_validator("choices")
    @classmethod
    def _distinct(cls, choices: tuple[Choice, ...]) -> tuple[Choice, ...]:
        if len(set(choices)) != len(choices):
            raise ValueError(f"a choice appears twice: {list(choices)}")
        return choices


Dimension = Annotated[FloatRange | IntRange | Choices, Field(discriminator="kind")]


class BudgetConfig(StrictModel):
    """What every trial may spend, whatever its parameters."""

    rollouts: int = Field(
        ge=1,
        description="per trial (and repeat): rounds x prompts per round x group_size; the prompts "
        "per round follow from it, so large groups mean few prompts",
    )
    num_phases: int | None = Field(
        default=None, ge=1, description="null: training.num_phases; pruning may come after each"
    )
    rounds_per_phase: int | None = Field(
        default=None, ge=1, description="null: training.rounds_per_phase"
    )


class SamplerConfig(StrictModel):
    """How the next trial's parameters are chosen."""

    kind: Literal["tpe", "gp", "nsga2", "grid", "random"] = Field(
        default="tpe",
        description="tpe: multivariate tree-structured Parzen estimator; gp: Gaussian process; "
        "nsga2: genetic, for two objectives; grid: every combination; random",
    )
    seed: int = Field(default=0, ge=0, description="of the sampler's own draws")
    num_startup_trials: int = Field(
        default=10, ge=1, description="random ones before tpe and gp start to model"
    )
    population_size: int = Field(default=16, ge=2, description="of nsga2")


class PrunerConfig(StrictModel):
    """Which trials end early, judged by the evaluation after each phase."""

    kind: Literal["median", "hyperband", "none"] = Field(
        default="median",
        description="median: worse than the median of the others after the same phase",
    )
    num_startup_trials: int = Field(default=5, ge=0, description="finished ones before median cuts")
    num_warmup_phases: int = Field(default=0, ge=0, description="of each trial, median never cuts")
    reduction_factor: int = Field(default=3, ge=2, description="of hyperband")


class StorageConfig(StrictModel):
    """Where the study's trials are kept."""

    kind: Literal["sqlite", "journal", "postgresql"] = Field(
        default="sqlite",
        description="sqlite: a file, one machine; journal: a file, for a shared file system; "
        "postgresql: a server, for many machines",
    )
    path: str | None = Field(
        default=None, description="file of sqlite or journal; null: in the study's own folder"
    )
    credentials: str | None = Field(
        default=None,
        description="postgresql: entry of conf/local/credentials.yml with the key url",
    )
    environment_variable: str | None = Field(
        default=None, description="postgresql: variable that holds the URL"
    )
    heartbeat_seconds: int = Field(default=20, ge=1, description="between two heartbeats")
    grace_seconds: int = Field(
        default=90, ge=2, description="a trial without a heartbeat for this long is reclaimed"
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.grace_seconds <= self.heartbeat_seconds:
            raise ValueError(
                f"grace_seconds {self.grace_seconds} must be above heartbeat_seconds "
                f"{self.heartbeat_seconds}: every trial would be considered dead"
            )
        sources = [name for name in (self.credentials, self.environment_variable) if name]
        if self.kind == "postgresql":
            if len(sources) != 1 or self.path is not None:
                raise ValueError(
                    "kind postgresql takes its URL from exactly one of credentials and "
                    "environment_variable, and no path"
                )
        elif sources:
            raise ValueError(f"credentials and environment_variable do not belong to {self.kind}")
        return self


class WorkersConfig(StrictModel):
    """The workers that ``--workers ray`` starts; unused without it."""

    resources: Mapping[str, float] | None = Field(
        default=None,
        description="what each reserves, as Ray names it: CPU, GPU, a cluster's own; null: a CPU "
        "for each thread, and a GPU if compute.device allows one and the cluster has any",
    )
    max_restarts: int = Field(
        default=3,
        ge=0,
        description="how many lost workers are replaced; after that the study goes on with those "
        "that are left",
    )

    @field_validator("resources")
    @classmethod
    def _something(cls, resources: Mapping[str, float] | None) -> Mapping[str, float] | None:
        if resources is not None and not resources:
            raise ValueError("it names nothing to reserve; name something, or leave it out")
        for name, number in (resources or {}).items():
            if not 0 < number < math.inf:
                raise ValueError(
                    f"{name}: {number:g} cannot be reserved; give a number above 0, or leave "
                    f"{name} out"
                )
        return resources


class StudyConfig(StrictModel):
    """One study of the section ``studies``: which parameters are best, on an equal budget?"""

    algorithms: tuple[Label, ...] = Field(
        min_length=1, description="labels of the section algorithms; several: one more dimension"
    )
    search_space: Mapping[ParameterName, Dimension] = Field(
        min_length=1,
        description="by dotted name; algorithm.NAME belongs to the algorithm that a trial trains",
    )
    validation: ProblemSource = Field(
        description="problems that decide between trials; not those of a reported evaluation set"
    )
    objective: Literal["accuracy", "accuracy_and_seconds"] = Field(
        default="accuracy",
        description="accuracy: avg@k on the validation problems after the last phase; "
        "accuracy_and_seconds: accuracy and the seconds of training",
    )
    budget: BudgetConfig
    num_trials: int = Field(
        default=30, ge=1, description="stop once this many trials have finished"
    )
    repeats: int = Field(
        default=1,
        ge=1,
        le=100,
        description="per trial, each with another training seed: "
        "training.seeds, then the smallest others; the mean counts",
    )
    tries_current_first: bool = Field(
        default=True,
        description="trial 0 has the experiment's own values, if the search space contains them, "
        "as a baseline for the best trial (never with the sampler grid)",
    )
    sampler: SamplerConfig = SamplerConfig()
    pruner: PrunerConfig = PrunerConfig()
    storage: StorageConfig = StorageConfig()
    workers: WorkersConfig = WorkersConfig()
    keep_policies: Literal["best", "all", "none"] = Field(
        default="best", description="trials whose weights stay on disk; tables always do"
    )

    @field_validator("search_space", mode="before")
    @classmethod
    def _null_is_no_dimension(cls, space: Any) -> Any:
        return without_nulls(space)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.algorithms)) != len(self.algorithms):
            raise ValueError(f"algorithms names a label twice: {list(self.algorithms)}")
        if self.objective == "accuracy_and_seconds" and self.pruner.kind != "none":
            raise ValueError(
                f"pruner.kind is {self.pruner.kind!r}, but trials with two objectives cannot be "
                "pruned; set it to none"
            )
        if self.sampler.kind == "grid":
            for name, dimension in self.search_space.items():
                if not isinstance(dimension, Choices) and dimension.num_points is None:
                    raise ValueError(
                        f"search_space.{name}: the sampler grid needs num_points for a range"
                    )
        return self
