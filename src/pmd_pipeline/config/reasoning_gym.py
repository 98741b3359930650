"""How responses to the problems of ``kind: reasoning_gym`` are scored."""

from typing import Annotated, Literal

from pydantic import Field

from pmd_pipeline.config.effects import SAME_BYTES, ChangesNoResult
from pmd_pipeline.config.reward_model import RewardModel

GymConvention = Literal["answer_tag", "whole_response", "boxed", "answer_line"]


class ReasoningGymRewardConfig(RewardModel):
    """A response's score is what its problem's own family says of the answer, 0 to 1."""

    kind: Literal["reasoning_gym"]
    convention: GymConvention = Field(
        default="answer_tag",
        description="where a response states its answer: the last complete <answer>...</answer>, "
        "the whole response, the last \\boxed{}, or the last line 'Answer: ...'",
    )
    partial_credit: bool = Field(
        default=True,
        description="true: the reward is the family's score; false: 1 for a full score, else 0",
    )
    timeout_seconds: float = Field(
        default=10.0, gt=0, le=3600, description="for the responses to one problem"
    )
    num_workers: Annotated[int, ChangesNoResult(bytes=SAME_BYTES)] = Field(
        default=1, ge=1, le=1024, description="processes that score"
    )

    @property
    def needs_answer(self) -> bool:
        """Whether a problem without an answer is of no use: the families have their own data."""
        return False

    @property
    def gives_answers(self) -> bool:
        """Whether scores name answers, which vote in maj@k."""
        return True
