"""Schemas of evaluation tables."""

import pandas as pd
import pandera.pandas as pa
from pandera.typing.pandas import Series


class CompletionTable(pa.DataFrameModel):
    """Every completion of an evaluation: enough to regrade it without a model.

    ``correct`` is missing where the reward does not tell right from wrong, ``gold`` where the data
    has no reference answer; ``metadata`` is a JSON object.
    """

    eval_set: Series[str]
    problem_id: Series[str]
    sample_index: Series[int] = pa.Field(ge=0)
    problem: Series[str]
    gold: Series[str] = pa.Field(nullable=True)
    metadata: Series[str]
    response: Series[str]
    answer: Series[str] = pa.Field(nullable=True)
    correct: Series[pd.BooleanDtype] = pa.Field(nullable=True)
    grade_reason: Series[str]
    reward: Series[float]
    truncated: Series[bool]
    num_tokens: Series[int] = pa.Field(ge=0)

    class Config:
        strict = True
        unique = ["problem_id", "sample_index"]  # noqa: RUF012


class RoundCompletionTable(CompletionTable):
    """The completions of all evaluated rounds of one training run."""

    round: Series[int] = pa.Field(ge=1)

    class Config:
        strict = True
        unique = ["problem_id", "sample_index", "round"]  # noqa: RUF012


class EvalMetricsTable(pa.DataFrameModel):
    """One row per evaluation set, metric and k; nothing bounds a single problem's mean reward."""

    eval_set: Series[str]
    metric: Series[str]
    k: Series[int] = pa.Field(ge=1)
    value: Series[float]
    ci_low: Series[float] = pa.Field(nullable=True)
    ci_high: Series[float] = pa.Field(nullable=True)

    class Config:
        strict = True
        unique = ["eval_set", "metric", "k"]  # noqa: RUF012


class ComparisonTable(EvalMetricsTable):
    """What is compared: every algorithm after every evaluated round; round 0 is the start.

    Values are means over training seeds.
    """

    algorithm: Series[str]
    round: Series[int] = pa.Field(ge=0)

    class Config:
        strict = True
        coerce = True  # a CSV file writes 1.0 as 1
        unique = ["algorithm", "eval_set", "metric", "k", "round"]  # noqa: RUF012


class SeedComparisonTable(ComparisonTable):
    """The same for each training seed."""

    seed: Series[int] = pa.Field(ge=0)

    class Config:
        strict = True
        coerce = True  # a CSV file writes 1.0 as 1
        unique = ["algorithm", "seed", "eval_set", "metric", "k", "round"]  # noqa: RUF012
