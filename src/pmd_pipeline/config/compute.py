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
    preflight: Literal["require", "warn"] = Field(
        default="require",
        exclude=True,  # no result depends on it, so no run records it
        description="a run of a pretrained policy whose preflight fails does not start; warn: it "
        "starts all the same, for where the estimates are wrong",
    )
