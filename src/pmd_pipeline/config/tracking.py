"""What MLflow gets beyond numbers and tables, when asked."""

from typing import Annotated

from pydantic import Field

from pmd_pipeline.config.base import StrictModel
from pmd_pipeline.config.effects import SAME_BYTES, ChangesNoResult


class TrackingConfig(StrictModel):
    """Section ``tracking`` of the parameters."""

    traces: Annotated[int, ChangesNoResult(bytes=SAME_BYTES)] = Field(
        default=0,
        ge=0,
        le=100,
        description="rollouts of each round that MLflow keeps as traces, with prompt, response, "
        "grade and reward; 0: none",
    )
    system_metrics_seconds: Annotated[float | None, ChangesNoResult(bytes=SAME_BYTES)] = Field(
        default=None,
        ge=1,
        description="how often MLflow gets the load of the run's machine: processors, memory, "
        "disk, network, GPUs; null: never",
    )
