"""What the report shows."""

from pydantic import Field

from pmd_pipeline.config.base import StrictModel


class ReportingConfig(StrictModel):
    """Section ``reporting`` of the parameters."""

    title: str = Field(
        default="Policy mirror descent: comparison", description="heading of the report"
    )
    reference_algorithm: str | None = Field(
        default="pmd_mean",
        description="label that every other algorithm is compared with, if it was trained; "
        "null: none",
    )
    smoothing_rounds: int = Field(
        default=1,
        ge=1,
        description="learning curves show the mean over this many rounds up to each; extremes "
        "such as the smallest log-ratio stay as they are",
    )
    num_sample_completions: int = Field(
        default=4,
        ge=0,
        description="problems that the report shows with each policy's first response",
    )
    num_listed_overlaps: int = Field(
        default=50, ge=0, description="dropped overlapping train problems listed in the report"
    )
