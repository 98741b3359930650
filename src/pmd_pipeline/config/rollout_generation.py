"""The first rollouts of the initial policy and the prompts selected with them."""

from typing import Self

from pydantic import Field, model_validator

from pmd_pipeline.config.base import StrictModel


class RolloutGenerationConfig(StrictModel):
    """Section ``rollout_generation``: pass rates under the initial policy, and prompt selection.

    Responses are sampled as in training (``training.sampling``).
    """

    num_samples: int = Field(ge=1, description="rollouts per train problem")
    min_mean_reward: float | None = Field(
        default=None, description="open lower bound on a prompt's mean reward; null: none"
    )
    max_mean_reward: float | None = Field(
        default=None, description="open upper bound on a prompt's mean reward; null: none"
    )

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Self:
        low, high = self.min_mean_reward, self.max_mean_reward
        if low is not None and high is not None and low >= high:
            raise ValueError(f"min_mean_reward {low} must be below max_mean_reward {high}")
        return self
