"""All parameters of an experiment together, and the rules between its sections."""

import difflib
import math
from collections.abc import Iterator, Mapping
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator

from pmd_pipeline.config.algorithms import AlgorithmsConfig, AnyAlgorithmConfig, check_group_size
from pmd_pipeline.config.base import StrictModel
from pmd_pipeline.config.cluster import ClusterConfig
from pmd_pipeline.config.comparison import ComparisonConfig, check_equal
from pmd_pipeline.config.compute import ComputeConfig
from pmd_pipeline.config.data_preparation import DataPreparationConfig
from pmd_pipeline.config.embedded_data import check_embedded_data
from pmd_pipeline.config.evaluate_models import EvaluateModelsConfig
from pmd_pipeline.config.evaluation import EvaluationConfig
from pmd_pipeline.config.overrides import group_size_of, num_mini_batches_of
from pmd_pipeline.config.policy import EmbeddedPolicyConfig, PolicyInitialisationConfig
from pmd_pipeline.config.prompt_templates import asked_convention
from pmd_pipeline.config.reporting import ReportingConfig
from pmd_pipeline.config.rewards import AnyRewardConfig, MathRewardConfig, SumRewardConfig
from pmd_pipeline.config.rollout_generation import RolloutGenerationConfig
from pmd_pipeline.config.storage import StorageConfig
from pmd_pipeline.config.study import StudyConfig, StudyName
from pmd_pipeline.config.theory import TheoryConfig
from pmd_pipeline.config.tracking import TrackingConfig
from pmd_pipeline.config.training import TrainingConfig
from pmd_pipeline.config.training_runs import TrainingRun


class ParameterError(ValueError):
    """The parameters are wrong; the message names each key, the value found and the remedy."""


class ExperimentConfig(StrictModel):
    """Every section of ``conf/<env>/parameters*.yml``."""

    seed: int = Field(
        ge=0,
        description="decides problems, initial policy and the draws of evaluations, the same for "
        "all training runs; training.seeds decides the rest",
    )
    compute: ComputeConfig
    cluster: ClusterConfig = ClusterConfig()
    data_preparation: DataPreparationConfig
    policy_initialisation: PolicyInitialisationConfig
    rollout_generation: RolloutGenerationConfig
    rewards: AnyRewardConfig = Field(discriminator="kind")
    training: TrainingConfig
    algorithms: AlgorithmsConfig
    evaluation: EvaluationConfig
    comparison: ComparisonConfig
    reporting: ReportingConfig
    theory: TheoryConfig
    tracking: TrackingConfig = TrackingConfig()
    storage: StorageConfig = StorageConfig()
    studies: dict[StudyName, StudyConfig] = Field(
        default={},
        exclude=True,  # no result of `kedro run` depends on them, so runs do not record them
        description="hyperparameter studies by name, for `kedro study`",
    )
    evaluate_models: EvaluateModelsConfig = Field(
        default=EvaluateModelsConfig(),
        exclude=True,  # no training depends on it; runs of its own pipeline record it
        description="models that are evaluated without training: the pipeline evaluate_models",
    )

    def trained_algorithms(self) -> dict[str, AnyAlgorithmConfig]:
        """Return the algorithms that are trained, by label, in their order."""
        return {label: self.algorithms[label] for label in self.training.algorithms}

    def training_runs(self) -> tuple[TrainingRun, ...]:
        """Return what is trained: every algorithm with every training seed, by algorithm."""
        training = self.training
        return tuple(
            TrainingRun(label, seed) for label in training.algorithms for seed in training.seeds
        )

    @model_validator(mode="after")
    def _processes_on_ray_are_counted(self) -> Self:
        if self.compute.launch == "ray" and self.cluster.training.num_processes is None:
            raise ValueError(
                "compute.launch: ray needs cluster.training.num_processes: how many processes "
                "train together, this one included"
            )
        return self

    @model_validator(mode="after")
    def _algorithms_fit(self) -> Self:
        training = self.training
        for label, algorithm in self.trained_algorithms().items():
            if training.lag > 0 and algorithm.resamples_each_mini_batch:
                raise ValueError(
                    f"algorithms.{label}: {algorithm.kind} samples afresh for each mini-batch, so "
                    f"nothing can be sampled ahead (training.lag is {training.lag}); leave it out "
                    "of training.algorithms, or use lag: 0"
                )
            group_size = group_size_of(training, algorithm)
            try:
                check_group_size(group_size, algorithm.baseline)
            except ValueError as error:
                raise ValueError(
                    f"algorithms.{label}: {error}; raise training.group_size"
                ) from None
            num_mini_batches = num_mini_batches_of(training, algorithm)
            if training.prompts_per_round % num_mini_batches:
                raise ValueError(
                    f"algorithms.{label}: {num_mini_batches} mini-batches do not divide "
                    f"training.prompts_per_round {training.prompts_per_round}"
                )
            if training.importance_weights is not None and not (
                algorithm.takes_token_weights or training.importance_weights.level == "sequence"
            ):
                raise ValueError(
                    f"algorithms.{label}: {algorithm.kind} has one loss per sequence; set "
                    "training.importance_weights.level: sequence"
                )
        return self

    @model_validator(mode="after")
    def _the_reference_is_there(self) -> Self:
        """Told only of what was set: the default's label may be none of this file's."""
        reference = self.reporting.reference_algorithm
        if reference is not None and "reference_algorithm" in self.reporting.model_fields_set:
            try:
                self.algorithms[reference]
            except ValueError as error:
                raise ValueError(f"reporting.reference_algorithm: {error}") from None
        return self

    @model_validator(mode="after")
    def _algorithms_are_compared_fairly(self) -> Self:
        check_equal(self.comparison, self.training, self.trained_algorithms())
        return self

    @model_validator(mode="after")
    def _a_round_can_be_filled(self) -> Self:
        needed = self.training.prompts_per_round
        key, most = self.data_preparation.most_train_problems()
        if most is not None and most < needed:
            raise ValueError(
                f"training.prompts_per_round is {needed}, but {key} is {most}: no round could be "
                "filled; lower the one, or raise the other"
            )
        return self

    @model_validator(mode="after")
    def _some_groups_lie_between_bounds(self) -> Self:
        """Bounds on mean rewards leave something where rewards have two known values."""
        values = _two_values(self.rewards)
        if values is None:
            return self
        selection = self.rollout_generation
        _check_bounds(
            (selection.min_mean_reward, selection.max_mean_reward),
            selection.num_samples,
            values,
            what="rollout_generation: no prompt can be selected",
            remedy="raise num_samples, or change min_mean_reward and max_mean_reward",
        )
        for label, algorithm in self.trained_algorithms().items():
            bounds = algorithm.prompt_filter
            if bounds is not None:
                _check_bounds(
                    (bounds.low, bounds.high),
                    group_size_of(self.training, algorithm),
                    values,
                    what=f"algorithms.{label}.prompt_filter: no group can be kept",
                    remedy="change the bounds, or raise group_size",
                )
        return self

    @model_validator(mode="after")
    def _grader_reads_what_the_prompt_asks_for(self) -> Self:
        template = self.data_preparation.prompt_template
        asked_for = asked_convention(template)
        if asked_for is None:
            return self
        for section, grader in _graders(self.rewards):
            if grader.convention != asked_for:
                raise ValueError(
                    f"{section}.convention is {grader.convention!r}, but prompt_template "
                    f"{template!r} asks for answers of the form {asked_for!r}: every response "
                    "would be graded wrong; make the two agree"
                )
        return self

    @model_validator(mode="after")
    def _embedded_policy_fits(self) -> Self:
        policy, data = self.policy_initialisation.policy, self.data_preparation
        if not isinstance(policy, EmbeddedPolicyConfig):
            return self
        check_embedded_data(data)
        if data.prompt_template != "embedded":
            raise ValueError(
                "the embedded policy supports only the prompt_template 'embedded', found "
                f"{data.prompt_template!r}"
            )
        return self


def _two_values(rewards: AnyRewardConfig) -> tuple[float, float] | None:
    """Return the rewards of a wrong and of a right response, None where others are possible."""
    if not isinstance(rewards, MathRewardConfig) or rewards.overlong_buffer_tokens is not None:
        return None
    return rewards.incorrect_reward, rewards.correct_reward


def _check_bounds(
    bounds: tuple[float | None, float | None],
    num_rewards: int,
    values: tuple[float, float],
    *,
    what: str,
    remedy: str,
) -> None:
    """Raise ValueError if no mean of so many rewards of two values lies between open bounds."""
    low = -math.inf if bounds[0] is None else bounds[0]
    high = math.inf if bounds[1] is None else bounds[1]
    wrong, right = values
    means = [wrong + (right - wrong) * k / num_rewards for k in range(num_rewards + 1)]
    if not any(low < mean < high for mean in means):
        raise ValueError(
            f"{what}: the mean of {num_rewards} rewards of {wrong:g} or {right:g} never lies "
            f"strictly between {low:g} and {high:g}; {remedy}"
        )


def _graders(rewards: AnyRewardConfig) -> Iterator[tuple[str, MathRewardConfig]]:
    """Yield what compares answers, with the section that it is in."""
    if isinstance(rewards, MathRewardConfig):
        yield "rewards", rewards
    if isinstance(rewards, SumRewardConfig):
        for name, part in rewards.parts.items():
            if isinstance(part, MathRewardConfig):
                yield f"rewards.parts.{name}", part


def parse_parameters(parameters: Mapping[str, Any]) -> ExperimentConfig:
    """Return the parameters as models.

    Raises:
        ParameterError: With one line per mistake: key, what is wrong, value found, and the most
            similar name if a key is unknown.
    """
    try:
        return ExperimentConfig.model_validate(parameters)
    except ValidationError as error:
        lines = [_explain(details, parameters) for details in _causes(error)]
        raise ParameterError(
            "the parameters in conf/ (or given by --params) are wrong:\n  " + "\n  ".join(lines)
        ) from None


def _causes(error: ValidationError) -> list[Any]:
    """Return the mistakes without those that follow from others.

    A list whose entries are all wrong counts as empty to pydantic, and so as too short.
    """
    mistakes = error.errors()
    return [
        one
        for one in mistakes
        if one["type"] != "too_short"
        or not any(
            len(other["loc"]) > len(one["loc"]) and other["loc"][: len(one["loc"])] == one["loc"]
            for other in mistakes
        )
    ]


def _explain(details: Any, parameters: Mapping[str, Any]) -> str:
    location = _keys(details["loc"], parameters)
    key = ".".join(location)
    message = str(details["msg"]).removeprefix("Value error, ")
    if details["type"] == "tuple_type":
        message = "Input should be a list"
    if details["type"] == "extra_forbidden":
        return f"{key}: unknown parameter{_suggestion(location)}; correct or remove it"
    if details["type"] == "missing":
        return f"{key}: missing; add it to the parameters"
    if not location:
        return message
    if isinstance(details["input"], Mapping):
        return f"{key}: {message}"
    return f"{key}: {message} (found {details['input']!r})"


def _keys(location: tuple[str | int, ...], parameters: Mapping[str, Any]) -> list[str]:
    """Return the keys of a location as in the file: pydantic adds the kind of a variant."""
    keys: list[str] = []
    values: Any = parameters
    for part in location:
        is_mapping = isinstance(values, Mapping)
        if is_mapping and part not in values and values.get("kind") == part:
            continue
        # The tag of a variant that has no kind; the mark of a name that is itself wrong.
        if str(part).startswith("(") or part == "[key]":
            continue
        keys.append(str(part))
        values = values.get(part) if is_mapping else None
    return keys


def _suggestion(location: list[str]) -> str:
    # The name itself is right in another section, and so no help here.
    names = _field_names(ExperimentConfig) - {location[-1]}
    similar = difflib.get_close_matches(location[-1], sorted(names), n=1)
    return f"; did you mean {similar[0]!r}?" if similar else ""


def _field_names(model: type[StrictModel]) -> set[str]:
    """Return the names of all parameters, whatever their section."""
    schema = model.model_json_schema()
    definitions = [schema, *schema.get("$defs", {}).values()]
    return {name for part in definitions for name in part.get("properties", {})}
