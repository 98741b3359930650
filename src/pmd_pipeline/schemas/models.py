"""Schemas of the tables of models that are evaluated without training."""

import pandera.pandas as pa
from pandera.typing.pandas import Series

from pmd_pipeline.schemas.comparison import VERDICTS
from pmd_pipeline.schemas.evaluation import EvalMetricsTable
from pmd_pipeline.schemas.rollouts import EachRound


class ResponseTable(pa.DataFrameModel):
    """Responses of a server, not graded yet; may be empty."""

    problem_id: Series[str]
    sample_index: Series[int] = pa.Field(ge=0)
    response: Series[str]
    truncated: Series[bool]
    num_tokens: Series[int] = pa.Field(ge=0)
    served_model: Series[str]
    fingerprint: Series[str]

    class Config:
        strict = True
        unique = ["problem_id", "sample_index"]  # noqa: RUF012


class EachResponseTable(EachRound):
    """The responses of each partition."""

    schema = ResponseTable


class ModelScoreTable(EvalMetricsTable):
    """What every model scored: one row per model, evaluation set, metric and k."""

    model: Series[str]

    class Config:
        strict = True
        coerce = True  # a CSV file writes 1.0 as 1
        unique = ["model", "eval_set", "metric", "k"]  # noqa: RUF012


class ModelProblemScoreTable(pa.DataFrameModel):
    """What every model scored on every problem."""

    model: Series[str]
    eval_set: Series[str]
    metric: Series[str]
    k: Series[int] = pa.Field(ge=1)
    problem_id: Series[str]
    value: Series[float]

    class Config:
        strict = True


class ModelDifferenceTable(pa.DataFrameModel):
    """Every pair of models compared on the same problems; empty where there is one model."""

    eval_set: Series[str]
    metric: Series[str]
    k: Series[int] = pa.Field(ge=1)
    first: Series[str]
    second: Series[str]
    difference: Series[float]
    ci_low: Series[float] = pa.Field(nullable=True)
    ci_high: Series[float] = pa.Field(nullable=True)
    p_value: Series[float] = pa.Field(ge=0, le=1)
    p_value_holm: Series[float] = pa.Field(ge=0, le=1)
    equivalence_p_value: Series[float] = pa.Field(ge=0, le=1)
    equivalence_p_value_holm: Series[float] = pa.Field(ge=0, le=1)
    verdict: Series[str] = pa.Field(isin=VERDICTS)
    margin: Series[float] = pa.Field(gt=0)
    alpha: Series[float] = pa.Field(gt=0, lt=1)
    num_problems: Series[int] = pa.Field(ge=1)

    class Config:
        strict = True
        coerce = True  # a CSV file writes 1.0 as 1
        unique = ["eval_set", "first", "second"]  # noqa: RUF012
