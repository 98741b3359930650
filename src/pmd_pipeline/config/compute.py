"""Where and in which precision the arithmetic runs."""

from typing import Literal

from pydantic import Field

from pmd_pipeline.config.base import StrictModel

Precision = Literal["float32", "bfloat16"]


class ComputeConfig(StrictModel):
    """Device, threads and precision of the trainer and of an engine that shares its model."""

    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="auto: the first CUDA device where there is one, else the CPU"
    )
    num_threads: int | None = Field(
        default=None, ge=1, description="CPU threads of torch; null: torch's own choice"
    )
    precision: Precision = Field(
        default="float32",
        description="of the matrix products; weights and optimizer states stay in float32",
    )
