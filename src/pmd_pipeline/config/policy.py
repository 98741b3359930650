"""Where the initial policy comes from."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from pmd_pipeline.addresses import is_address
from pmd_pipeline.config.base import StrictModel, VariantModel
from pmd_pipeline.config.place import PlaceConfig


class WarmStartConfig(StrictModel):
    """Supervised warm start of the embedded policy on demonstrations with deliberate mistakes."""

    num_steps: int = Field(default=700, ge=1, description="supervised updates")
    batch_size: int = Field(default=32, ge=1, description="fresh demonstrations per step")
    learning_rate: float = Field(default=4e-3, gt=0, description="the highest")
    num_warmup_steps: int = Field(
        default=20, ge=0, description="in which the learning rate rises from 0"
    )
    final_fraction: float = Field(
        default=0.0, ge=0, le=1, description="last learning rate over the highest"
    )
    skip_probability: float = Field(
        default=0.4, ge=0, le=1, description="of boxing a random number without any working"
    )
    drop_carry_probability: float = Field(
        default=0.3, ge=0, le=1, description="of forgetting a nonzero carry, or a minus sign"
    )
    slip_probability: float = Field(
        default=0.04, ge=0, le=1, description="of a step whose sum is off by one"
    )
    wanted_pass_rate: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="share of right responses at temperature 1 that the policy is brought to: how "
        "often it guesses follows from it; null: as the mistakes above make it",
    )

    @model_validator(mode="after")
    def _a_choice_can_be_learned(self) -> Self:
        if self.wanted_pass_rate is not None and not 0 < self.skip_probability < 1:
            raise ValueError(
                f"wanted_pass_rate needs demonstrations with and without working, but "
                f"skip_probability is {self.skip_probability:g}; set it to 0.4, the default"
            )
        return self


class EmbeddedPolicyConfig(VariantModel):
    """A small Qwen3-architecture policy, built and warm-started here without any download."""

    kind: Literal["embedded"]
    hidden_size: int = Field(default=64, ge=8, description="numbers of a token between layers")
    num_layers: int = Field(default=2, ge=1, description="decoder layers")
    num_heads: int = Field(default=4, ge=1, description="of attention, in each layer")
    head_dim: int = Field(default=16, ge=2, multiple_of=2, description="numbers of each head")
    feed_forward_size: int = Field(
        default=128, ge=8, description="numbers between the two halves of a feed-forward block"
    )
    max_position: int = Field(
        default=256, ge=16, description="longest prompt and response together, tokens"
    )
    warm_start: WarmStartConfig = WarmStartConfig()


class PretrainedPolicyConfig(PlaceConfig):
    """A causal language model from a local folder or, by name and pinned revision, the hub.

    Only safetensors weights are read.
    """

    kind: Literal["pretrained"]
    trust_remote_code: bool = Field(
        default=False, description="run code that the model's repository ships"
    )

    @field_validator("path")
    @classmethod
    def _a_local_folder(cls, path: str | None) -> str | None:
        if path is not None and is_address(path):
            raise ValueError(
                f"path {path!r} is an address, and a model is read from a local folder; copy it "
                "here, or give hub_name and revision"
            )
        return path


AnyPolicyConfig = EmbeddedPolicyConfig | PretrainedPolicyConfig


class PolicyInitialisationConfig(StrictModel):
    """Section ``policy_initialisation`` of the parameters."""

    policy: Annotated[
        AnyPolicyConfig,
        Field(discriminator="kind", description="the policy that every training run begins with"),
    ]
