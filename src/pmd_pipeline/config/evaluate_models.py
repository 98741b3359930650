"""Which models are evaluated without training, and how an endpoint is asked."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from pmd_pipeline.config.base import StrictModel, VariantModel, without_nulls
from pmd_pipeline.config.effects import ChangesNoResult
from pmd_pipeline.config.names import LONGEST_NAME, refuse_training_run_names
from pmd_pipeline.config.place import PlaceConfig
from pmd_pipeline.config.policy import PretrainedPolicyConfig

EVALUATE_MODELS: Final = "evaluate_models"
"""The section, the pipeline, its tag and the namespace of its models' namespaces."""

ModelName = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=LONGEST_NAME),
    AfterValidator(refuse_training_run_names),
]

_NO_RESULT: Final = ChangesNoResult(bytes="an endpoint's responses repeat no bytes anyway")
# What the sections evaluation and data_preparation decide, the same for all models.
_DECIDED_ELSEWHERE: Final = frozenset(
    ["model", "messages", "prompt", "n", "temperature", "top_p", "top_k", "stream", "echo"]
)


class StoredPolicyConfig(VariantModel):
    """A policy that a run of this project has left, an adapter included."""

    kind: Literal["policy"]
    path: str = Field(
        min_length=1,
        description="its folder, or its place below 06_models in this environment's data folder, "
        "such as initial or pmd_mean/seed_0/phase_2",
    )


class OpenAIEndpointConfig(VariantModel):
    """A server that speaks OpenAI's HTTP interface, as ``vllm serve`` does.

    Its address and key are in the credentials, never here.
    """

    kind: Literal["openai_endpoint"]
    credentials: str = Field(
        min_length=1,
        description="entry of conf/local/credentials.yml with base_url, which ends in /v1, and "
        "api_key, where the server asks for one",
    )
    model: str = Field(min_length=1, description="its name on the server")
    api: Literal["chat", "completions"] = Field(
        default="chat",
        description="chat: problems are sent as messages, the server's chat template renders them; "
        "completions: prompts are rendered here",
    )
    tokenizer: PlaceConfig | None = Field(
        default=None,
        description="of the model, with api: completions: prompts are sent as token ids, just as "
        "an engine gets them; null: as plain text",
    )
    body: dict[str, Any] = Field(
        default={},
        description="further fields of each request; null leaves one out, such as seed, that the "
        "server does not take",
    )
    concurrency: Annotated[int, _NO_RESULT] = Field(
        default=16, ge=1, le=1024, description="requests at the same time"
    )
    max_retries: Annotated[int, _NO_RESULT] = Field(
        default=8, ge=0, description="of a request that failed for a reason that may pass"
    )
    first_wait_seconds: Annotated[float, _NO_RESULT] = Field(
        default=1.0,
        gt=0,
        description="before the first retry, up to; it doubles with each, up to a minute, and the "
        "server may ask for more",
    )
    timeout_seconds: Annotated[float, _NO_RESULT] = Field(
        default=600.0, gt=0, description="of one request, for all of its response"
    )

    @field_validator("body")
    @classmethod
    def _nothing_that_is_decided_elsewhere(cls, body: dict[str, Any]) -> dict[str, Any]:
        refused = sorted(_DECIDED_ELSEWHERE & body.keys())
        if refused:
            raise ValueError(
                f"{refused} are the same for all models: the sections evaluation and "
                "data_preparation decide them; remove them here"
            )
        if body.get("seed") is not None:
            raise ValueError(
                "each request has a seed of its own, which follows from the run's; remove seed, or "
                "set it to null for a server that does not take it"
            )
        return body

    @model_validator(mode="after")
    def _a_tokenizer_is_for_completions(self) -> Self:
        if self.tokenizer is not None and self.api == "chat":
            raise ValueError(
                "with api: chat the server renders and encodes the prompts, so a tokenizer has "
                "nothing to do; remove it, or set api: completions"
            )
        return self


AnyModelConfig = StoredPolicyConfig | PretrainedPolicyConfig | OpenAIEndpointConfig


class EvaluateModelsConfig(StrictModel):
    """Section ``evaluate_models`` of the parameters."""

    models: dict[ModelName, Annotated[AnyModelConfig, Field(discriminator="kind")]] = Field(
        default={}, description="what is evaluated, by name; to drop a model, set it to null"
    )

    @field_validator("models", mode="before")
    @classmethod
    def _null_is_no_model(cls, models: Any) -> Any:
        return without_nulls(models)

    def endpoints(self) -> dict[str, OpenAIEndpointConfig]:
        """Return the models that a server runs, by name."""
        return {
            name: model
            for name, model in self.models.items()
            if isinstance(model, OpenAIEndpointConfig)
        }
