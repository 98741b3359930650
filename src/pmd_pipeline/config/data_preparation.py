"""Which problems an experiment trains and evaluates on, and how they become prompts."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from pmd_pipeline.config.base import StrictModel, VariantModel, without_nulls
from pmd_pipeline.config.place import PlaceConfig
from pmd_pipeline.config.rewards import Convention

PromptTemplate = Literal["dapo", "boxed", "embedded"]
# How a response under a template gives its answer; what the grader must look for.
ANSWER_CONVENTIONS: dict[PromptTemplate, Convention] = {
    "dapo": "answer_line",
    "boxed": "boxed",
    "embedded": "boxed",
}
Widths = tuple[Annotated[int, Field(ge=1, le=4)], ...]
EvalSetName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]

# It marks the train problems in problem ids and reports, so no evaluation set may have this name.
TRAIN_SET = "train"


class GeneratedAdditionSource(VariantModel):
    """Column additions generated from the run's seed; train and eval draw from disjoint texts."""

    kind: Literal["generated_addition"]
    num_problems: int = Field(ge=1, le=100_000)
    widths: Widths = Field(
        default=(1, 2, 3, 3),
        min_length=1,
        description="digits per operand; a width named twice is drawn twice as often",
    )


class StoredSource(PlaceConfig):
    """Rows of a local .parquet or .jsonl file, or of a hub data set at a pinned revision."""

    hub_config: str | None = Field(
        default=None, description="configuration of the hub data set, where it has several"
    )
    hub_split: str = Field(default="train", min_length=1, description="split of the hub data set")
    limit: int | None = Field(
        default=None, ge=1, description="most problems kept, drawn with the run's seed; null: all"
    )

    @model_validator(mode="after")
    def _configuration_of_a_hub_data_set(self) -> Self:
        if self.hub_name is None and self.hub_config is not None:
            raise ValueError(
                f"hub_config (found {self.hub_config!r}) belongs to hub_name; remove it beside path"
            )
        return self

    @field_validator("path")
    @classmethod
    def _known_format(cls, path: str | None) -> str | None:
        if path is not None and Path(path).suffix not in (".parquet", ".jsonl"):
            raise ValueError(f"path {path!r} must end in .parquet or .jsonl")
        return path


class DapoSource(StoredSource):
    """DAPO-Math-17k in its raw schema: a chat ``prompt`` and ``reward_model.ground_truth``."""

    kind: Literal["dapo"]


class AimeSource(StoredSource):
    """AIME problems, answers 0 to 999: ``problem`` and ``answer`` columns, or DAPO's raw schema."""

    kind: Literal["aime"]
    problem_column: str = "problem"
    answer_column: str = "answer"


class Math500Source(StoredSource):
    """MATH-500: ``problem`` and ``answer`` columns, the answer in LaTeX."""

    kind: Literal["math500"]
    hub_split: str = Field(default="test", min_length=1)


class Gsm8kSource(StoredSource):
    """GSM8K: ``question``, and ``answer`` with the final number after ``####``."""

    kind: Literal["gsm8k"]
    hub_split: str = Field(default="test", min_length=1)


ProblemSource = Annotated[
    GeneratedAdditionSource | DapoSource | AimeSource | Math500Source | Gsm8kSource,
    Field(discriminator="kind"),
]


class DataPreparationConfig(StrictModel):
    """Section ``data_preparation`` of the parameters."""

    train: ProblemSource
    evals: dict[EvalSetName, ProblemSource] = Field(
        min_length=1,
        description="evaluation sets by name; to drop one, set it to null",
    )
    missing_rows: Literal["drop", "refuse"] = Field(
        default="drop", description="what to do with rows without a problem text or an answer"
    )
    decontamination_ngram_words: int = Field(
        default=13, ge=8, le=100, description="words of an n-gram that counts as copied text"
    )
    decontamination_overlap_fraction: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="share of an eval problem's n-grams that makes a train problem a copy of it",
    )
    prompt_template: PromptTemplate
    use_chat_template: Literal["auto"] | bool = Field(
        default="auto", description="auto: where the tokenizer has one"
    )
    enable_thinking: bool = Field(
        default=False, description="passed to chat templates that know the switch"
    )
    max_prompt_tokens: int = Field(
        ge=1, description="longer prompts are dropped; special tokens count"
    )

    @field_validator("evals", mode="before")
    @classmethod
    def _null_is_no_set(cls, evals: Any) -> Any:
        return without_nulls(evals)

    @field_validator("evals")
    @classmethod
    def _no_set_named_train(
        cls, evals: dict[EvalSetName, ProblemSource]
    ) -> dict[EvalSetName, ProblemSource]:
        if TRAIN_SET in evals:
            raise ValueError(f"an evaluation set may not be named {TRAIN_SET!r}; rename it")
        return evals

    def source_of(self, set_name: str) -> ProblemSource:
        """Return the source of ``"train"`` or of a named evaluation set."""
        return self.train if set_name == TRAIN_SET else self.evals[set_name]

    def set_names(self) -> tuple[str, ...]:
        """Return ``"train"``, then the evaluation sets in their order."""
        return (TRAIN_SET, *self.evals)
