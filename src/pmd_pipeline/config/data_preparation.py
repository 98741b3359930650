"""Which problems an experiment trains and evaluates on, and how they become prompts."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Final, Literal, Self, assert_never

from pydantic import Field, StringConstraints, field_validator, model_validator

from pmd_pipeline.addresses import is_address
from pmd_pipeline.config.base import StrictModel, VariantModel, without_nulls
from pmd_pipeline.config.names import LONGEST_NAME, same_file_names
from pmd_pipeline.config.place import PlaceConfig
from pmd_pipeline.config.prompt_templates import PromptTemplate
from pmd_pipeline.importing import IMPORT_PATH_PATTERN

# Formats of local files, and what the text formats may be compressed by.
COMPRESSIONS: Final[Mapping[str, str]] = {".gz": "gzip", ".zst": "zstd"}
FILE_SUFFIXES: Final = (
    ".parquet",
    *(
        f"{suffix}{compression}"
        for suffix in (".jsonl", ".json", ".csv")
        for compression in ("", *COMPRESSIONS)
    ),
)

ColumnName = Annotated[str, StringConstraints(min_length=1)]
Widths = tuple[Annotated[int, Field(ge=1, le=5)], ...]
Difficulty = Literal["easy", "standard", "hard"]
EvalSetName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=LONGEST_NAME)
]

# Digits per operand of each difficulty; a width named twice is drawn twice as often.
DIFFICULTY_WIDTHS: Final[Mapping[Difficulty, tuple[int, ...]]] = {
    "easy": (1, 2),
    "standard": (1, 2, 3, 3),
    "hard": (3, 4, 5, 5),
}

# It marks the train problems in problem ids and reports, so no evaluation set may have this name.
TRAIN_SET = "train"


class GeneratedAdditionSource(VariantModel):
    """Column additions generated from the run's seed; train and eval draw from disjoint texts."""

    kind: Literal["generated_addition"]
    num_problems: int = Field(ge=1, le=100_000, description="distinct problems that are made")
    difficulty: Difficulty = Field(
        default="standard",
        description="how long operands are: easy, 1 or 2 digits; standard, 1 to 3; hard, 3 to 5",
    )
    widths: Widths | None = Field(
        default=None,
        min_length=1,
        description="digits per operand, in place of the difficulty's; a width named twice is "
        "drawn twice as often",
    )

    @property
    def operand_widths(self) -> tuple[int, ...]:
        """Digits per operand, each entry with an equal share."""
        return DIFFICULTY_WIDTHS[self.difficulty] if self.widths is None else self.widths

    @model_validator(mode="after")
    def _one_says_how_long(self) -> Self:
        # The default is no wish of its own: whatever writes a configuration out names it.
        if self.widths is not None and self.difficulty != "standard":
            raise ValueError(
                f"difficulty {self.difficulty!r} and widths {list(self.widths)} both say how long "
                "operands are; remove one"
            )
        return self


class GeneratedSource(VariantModel):
    """Problems that a function of the user's own makes."""

    kind: Literal["generated"]
    import_path: str = Field(
        pattern=IMPORT_PATH_PATTERN,
        description="my_package.my_module:make_problems, called with seed, num_problems and the "
        "options by name",
    )
    options: dict[str, Any] = Field(default={}, description="passed to it by name")
    num_problems: int = Field(ge=1, le=1_000_000, description="problems that it is asked for")

    @field_validator("options")
    @classmethod
    def _names_of_its_own(cls, options: dict[str, Any]) -> dict[str, Any]:
        for name in ("seed", "num_problems"):
            if name in options:
                raise ValueError(f"{name!r} is passed anyway; rename or remove the option")
        return options


class ReasoningGymSource(VariantModel):
    """Problems of one family of Reasoning Gym, drawn from the run's seed; extra reasoning-gym.

    Train and evaluation sets never share a seed.
    """

    kind: Literal["reasoning_gym"]
    dataset: str = Field(min_length=1, description="the family, for example chain_sum")
    options: dict[str, Any] = Field(default={}, description="the family's own settings")
    num_problems: int = Field(ge=1, le=100_000, description="distinct problems that are made")
    text: Literal["question", "expression"] = Field(
        default="question",
        description="a problem's text: the family's question, or the bare expression in it without "
        "blanks, as the embedded policy reads it",
    )


class StoredSource(PlaceConfig):
    """Rows of a local file or of a hub data set at a pinned revision."""

    path: str | None = Field(
        default=None,
        description="file here, or at an address such as s3://bucket/problems.jsonl; excludes "
        "hub_name",
    )
    hub_config: str | None = Field(
        default=None, description="configuration of the hub data set, where it has several"
    )
    hub_split: str = Field(default="train", min_length=1, description="split of the hub data set")
    limit: int | None = Field(
        default=None, ge=1, description="most problems kept, drawn with the run's seed; null: all"
    )
    ignored_columns: tuple[str, ...] = Field(
        default=(), description="columns that are not read, such as pictures"
    )

    @property
    def address(self) -> str | None:
        """Where the file is, if not on this machine: ``s3://bucket/problems.jsonl``."""
        return self.path if self.path is not None and is_address(self.path) else None

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
        if path is not None and not path.endswith(FILE_SUFFIXES):
            raise ValueError(
                f"path {path!r} must end in .parquet, .jsonl, .json or .csv, the last three also "
                "with .gz or .zst after it"
            )
        return path


class TableColumns(StrictModel):
    """Which column holds what; a dot leads into nested values, as in reward_model.ground_truth."""

    problem: ColumnName = Field(description="text, or chat turns [{role: ..., content: ...}]")
    answer: ColumnName | None = Field(
        default=None, description="the reference answer; null: there is none"
    )
    problem_id: ColumnName | None = Field(
        default=None, description="unique in the set; null: row-0, row-1, ..."
    )


class TableSource(StoredSource):
    """Problems of the user's own: any file or data set, its columns named here.

    All other columns become the problems' metadata.
    """

    kind: Literal["table"]
    columns: TableColumns


class DapoSource(StoredSource):
    """DAPO-Math-17k in its raw schema: a chat ``prompt`` and ``reward_model.ground_truth``."""

    kind: Literal["dapo"]


class AimeSource(StoredSource):
    """AIME problems, answers 0 to 999: ``problem`` and ``answer`` columns, or DAPO's raw schema."""

    kind: Literal["aime"]
    problem_column: str = Field(default="problem", description="column of the problem's text")
    answer_column: str = Field(default="answer", description="column of the answer")


class Math500Source(StoredSource):
    """MATH-500: ``problem`` and ``answer`` columns, the answer in LaTeX."""

    kind: Literal["math500"]
    hub_split: str = Field(default="test", min_length=1, description="split of the hub data set")


class Gsm8kSource(StoredSource):
    """GSM8K: ``question``, and ``answer`` with the final number after ``####``."""

    kind: Literal["gsm8k"]
    hub_split: str = Field(default="test", min_length=1, description="split of the hub data set")


AnyStoredSource = TableSource | DapoSource | AimeSource | Math500Source | Gsm8kSource
AnyGeneratedSource = GeneratedAdditionSource | GeneratedSource | ReasoningGymSource
ProblemSource = Annotated[
    AnyGeneratedSource | AnyStoredSource,
    Field(discriminator="kind"),
]


def origin_of(source: ProblemSource) -> str:
    """Return a source's kind and place in a few words, for reports and messages."""
    match source:
        case GeneratedAdditionSource():
            return source.kind
        case GeneratedSource():
            return f"{source.kind}: {source.import_path}"
        case ReasoningGymSource():
            return f"{source.kind}: {source.dataset}"
        case StoredSource():
            hub = f"{source.hub_name}@{source.revision}"
            return f"{source.kind}: {source.path if source.path is not None else hub}"
        case _:
            assert_never(source)


def demonstrated_family(source: ProblemSource) -> str | None:
    """Return the family whose problems the embedded policy's warm start can demonstrate, if any."""
    match source:
        case GeneratedAdditionSource():
            return source.kind
        case ReasoningGymSource(dataset="chain_sum", text="expression"):
            return "chain_sum"
        case _:
            return None


class DataPreparationConfig(StrictModel):
    """Section ``data_preparation`` of the parameters."""

    train: ProblemSource = Field(description="problems to train on")
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
    prompt_template: PromptTemplate = Field(
        description="dapo, boxed, embedded, plain, or {system: ..., user: ...} with {problem} in it"
    )
    use_chat_template: Literal["auto"] | bool = Field(
        default="auto", description="auto: where the tokenizer has one"
    )
    enable_thinking: bool = Field(
        default=False, description="passed to chat templates that know the switch"
    )
    prompt_date: date = Field(
        default=date(2024, 7, 26),  # what Llama's own templates fall back to
        description="to chat templates that write today's date into the prompt: this one",
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
    def _each_set_has_a_name_of_its_own(
        cls, evals: dict[EvalSetName, ProblemSource]
    ) -> dict[EvalSetName, ProblemSource]:
        clashing = same_file_names([TRAIN_SET, *evals])
        if TRAIN_SET in evals or TRAIN_SET in clashing:
            raise ValueError(f"an evaluation set may not be named {TRAIN_SET!r}; rename it")
        if clashing:
            raise ValueError(
                f"the evaluation sets {clashing[0]!r} and {clashing[1]!r} differ by capitals "
                "alone, and some file systems take their files for one; rename one"
            )
        return evals

    def source_of(self, set_name: str) -> ProblemSource:
        """Return the source of ``"train"`` or of a named evaluation set."""
        return self.train if set_name == TRAIN_SET else self.evals[set_name]

    def key_of(self, set_name: str) -> str:
        """Return the parameter that holds a set's source."""
        prefix = "data_preparation"
        return f"{prefix}.train" if set_name == TRAIN_SET else f"{prefix}.evals.{set_name}"

    def most_train_problems(self) -> tuple[str, int | None]:
        """Return the parameter that bounds the number of train problems, and the bound, if any."""
        if isinstance(self.train, StoredSource):
            return f"{self.key_of(TRAIN_SET)}.limit", self.train.limit
        return f"{self.key_of(TRAIN_SET)}.num_problems", self.train.num_problems

    def verbatim_sets(self) -> frozenset[str]:
        """Return the sets whose texts stay just as they came, white space and all."""
        return frozenset(
            name
            for name in self.set_names()
            if isinstance(self.source_of(name), GeneratedSource | ReasoningGymSource | TableSource)
        )

    def generated_sets(self) -> frozenset[str]:
        """Return the sets whose problems a generator makes, alike but for a number or a word."""
        return frozenset(
            name
            for name in self.set_names()
            if isinstance(self.source_of(name), AnyGeneratedSource)
        )

    def set_names(self) -> tuple[str, ...]:
        """Return ``"train"``, then the evaluation sets in their order."""
        return (TRAIN_SET, *self.evals)
