"""Where and in which precision the arithmetic runs."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pmd_pipeline.config.base import StrictModel
from pmd_pipeline.config.effects import LAST_DIGITS, SAME_BYTES, ChangesNoResult

Precision = Literal["float32", "bfloat16"]
Launch = Literal["torchrun", "ray"]


class ComputeConfig(StrictModel):
    """Device, threads and precision of the trainer and of an engine that shares its model."""

    device: Annotated[Literal["auto", "cpu", "cuda"], ChangesNoResult(bytes=LAST_DIGITS)] = Field(
        default="auto", description="auto: the first CUDA device if there is one, else the CPU"
    )
    num_threads: Annotated[int | None, ChangesNoResult(bytes=LAST_DIGITS)] = Field(
        default=None, ge=1, description="CPU threads of torch; null: torch's own choice"
    )
    launch: Annotated[Launch, ChangesNoResult(bytes=LAST_DIGITS)] = Field(
        default="torchrun",
        description="what starts the processes that train together: torchrun, which then starts "
        "this one too (none, without it); ray: this process does, on the nodes of a Ray cluster, "
        "as `cluster.training` says",
    )
    precision: Precision = Field(default="float32", description="of the matrix products")
    weights: Precision = Field(
        default="float32",
        description="of the model, also on disk and in the sampler; the optimizer keeps float32 "
        "copies of bfloat16 weights, and its moments in float32 in any case",
    )
    preflight: Annotated[Literal["require", "warn"], ChangesNoResult(bytes=SAME_BYTES)] = Field(
        default="require",
        exclude=True,  # no result depends on it, so runs do not record it
        description="a run of a pretrained policy does not start if its preflight fails; warn: it "
        "starts anyway, in case the estimates are wrong",
    )

    @model_validator(mode="after")
    def _products_fit_weights(self) -> Self:
        if self.weights == "bfloat16" and self.precision != "bfloat16":
            raise ValueError(
                f"weights: bfloat16 needs precision: bfloat16 (found {self.precision}): products "
                "of bfloat16 weights are not more accurate than that"
            )
        return self
