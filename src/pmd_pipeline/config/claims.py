"""Claims that are tried: each a configuration that is fixed before it is run."""

import difflib
from collections.abc import Mapping
from itertools import combinations
from math import prod
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, ValidationError, model_validator

from pmd_pipeline.config.base import StrictModel
from pmd_pipeline.config.claim_tests import AnyClaimTest, ArmName
from pmd_pipeline.config.data_preparation import ProblemSource
from pmd_pipeline.config.names import LONGEST_NAME, Label

ClaimName = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_]*$", max_length=LONGEST_NAME)
]
# As in studies: `algorithm.NAME` is a parameter of the algorithm that the arm trains.
ParameterPath = Annotated[
    str,
    StringConstraints(
        pattern=r"^(algorithm|training|rewards|data_preparation|policy_initialisation|evaluation)"
        r"(\.[A-Za-z0-9_-]+)+$"
    ),
]
Value = bool | int | float | str


class ClaimsError(ValueError):
    """The claims are declared wrongly, or cannot be run; the message says where and why."""


class ArmConfig(StrictModel):
    """One arm of a claim: an algorithm, and what differs from the environment's parameters."""

    algorithm: Label = Field(description="of the section `algorithms`")
    parameters: dict[ParameterPath, Any] = Field(
        default={}, description="by dotted key; algorithm.NAME is the algorithm's own"
    )
    tuning: ClaimName | None = Field(
        default=None, description="the tuning that chooses what it searched; null: nothing is tuned"
    )


class ClaimConfig(StrictModel):
    """A claim: what is said, how it is tried, and what would count as holding and as failing."""

    title: str = Field(min_length=1, description="a few words")
    hypothesis: str = Field(min_length=1, description="what is said to be so, in a sentence")
    source: str = Field(min_length=1, description="its place in the paper")
    holds: str = Field(min_length=1, description="what counts as holding, in words")
    fails: str = Field(min_length=1, description="what counts as not holding, in words")
    notes: tuple[str, ...] = Field(default=(), description="what a reader should know of the trial")
    parameters: dict[ParameterPath, Any] = Field(default={}, description="of every arm")
    arms: dict[ArmName, ArmConfig] = Field(min_length=2)
    test: AnyClaimTest
    alone: bool = Field(
        default=False, description="its units run one at a time, nothing beside them"
    )

    @model_validator(mode="after")
    def _test_names_arms(self) -> Self:
        for arm in self.test.arms:
            if arm not in self.arms:
                raise ValueError(
                    f"its test compares {arm!r}, which is none of its arms: {', '.join(self.arms)}"
                )
        return self


class TuningConfig(StrictModel):
    """A search for an arm's free parameters: every combination of values is a trial."""

    algorithm: Label
    parameters: dict[ParameterPath, Any] = Field(default={})
    grid: dict[ParameterPath, Annotated[tuple[Value, ...], Field(min_length=1)]] = Field(
        min_length=1, description="values by dotted key"
    )
    cases: tuple[dict[ParameterPath, Value], ...] = Field(
        default=({},),
        min_length=1,
        description="values that go together, such as two bounds; each with all of the grid",
    )

    @property
    def num_trials(self) -> int:
        """Combinations."""
        return prod(map(len, self.grid.values())) * len(self.cases)


class TuningProtocol(StrictModel):
    """What all tunings share."""

    validation: ProblemSource = Field(
        description="problems that decide; those that are also in an evaluation set are left out"
    )
    num_repeats: int = Field(default=2, ge=1, description="pairs of seeds that no claim uses")


class HeadingConfig(StrictModel):
    """What stands above the verdicts."""

    title: str = Field(default="Claims, tried", min_length=1, description="of the page")
    source: str | None = Field(
        default=None,
        min_length=1,
        description="whose claims they are, as after `16 claims of`; null: it is not said",
    )
    introduction: tuple[str, ...] = Field(
        default=(), description="what a reader should know of all of them, a paragraph each"
    )


class ClaimsConfig(StrictModel):
    """The files ``claims*.yml`` of an environment."""

    heading: HeadingConfig = HeadingConfig()
    num_pairs: int = Field(
        default=10, ge=2, description="pairs of a warm-start seed and a training seed"
    )
    tuning: TuningProtocol
    tunings: dict[ClaimName, TuningConfig] = Field(default={})
    claims: dict[ClaimName, ClaimConfig] = Field(min_length=1)

    @model_validator(mode="after")
    def _tunings_are_there(self) -> Self:
        for name, claim in self.claims.items():
            for arm_name, arm in claim.arms.items():
                if arm.tuning is None:
                    continue
                tuning = self.tunings.get(arm.tuning)
                where = f"claims.{name}.arms.{arm_name}.tuning"
                if tuning is None:
                    raise ValueError(
                        f"{where}: there is no tuning {arm.tuning!r}; there are: "
                        f"{', '.join(self.tunings) or 'none'}"
                    )
                if tuning.algorithm != arm.algorithm:
                    raise ValueError(
                        f"{where}: {arm.tuning!r} tunes {tuning.algorithm}, the arm trains "
                        f"{arm.algorithm}"
                    )
        return self

    @model_validator(mode="after")
    def _there_can_be_a_verdict(self) -> Self:
        for name, claim in self.claims.items():
            if claim.test.least_pairs > self.num_pairs:
                raise ValueError(
                    f"num_pairs is {self.num_pairs}, but claims.{name}.test.least_pairs is "
                    f"{claim.test.least_pairs}, so this claim could never be told; raise num_pairs "
                    "or lower least_pairs"
                )
        return self

    @model_validator(mode="after")
    def _tunings_are_fair(self) -> Self:
        """Arms of one claim that are tuned under the same protocol have as many trials."""
        for name, claim in self.claims.items():
            names = {
                arm.tuning: self.tunings[arm.tuning] for arm in claim.arms.values() if arm.tuning
            }
            for first, second in combinations(names, 2):
                one, other = names[first], names[second]
                if one.parameters == other.parameters and one.num_trials != other.num_trials:
                    raise ValueError(
                        f"claims.{name}: its arms are tuned by different numbers of trials, "
                        f"{first} by {one.num_trials} and {second} by {other.num_trials}; give "
                        "each as many"
                    )
        return self


def parse_claims(values: Mapping[str, Any]) -> ClaimsConfig:
    """Return the declared claims as models.

    Raises:
        ClaimsError: With one line per mistake: key, what is wrong, and the value found.
    """
    try:
        return ClaimsConfig.model_validate(dict(values))
    except ValidationError as error:
        lines = [_explain(details) for details in error.errors()]
        raise ClaimsError(
            "the claims in conf/ are declared wrongly:\n  " + "\n  ".join(lines)
        ) from None


def chosen_claims(config: ClaimsConfig, names: tuple[str, ...]) -> dict[str, ClaimConfig]:
    """Return the claims of these names, in the declared order; all if none is named.

    Raises:
        ClaimsError: If there is no such claim.
    """
    for name in names:
        if name not in config.claims:
            similar = difflib.get_close_matches(name, config.claims, n=1)
            hint = f"; did you mean {similar[0]!r}?" if similar else ""
            raise ClaimsError(
                f"there is no claim {name!r}; there are: {', '.join(config.claims)}{hint}"
            )
    return {name: claim for name, claim in config.claims.items() if not names or name in names}


def _explain(details: Any) -> str:
    key = ".".join(str(part) for part in details["loc"] if part != "[key]")
    message = str(details["msg"]).removeprefix("Value error, ")
    if not key:
        return message
    if details["type"] == "missing":
        return f"{key}: missing; add it"
    if details["type"] == "extra_forbidden":
        return f"{key}: unknown; correct or remove it"
    if isinstance(details["input"], Mapping):
        return f"{key}: {message}"
    return f"{key}: {message} (found {details['input']!r})"
