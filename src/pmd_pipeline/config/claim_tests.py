"""How a claim is decided: one model per kind of test, fixed before anything is run.

Every kind says which arms it compares. What each computes stands in ``claims.verdicts``.
"""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from pmd_pipeline.config.base import StrictModel
from pmd_pipeline.config.names import LONGEST_NAME

ArmName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=LONGEST_NAME)]

Alpha = Annotated[float, Field(gt=0, lt=1, description="level, after Holm's correction")]
Margin = Annotated[float, Field(gt=0, description="the difference from which on one matters")]


class ArmPair(StrictModel):
    """Two arms beside each other, on the same pairs of seeds."""

    first: ArmName
    second: ArmName

    @property
    def arms(self) -> tuple[ArmName, ...]:
        """Both."""
        return (self.first, self.second)


class ArmLine(StrictModel):
    """Arms that differ in one number alone, in the order of the values."""

    arms: tuple[ArmName, ...] = Field(min_length=2)
    values: tuple[float, ...] = Field(min_length=2, description="of that number, one per arm")


class _Test(StrictModel):
    alpha: Alpha = 0.05
    least_pairs: int = Field(
        default=5,
        ge=2,
        description="complete pairs of seeds from which on there is a verdict; from fewer it "
        "cannot be told",
    )


class DifferenceTest(_Test):
    """Accuracies of two arms: which is higher, or are they equivalent."""

    kind: Literal["difference"]
    comparisons: tuple[ArmPair, ...] = Field(min_length=1)
    measures: tuple[Literal["final", "curve"], ...] = Field(
        default=("final", "curve"),
        min_length=1,
        description="final: accuracy after the last round; curve: mean over the evaluations after "
        "each phase",
    )
    wanted: Literal["better", "equivalent"]
    margin: Margin = 0.01

    @property
    def arms(self) -> tuple[ArmName, ...]:
        """Every arm that is compared."""
        return tuple(arm for pair in self.comparisons for arm in pair.arms)


class CollapseTest(_Test):
    """How many runs of two arms end below the initial policy."""

    kind: Literal["collapses"]
    comparisons: tuple[ArmPair, ...] = Field(
        min_length=1, description="first: the arm that is said to collapse"
    )
    least_fraction: float = Field(
        default=0.8, ge=0, le=1, description="of the first arm's runs collapse, at least"
    )
    most_fraction: float = Field(
        default=0.1, ge=0, le=1, description="of the second arm's runs collapse, at most"
    )

    @property
    def arms(self) -> tuple[ArmName, ...]:
        """Every arm that is compared."""
        return tuple(arm for pair in self.comparisons for arm in pair.arms)


class LogRatioTest(_Test):
    """Log-ratios of round 1, measured on the whole round: is the first arm's lower."""

    kind: Literal["log_ratios"]
    comparisons: tuple[ArmPair, ...] = Field(min_length=1)
    measures: tuple[Literal["last_mini_batch_min", "wrong_mean", "right_slope"], ...] = Field(
        min_length=1,
        description="last_mini_batch_min: least log-ratio of the round's last mini-batch; "
        "wrong_mean: mean over wrong responses; right_slope: progress of right responses, the "
        "slope of their mean log-ratio on the most that they could gain, -log(share of right "
        "ones)",
    )

    @property
    def arms(self) -> tuple[ArmName, ...]:
        """Every arm that is compared."""
        return tuple(arm for pair in self.comparisons for arm in pair.arms)


class SlopeTest(_Test):
    """Final accuracy over the logarithm of a number: is the first line steeper."""

    kind: Literal["slope"]
    first: ArmLine
    second: ArmLine
    margin: Margin = Field(default=0.01, description="accuracy per doubling of the number")
    identical: tuple[ArmPair, ...] = Field(
        default=(), description="arms that must end with the same answers, as a check"
    )

    @property
    def arms(self) -> tuple[ArmName, ...]:
        """Every arm of both lines and of the checks."""
        checked = (arm for pair in self.identical for arm in pair.arms)
        return (*self.first.arms, *self.second.arms, *checked)


class DropTest(_Test):
    """Final accuracy lost against an arm's freshest form: does the first lose less."""

    kind: Literal["drop"]
    first: ArmLine = Field(description="the freshest arm first; values: how stale, see quantity")
    second: ArmLine
    quantity: str = Field(
        default="updates per round",
        min_length=1,
        description="what the lines' values count, as the figure's axis says it",
    )
    margin: Margin = 0.01

    @property
    def arms(self) -> tuple[ArmName, ...]:
        """Every arm of both lines."""
        return (*self.first.arms, *self.second.arms)


class ShiftTest(_Test):
    """How far round 1 moves wrong responses, by the group's share of right ones."""

    kind: Literal["shift"]
    growing: ArmLine = Field(description="the shift is said to grow; values: wanted pass rates")
    flat: ArmLine = Field(description="the shift is said not to")
    bins: tuple[float, ...] = Field(
        default=(0.0, 0.1, 0.25, 0.5, 1.0),
        min_length=3,
        description="bounds of the shares of right responses",
    )
    flat_margin: float = Field(
        default=0.2,
        gt=0,
        description="flat: the slope is smaller than this share of the growing one",
    )

    @property
    def arms(self) -> tuple[ArmName, ...]:
        """Every arm of both lines."""
        return (*self.growing.arms, *self.flat.arms)


class SecondsTest(_Test):
    """CPU seconds of training until an accuracy is reached: is the ratio below 1."""

    kind: Literal["seconds"]
    comparisons: tuple[ArmPair, ...] = Field(min_length=1)
    accuracy: float = Field(gt=0, le=1, description="fixed: interpolated between evaluations")

    @property
    def arms(self) -> tuple[ArmName, ...]:
        """Every arm that is compared."""
        return tuple(arm for pair in self.comparisons for arm in pair.arms)


class LateTest(_Test):
    """Accuracy lost between the best evaluation and the last: does the first arm lose less."""

    kind: Literal["late"]
    comparisons: tuple[ArmPair, ...] = Field(min_length=1)
    margin: Margin = 0.01

    @property
    def arms(self) -> tuple[ArmName, ...]:
        """Every arm that is compared."""
        return tuple(arm for pair in self.comparisons for arm in pair.arms)


AnyClaimTest = Annotated[
    DifferenceTest
    | CollapseTest
    | LogRatioTest
    | SlopeTest
    | DropTest
    | ShiftTest
    | SecondsTest
    | LateTest,
    Field(discriminator="kind"),
]
