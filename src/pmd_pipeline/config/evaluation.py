"""How policies are evaluated."""

from pydantic import Field

from pmd_pipeline.config.base import StrictModel
from pmd_pipeline.config.sampling import SamplingConfig


class EvaluationConfig(StrictModel):
    """Section ``evaluation`` of the parameters."""

    num_samples: int = Field(ge=1, description="k: responses per problem")
    sampling: SamplingConfig
    interval_level: float = Field(
        default=0.95, gt=0, lt=1, description="of the confidence intervals of all results"
    )
