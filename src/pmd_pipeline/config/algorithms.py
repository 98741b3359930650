"""The algorithms of an experiment: one model per kind, told apart by ``kind``."""

from collections.abc import ItemsView, Mapping
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import ConfigDict, Field, RootModel, model_validator

from pmd_pipeline.config.base import StrictModel, VariantModel
from pmd_pipeline.config.names import Label

Baseline = Literal[
    "mean",
    "leave_one_out_mean",
    "log_partition",
    "leave_one_out_log_partition",
    "group_standardised",
]
LengthNormalisation = Literal["response", "max"]
TokenAggregation = Literal["token_mean", "sequence_mean"]

# Undefined for a group of one: nothing is left when it leaves itself out, and one number has no
# sample standard deviation.
BASELINES_OF_TWO_OR_MORE: frozenset[Baseline] = frozenset(
    {"leave_one_out_mean", "leave_one_out_log_partition", "group_standardised"}
)

# With any baseline a rollout alone has an advantage of 0 or none at all: nothing is ever learned.
SMALLEST_GROUP: Final = 2

Tau = Annotated[float, Field(gt=0, le=1000, description="PMD regularisation, reward units per nat")]
ClipLow = Annotated[
    float, Field(gt=0, le=1, description="the ratio is clipped from below at 1 - clip_low")
]
ClipHigh = Annotated[
    float, Field(gt=0, le=100, description="the ratio is clipped from above at 1 + clip_high")
]
PerRollout = Annotated[
    LengthNormalisation,
    Field(
        description="what a rollout's loss is divided by: the tokens of its own response, or the "
        "longest response allowed"
    ),
]


def check_group_size(group_size: int, baseline: Baseline) -> None:
    """Raise ValueError if no group of this size could teach a policy anything."""
    if group_size >= SMALLEST_GROUP:
        return
    why = (
        "leaves the rollout itself out, and no other is there"
        if baseline in BASELINES_OF_TWO_OR_MORE
        else "is the rollout's own reward, so that every advantage is 0"
    )
    raise ValueError(
        f"needs a group_size of at least {SMALLEST_GROUP}, found {group_size}: in a group of one, "
        f"the baseline {baseline} {why}"
    )


class RefillConfig(StrictModel):
    """Go on drawing prompts until a round has its number of groups that the filter keeps."""

    max_extra_rounds: int = Field(
        ge=1, le=100, description="most extra prompts of a round, in times prompts_per_round"
    )


class PromptFilterConfig(StrictModel):
    """Keep a group only if its mean reward is strictly between two bounds.

    With rewards of +1 and -1, ``low: -1`` and ``high: 1`` drop the groups without signal: all
    right or all wrong.
    """

    low: float | None = Field(default=None, description="None: no lower bound")
    high: float | None = Field(default=None, description="None: no upper bound")
    divide_by: Literal["kept", "all"] = Field(
        default="kept",
        description="rollouts whose number the losses are divided by: with all, a mini-batch that "
        "the filter thins out takes a smaller step",
    )
    refill: RefillConfig | None = Field(
        default=None,
        description="draw more prompts in the place of those whose groups are dropped; None: a "
        "round has fewer groups then",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.low is None and self.high is None:
            raise ValueError("prompt_filter sets no bound: give low, high or both, or leave it out")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(
                f"prompt_filter keeps nothing: low {self.low} is not below high {self.high}"
            )
        return self


class AlgorithmConfig(VariantModel):
    """What every algorithm has: its baseline, and what it overrides of the section ``training``."""

    takes_token_weights: ClassVar[bool]
    """True when the loss is a sum over tokens, so that each token may have its own weight."""

    resamples_each_mini_batch: ClassVar[bool] = False
    """True when every mini-batch is sampled from the policy just updated, never reused."""

    baseline: Baseline = Field(description="what is taken off a reward to make an advantage")
    learning_rate: float | None = Field(
        default=None, gt=0, le=1, description="None: that of training.optimizer"
    )
    num_mini_batches: int | None = Field(
        default=None, ge=1, description="updates per round; None: that of training"
    )
    group_size: int | None = Field(
        default=None, ge=1, description="n, rollouts per prompt; None: that of training"
    )
    prompt_filter: PromptFilterConfig | None = Field(
        default=None, description="drops whole groups of a round before its updates; None: keep all"
    )

    @model_validator(mode="after")
    def _group_is_large_enough(self) -> Self:
        if self.group_size is not None:
            check_group_size(self.group_size, self.baseline)
        return self


class PmdConfig(AlgorithmConfig):
    """What PMD-mean and PMD-part share: regression of the sequence log-ratio on ``A / tau``."""

    takes_token_weights: ClassVar[bool] = False

    tau: Tau
    length_normalisation: PerRollout = "response"
    partition_weights: bool = Field(
        default=False,
        description="weigh each rollout by its estimated ratio of the ideal KL step to the "
        "behaviour policy",
    )


class PmdMeanConfig(PmdConfig):
    """PMD-mean: the mean reward replaces the log-partition."""

    kind: Literal["pmd_mean"] = "pmd_mean"
    baseline: Literal["mean", "leave_one_out_mean"] = "leave_one_out_mean"


class PmdPartConfig(PmdConfig):
    """PMD-part: the log-partition, estimated from the group."""

    kind: Literal["pmd_part"] = "pmd_part"
    baseline: Literal["log_partition", "leave_one_out_log_partition"] = (
        "leave_one_out_log_partition"
    )
    partition_floor: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="lower bound of the leave-one-out mean of exp((r - best of the group) / tau); "
        "the authors' code has 1e-8; None: unbounded",
    )

    @model_validator(mode="after")
    def _floor_has_a_baseline_to_bound(self) -> Self:
        if self.partition_floor is not None and self.baseline != "leave_one_out_log_partition":
            raise ValueError(
                f"partition_floor {self.partition_floor} bounds the leave-one-out partition alone, "
                f"found the baseline {self.baseline}: set it to leave_one_out_log_partition, or "
                "leave partition_floor out"
            )
        return self


class GrpoConfig(AlgorithmConfig):
    """GRPO: clipped surrogate on each token's ratio."""

    takes_token_weights: ClassVar[bool] = True

    kind: Literal["grpo"] = "grpo"
    baseline: Literal["group_standardised", "mean", "leave_one_out_mean"] = "group_standardised"
    clip_low: ClipLow = 0.2
    clip_high: ClipHigh = 0.2
    dual_clip: float | None = Field(
        default=None,
        gt=1,
        description="upper bound of the ratio if the advantage is negative; None: unbounded",
    )
    aggregation: TokenAggregation = Field(
        default="token_mean",
        description="token_mean: every token counts the same; sequence_mean: every response does",
    )


class GspoConfig(AlgorithmConfig):
    """GSPO: clipped surrogate on the length-normalised sequence ratio."""

    takes_token_weights: ClassVar[bool] = False

    kind: Literal["gspo"] = "gspo"
    baseline: Literal["group_standardised", "mean", "leave_one_out_mean"] = "group_standardised"
    # The paper's bounds, meant for responses of thousands of tokens.
    clip_low: ClipLow = 3e-4
    clip_high: ClipHigh = 4e-4


class OnPolicyGradientConfig(AlgorithmConfig):
    """Policy gradient on fresh rollouts: a round's prompts are split into mini-batches, and each is
    sampled from the policy that the previous one updated.
    """

    takes_token_weights: ClassVar[bool] = True
    resamples_each_mini_batch: ClassVar[bool] = True

    kind: Literal["on_policy_gradient"] = "on_policy_gradient"
    baseline: Literal["mean", "leave_one_out_mean", "group_standardised"] = "leave_one_out_mean"
    length_normalisation: PerRollout = "response"


AnyAlgorithmConfig = Annotated[
    PmdMeanConfig | PmdPartConfig | GrpoConfig | GspoConfig | OnPolicyGradientConfig,
    Field(discriminator="kind"),
]


class AlgorithmsConfig(RootModel[Mapping[Label, AnyAlgorithmConfig]]):
    """Section ``algorithms`` of the parameters: label -> algorithm.

    Any label will do (it becomes a Kedro namespace and the name of a tracked run), so one
    experiment can compare two entries of the same kind.
    """

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.root:
            raise ValueError("algorithms is empty: define at least one")
        return self

    def __getitem__(self, label: str) -> AnyAlgorithmConfig:
        """Return one algorithm.

        Raises:
            ValueError: If no algorithm has this label.
        """
        if label not in self.root:
            raise ValueError(
                f"no algorithm is labelled {label!r}; the section algorithms defines: "
                f"{', '.join(self.root)}"
            )
        return self.root[label]

    def items(self) -> ItemsView[str, AnyAlgorithmConfig]:
        """Return the labels and their algorithms, in the file's order."""
        return self.root.items()


class AlgorithmParameters(RootModel[AnyAlgorithmConfig]):
    """One entry of the section ``algorithms``; its algorithm is ``root``.

    Kedro validates a node's parameters against a model, not against a union: this is the model to
    annotate an input such as ``params:algorithms.pmd_mean`` with.
    """

    model_config = ConfigDict(frozen=True)
