"""How responses are graded, and what a grade is worth."""

from typing import Literal, Self

from pydantic import Field, model_validator

from pmd_pipeline.config.base import StrictModel

Convention = Literal["boxed", "answer_line"]


class RewardConfig(StrictModel):
    """Section ``rewards`` of the parameters.

    A response that the grader gave up on (``timeout``) or could not read is a wrong one: it never
    earns more than ``incorrect_reward``.
    """

    convention: Convention = Field(
        default="boxed", description="where a response states its answer: boxed or answer_line"
    )
    correct_reward: float = Field(default=1.0, ge=-1e6, le=1e6)
    incorrect_reward: float = Field(default=-1.0, ge=-1e6, le=1e6)
    timeout_seconds: float = Field(
        default=3.0, gt=0, le=600, description="for one comparison of two answers"
    )
    num_workers: int = Field(default=2, ge=1, le=1024, description="processes that compare answers")
    overlong_buffer_tokens: int | None = Field(
        default=None,
        ge=1,
        description="the penalty grows over this many tokens up to the length limit; null: none",
    )
    overlong_penalty: float = Field(
        default=1.0, gt=0, le=1e6, description="taken off at the length limit, in reward units"
    )

    @model_validator(mode="after")
    def _right_beats_wrong(self) -> Self:
        if self.correct_reward <= self.incorrect_reward:
            raise ValueError(
                f"correct_reward {self.correct_reward} must be above "
                f"incorrect_reward {self.incorrect_reward}"
            )
        return self
