"""Low-rank adapters instead of all weights."""

from typing import Annotated, Literal

from pydantic import Field

from pmd_pipeline.config.base import StrictModel


class LoraConfig(StrictModel):
    """LoRA, arXiv:2106.09685, with peft: W + (alpha / rank) B A with W frozen.

    There is no dropout, which would make the log-ratio of a policy to itself differ from 0.
    """

    rank: int = Field(default=16, ge=1, le=1024, description="of the product B A")
    alpha: int = Field(default=32, ge=1, description="scale of the adapter, times the rank")
    target_modules: Literal["all-linear"] | tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default="all-linear",
        min_length=1,
        description="last parts of the names of linear layers; all-linear: all but the output head",
    )
