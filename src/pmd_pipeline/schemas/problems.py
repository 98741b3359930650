"""Schemas of problem tables, attached to catalog entries by their ``validator`` key."""

import pandera.pandas as pa
from pandera.typing.pandas import Series

_NOT_BLANK = r"\S"


class RawProblemTable(pa.DataFrameModel):
    """Problems as they came from their sources; a missing text is an empty text.

    A missing answer is an empty text or null; ``metadata`` is a JSON object as text, ``turns`` a
    JSON list as text, or empty.
    """

    problem_id: Series[str] = pa.Field(unique=True, str_contains=_NOT_BLANK)
    problem: Series[str]
    answer: Series[str] = pa.Field(nullable=True)
    source: Series[str] = pa.Field(str_contains=_NOT_BLANK)
    split: Series[str] = pa.Field(isin=["train", "eval"])
    metadata: Series[str] = pa.Field(str_startswith="{")
    turns: Series[str]

    class Config:
        strict = True


class ProblemTable(RawProblemTable):
    """Problems that can be used: the text is there; an answer, if there is one, is not blank."""

    problem: Series[str] = pa.Field(str_contains=_NOT_BLANK)
    answer: Series[str] = pa.Field(nullable=True, str_contains=_NOT_BLANK)


class PromptTable(ProblemTable):
    """Problems with their rendered prompts."""

    prompt: Series[str] = pa.Field(str_contains=_NOT_BLANK)
    has_special_tokens: Series[bool]
    num_prompt_tokens: Series[int] = pa.Field(ge=1)


class TrainPromptTable(PromptTable):
    """Prompts to train on."""

    split: Series[str] = pa.Field(eq="train")


class EvalPromptTable(PromptTable):
    """Prompts to evaluate on; ``source`` is the evaluation set."""

    split: Series[str] = pa.Field(eq="eval")


class DroppedProblemTable(pa.DataFrameModel):
    """Problems that a step dropped, and why; can be empty."""

    problem_id: Series[str] = pa.Field(unique=True)
    set_name: Series[str]
    reason: Series[str]

    class Config:
        strict = True


class OverlapTable(pa.DataFrameModel):
    """Train problems dropped as copies of evaluation problems; can be empty."""

    problem_id: Series[str] = pa.Field(unique=True)
    eval_problem_id: Series[str]
    eval_set: Series[str]
    rule: Series[str] = pa.Field(isin=["exact", "ngram"])
    overlap_fraction: Series[float] = pa.Field(gt=0, le=1)

    class Config:
        strict = True
