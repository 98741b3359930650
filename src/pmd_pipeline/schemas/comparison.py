"""Schemas of the tables that compare algorithms over training seeds."""

import pandas as pd
import pandera.pandas as pa
from pandera.typing.pandas import Series

VERDICTS = ("better", "worse", "equivalent", "cannot be told")


class ProblemScoreTable(pa.DataFrameModel):
    """What every policy scored on every problem; the initial one, round 0, has no seed."""

    algorithm: Series[str]
    seed: Series[pd.Int64Dtype] = pa.Field(ge=0, nullable=True)
    round: Series[int] = pa.Field(ge=0)
    eval_set: Series[str]
    metric: Series[str]
    k: Series[int] = pa.Field(ge=1)
    problem_id: Series[str]
    value: Series[float]

    class Config:
        strict = True


class GainTable(pa.DataFrameModel):
    """Paired differences of final scores, over training seeds and problems."""

    algorithm: Series[str]
    against: Series[str]
    eval_set: Series[str]
    k: Series[int] = pa.Field(ge=1)
    gain: Series[float]
    ci_low: Series[float]
    ci_high: Series[float]

    class Config:
        strict = True
        coerce = True  # a CSV file writes 1.0 as 1
        unique = ["algorithm", "against", "eval_set"]  # noqa: RUF012


class PairTable(pa.DataFrameModel):
    """Every pair of algorithms compared; see ``metrics.pairs.compare_pairs``."""

    eval_set: Series[str]
    metric: Series[str]
    k: Series[int] = pa.Field(ge=1)
    first: Series[str]
    second: Series[str]
    difference: Series[float]
    ci_low: Series[float]
    ci_high: Series[float]
    covers: Series[str]
    p_value: Series[float] = pa.Field(ge=0, le=1)
    p_value_holm: Series[float] = pa.Field(ge=0, le=1)
    sign_flip_p_value: Series[float] = pa.Field(ge=0, le=1)
    sign_flip_p_value_holm: Series[float] = pa.Field(ge=0, le=1)
    smallest_sign_flip_p_value: Series[float] = pa.Field(gt=0, le=1)
    equivalence_p_value: Series[float] = pa.Field(ge=0, le=1)
    equivalence_p_value_holm: Series[float] = pa.Field(ge=0, le=1)
    effect_size: Series[float] = pa.Field(nullable=True)
    improvement: Series[float] = pa.Field(ge=0, le=1)
    improvement_ci_low: Series[float] = pa.Field(ge=0, le=1)
    improvement_ci_high: Series[float] = pa.Field(ge=0, le=1)
    num_collapsed_first: Series[int] = pa.Field(ge=0)
    num_collapsed_second: Series[int] = pa.Field(ge=0)
    collapse_p_value: Series[float] = pa.Field(ge=0, le=1)
    verdict: Series[str] = pa.Field(isin=VERDICTS)
    one_seed_verdict: Series[object] = pa.Field(isin=VERDICTS, nullable=True)
    margin: Series[float] = pa.Field(gt=0)
    alpha: Series[float] = pa.Field(gt=0, lt=1)
    num_seeds: Series[int] = pa.Field(ge=1)
    num_problems: Series[int] = pa.Field(ge=1)
    seeds_to_tell: Series[pd.Int64Dtype] = pa.Field(ge=2, nullable=True)
    difference_told: Series[float] = pa.Field(ge=0, nullable=True)
    difference_told_by_twice_the_seeds: Series[float] = pa.Field(ge=0, nullable=True)

    class Config:
        strict = True
        coerce = True  # a table of no pairs has no types; a CSV file writes 1.0 as 1
        unique = ["eval_set", "first", "second"]  # noqa: RUF012
