"""Options of the rollout engines."""

from pydantic import Field

from pmd_pipeline.config.base import StrictModel


class TransformersEngineConfig(StrictModel):
    """The engine that decodes with the trainer's own model."""

    max_batch_size: int = Field(default=1024, ge=1, description="responses decoded side by side")
    compact_every: int = Field(
        default=8, ge=1, description="tokens between two removals of finished rows"
    )
