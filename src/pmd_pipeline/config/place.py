"""The source of anything that is not generated here."""

from typing import Self

from pydantic import Field, model_validator

from pmd_pipeline.config.base import VariantModel


class PlaceConfig(VariantModel):
    """A local path, or a name on the hub at a pinned revision: one of the two."""

    path: str | None = Field(default=None, description="local file or folder; excludes hub_name")
    hub_name: str | None = Field(default=None, description="for example openai/gsm8k")
    revision: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{7,40}$",
        description="commit hash of the hub repository; required with hub_name",
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.path is None) == (self.hub_name is None):
            raise ValueError(
                f"give exactly one of path (found {self.path!r}) and hub_name "
                f"(found {self.hub_name!r})"
            )
        if self.hub_name is not None and self.revision is None:
            raise ValueError(
                f"hub_name {self.hub_name!r} needs revision: a commit hash, so that the run is "
                "repeatable"
            )
        if self.hub_name is None and self.revision is not None:
            raise ValueError(
                f"revision (found {self.revision!r}) belongs to hub_name; remove it beside path"
            )
        return self
