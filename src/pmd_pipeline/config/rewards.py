"""What a response is worth: one model per kind of reward, told apart by ``kind``."""

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, RootModel, StringConstraints, model_validator

from pmd_pipeline.config.base import VariantModel
from pmd_pipeline.config.effects import SAME_BYTES, ChangesNoResult
from pmd_pipeline.config.reasoning_gym import ReasoningGymRewardConfig
from pmd_pipeline.config.reward_model import RewardModel
from pmd_pipeline.importing import IMPORT_PATH_PATTERN

# Without these two, nothing helps a run that on_error: stop has stopped.
_TIMEOUT = ChangesNoResult(bytes="only responses whose scoring takes longer are scored otherwise")
_FAILURES = ChangesNoResult(bytes="only responses that cannot be scored are treated otherwise")

Convention = Literal["boxed", "answer_line"]
PartName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]


class MathRewardConfig(RewardModel):
    """The answer is compared with the reference answer, as mathematics.

    A response that the grader gave up on (``timeout``) or could not read is a wrong one: it never
    earns more than ``incorrect_reward``.
    """

    kind: Literal["math"] = "math"
    convention: Convention = Field(
        default="boxed", description="where a response states its answer: boxed or answer_line"
    )
    correct_reward: float = Field(default=1.0, ge=-1e6, le=1e6, description="of a right response")
    incorrect_reward: float = Field(
        default=-1.0, ge=-1e6, le=1e6, description="of a wrong response"
    )
    timeout_seconds: float = Field(
        default=3.0, gt=0, le=600, description="for one comparison of two answers"
    )
    num_workers: Annotated[int, ChangesNoResult(bytes=SAME_BYTES)] = Field(
        default=2, ge=1, le=1024, description="processes that compare answers"
    )

    @property
    def needs_answer(self) -> bool:
        """Whether a problem without a reference answer cannot be scored."""
        return True

    @property
    def gives_answers(self) -> bool:
        """Whether scores name answers, which vote in maj@k."""
        return True

    @model_validator(mode="after")
    def _right_beats_wrong(self) -> Self:
        if self.correct_reward <= self.incorrect_reward:
            raise ValueError(
                f"correct_reward {self.correct_reward} must be above "
                f"incorrect_reward {self.incorrect_reward}"
            )
        return self


class ImportRewardConfig(RewardModel):
    """A reward function of the user's own, in processes that are killed when they hang."""

    kind: Literal["import"]
    import_path: str = Field(
        pattern=IMPORT_PATH_PATTERN,
        description="my_package.my_module:make_reward, which is called with the options and "
        "returns a reward function",
    )
    options: dict[str, Any] = Field(default={}, description="passed to it by name")
    timeout_seconds: Annotated[float, _TIMEOUT] = Field(
        default=60.0, gt=0, le=86_400, description="for the responses to one problem"
    )
    num_workers: Annotated[int, ChangesNoResult(bytes=SAME_BYTES)] = Field(
        default=1, ge=1, le=1024, description="processes that score"
    )
    on_error: Annotated[Literal["stop", "incorrect"], _FAILURES] = Field(
        default="stop",
        description="when scoring raises, hangs or returns what is no score: stop the run, or "
        "give the response incorrect_reward",
    )
    incorrect_reward: float = Field(
        default=0.0, ge=-1e6, le=1e6, description="of a response that could not be scored"
    )
    needs_answer: bool = Field(
        default=False, description="true: problems without a reference answer are dropped"
    )
    gives_answers: bool = Field(
        default=False, description="true: scores name answers, and maj@k is measured"
    )


class _Weighted(VariantModel):
    """A part of a sum."""

    weight: float = Field(default=1.0, ge=-1e6, le=1e6, description="factor in the sum")


class MathPart(_Weighted, MathRewardConfig):
    """The comparison with the reference answer, as a part of a sum."""

    kind: Literal["math"]


class ImportPart(_Weighted, ImportRewardConfig):
    """A reward function of the user's own, as a part of a sum."""


class ReasoningGymPart(_Weighted, ReasoningGymRewardConfig):
    """A family's own verifier, as a part of a sum."""


RewardPart = Annotated[MathPart | ImportPart | ReasoningGymPart, Field(discriminator="kind")]


class SumRewardConfig(RewardModel):
    """Several rewards, weighted and added up.

    A response is right where the first part that tells right from wrong says so.
    """

    kind: Literal["sum"]
    parts: dict[PartName, RewardPart] = Field(min_length=1, description="rewards by name")

    @property
    def needs_answer(self) -> bool:
        """Whether a problem without a reference answer cannot be scored by one of the parts."""
        return any(part.needs_answer for part in self.parts.values())

    @property
    def gives_answers(self) -> bool:
        """Whether scores name answers, which vote in maj@k."""
        return any(part.gives_answers for part in self.parts.values())

    @model_validator(mode="after")
    def _one_length_penalty(self) -> Self:
        for name, part in self.parts.items():
            if part.overlong_buffer_tokens is not None:
                raise ValueError(
                    f"parts.{name}.overlong_buffer_tokens (found {part.overlong_buffer_tokens}) "
                    "belongs beside parts: the length penalty is taken off the sum"
                )
        return self


AnyRewardConfig = MathRewardConfig | ImportRewardConfig | ReasoningGymRewardConfig | SumRewardConfig


class RewardParameters(RootModel[Annotated[AnyRewardConfig, Field(discriminator="kind")]]):
    """Section ``rewards`` of the parameters; the reward is ``root``.

    Kedro validates a node's parameters against a model, not against a union: this is the model to
    annotate the input ``params:rewards`` with.
    """

    model_config = ConfigDict(frozen=True)
