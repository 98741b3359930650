"""What every kind of reward has."""

from pydantic import Field

from pmd_pipeline.config.base import VariantModel


class RewardModel(VariantModel):
    """What every kind of reward has."""

    overlong_buffer_tokens: int | None = Field(
        default=None,
        ge=1,
        description="the penalty grows over this many tokens up to the length limit; null: none",
    )
    overlong_penalty: float = Field(
        default=1.0, gt=0, le=1e6, description="taken off at the length limit, in reward units"
    )
