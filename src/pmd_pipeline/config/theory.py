"""The theory figures: which exact solutions are tabulated and drawn."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pmd_pipeline.config.base import StrictModel

PmdMethod = Literal["pmd_mean", "pmd_part"]
LaboratoryMethod = Literal["pmd_mean", "pmd_part", "group_standardised"]
RolloutBaseline = Literal[
    "mean", "leave_one_out_mean", "log_partition", "leave_one_out_log_partition"
]

Tau = Annotated[float, Field(gt=0, le=1e6, description="reward units per nat")]
Probability = Annotated[float, Field(gt=0, lt=1)]
GroupSize = Annotated[int, Field(ge=2, le=100_000)]

_SUM_TOLERANCE = 1e-9


class ProbabilityGrid(StrictModel):
    """Success probabilities at which a curve is evaluated."""

    low: Probability = Field(default=0.001, description="first")
    high: Probability = Field(default=0.999, description="last")
    num_points: int = Field(default=200, ge=2, le=100_000, description="evenly spaced")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        return self


class LogPartitionFigureConfig(StrictModel):
    """Figure 1, left: scaled log-partition and mean reward against the success probability."""

    grid: ProbabilityGrid = ProbabilityGrid()
    taus: tuple[Tau, ...] = Field(
        default=(0.02, 0.1, 0.3, 1.0), min_length=1, max_length=8, description="a curve for each"
    )


class SimplexFigureConfig(StrictModel):
    """Figure 1, right: both methods' solutions for three actions, with their path over tau."""

    probs: tuple[Probability, Probability, Probability] = Field(
        default=(0.6, 0.25, 0.15), description="of the three actions before the update"
    )
    rewards: tuple[float, float, float] = Field(
        default=(0.0, 0.6, 1.0), description="of the three actions"
    )
    tau: Tau = Field(default=0.2, description="the marked solutions")
    tau_low: Tau = Field(default=0.003, description="small-tau end of the paths")
    tau_high: Tau = Field(default=30.0, description="large-tau end of the paths")
    num_points: int = Field(default=120, ge=2, le=10_000, description="of each path")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if abs(sum(self.probs) - 1.0) > _SUM_TOLERANCE:
            raise ValueError(f"probs must sum to one, found {sum(self.probs)}")
        if len(set(self.rewards)) == 1:
            raise ValueError(f"rewards are all {self.rewards[0]}: nothing would move")
        if not self.tau_low < self.tau < self.tau_high:
            raise ValueError(
                f"tau {self.tau} must be between tau_low {self.tau_low} and tau_high "
                f"{self.tau_high}"
            )
        return self


class LogRatioFigureConfig(StrictModel):
    """Figure 2: log-ratios of right and wrong responses against the success probability."""

    grid: ProbabilityGrid = ProbabilityGrid(low=0.005, high=0.995)
    taus: tuple[Tau, ...] = Field(
        default=(0.05, 0.2), min_length=1, max_length=3, description="curves for each"
    )


class EstimationErrorFigureConfig(StrictModel):
    """Figure 3: error of the estimated targets for several group sizes."""

    grid: ProbabilityGrid = ProbabilityGrid(low=0.01, high=0.2, num_points=39)
    tau: Tau = 0.05
    group_sizes: tuple[GroupSize, ...] = Field(
        default=(4, 16, 64), min_length=1, max_length=5, description="rollouts; a curve for each"
    )
    num_seeds: int = Field(
        default=100, ge=1, le=100_000, description="groups drawn for each probability"
    )
    leave_one_out: bool = Field(
        default=True, description="a rollout's baseline leaves the rollout itself out"
    )


class LaboratoryConfig(StrictModel):
    """Rounds of several methods on one softmax bandit, exact and with sampled groups."""

    probs: tuple[Probability, ...] = Field(
        default=(0.05, 0.05, 0.1, 0.15, 0.2, 0.2, 0.25),
        min_length=2,
        description="of the actions before the first round",
    )
    rewards: tuple[float, ...] = Field(
        default=(1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0), min_length=2, description="of the actions"
    )
    tau: Tau = 0.05
    num_rounds: int = Field(default=12, ge=1, le=10_000, description="one after another")
    group_size: GroupSize = Field(default=16, description="actions drawn in each round")
    num_updates: int = Field(default=64, ge=1, description="gradient steps per round")
    learning_rate: float = Field(default=1.0, gt=0, description="of the logits, per reward unit")
    policy_gradient_learning_rate: float = Field(
        default=0.2, gt=0, description="of the logits, per standard deviation of the reward"
    )
    clip: float = Field(default=0.2, gt=0, lt=1, description="of the policy gradient's ratio")
    num_seeds: int = Field(
        default=100, ge=1, le=100_000, description="runs with sampled groups, for their spread"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.probs) != len(self.rewards):
            raise ValueError(
                f"probs and rewards must have the same length: found {len(self.probs)} and "
                f"{len(self.rewards)}"
            )
        if abs(sum(self.probs) - 1.0) > _SUM_TOLERANCE:
            raise ValueError(f"probs must sum to one, found {sum(self.probs)}")
        return self


class TheoryConfig(StrictModel):
    """Section ``theory`` of the parameters; the defaults are the paper's figures."""

    log_partition: LogPartitionFigureConfig = LogPartitionFigureConfig()
    simplex: SimplexFigureConfig = SimplexFigureConfig()
    log_ratio: LogRatioFigureConfig = LogRatioFigureConfig()
    estimation_error: EstimationErrorFigureConfig = EstimationErrorFigureConfig()
    laboratory: LaboratoryConfig = LaboratoryConfig()
