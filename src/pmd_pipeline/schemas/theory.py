"""Schemas of the theory stage's tables, and of training held against theory."""

import pandera.pandas as pa
from pandera.typing.pandas import Series

_METHODS = ["pmd_mean", "pmd_part"]


class LogPartitionTable(pa.DataFrameModel):
    """Figure 1, left: one row per tau and success probability."""

    tau: Series[float] = pa.Field(gt=0)
    p: Series[float] = pa.Field(gt=0, lt=1)
    mean_reward: Series[float] = pa.Field(ge=0, le=1)
    scaled_log_partition: Series[float] = pa.Field(ge=0, le=1)
    gap: Series[float] = pa.Field(ge=0)

    class Config:
        strict = True
        unique = ["tau", "p"]  # noqa: RUF012


class SimplexTable(pa.DataFrameModel):
    """Figure 1, right: one row per policy over three actions."""

    method: Series[str] = pa.Field(isin=_METHODS)
    role: Series[str] = pa.Field(isin=["initial", "path", "solution", "small_tau_limit"])
    tau: Series[float] = pa.Field(ge=0)
    probability_1: Series[float] = pa.Field(ge=0, le=1)
    probability_2: Series[float] = pa.Field(ge=0, le=1)
    probability_3: Series[float] = pa.Field(ge=0, le=1)
    reward_1: Series[float]
    reward_2: Series[float]
    reward_3: Series[float]
    expected_reward: Series[float]

    class Config:
        strict = True


class LogRatioTable(pa.DataFrameModel):
    """Figure 2: one row per method, tau, success probability and kind of response."""

    method: Series[str] = pa.Field(isin=_METHODS)
    tau: Series[float] = pa.Field(gt=0)
    p: Series[float] = pa.Field(gt=0, lt=1)
    response: Series[str] = pa.Field(isin=["right", "wrong"])
    log_ratio: Series[float]

    class Config:
        strict = True
        unique = ["method", "tau", "p", "response"]  # noqa: RUF012


class EstimationErrorTable(pa.DataFrameModel):
    """Figure 3: one row per method, group size and success probability."""

    method: Series[str] = pa.Field(isin=_METHODS)
    group_size: Series[int] = pa.Field(ge=2)
    p: Series[float] = pa.Field(gt=0, lt=1)
    prefactor: Series[float] = pa.Field(ge=1)
    exact_error: Series[float] = pa.Field(ge=0)
    simulated_error: Series[float] = pa.Field(ge=0)
    exact_scaled_error: Series[float] = pa.Field(ge=0)
    simulated_scaled_error: Series[float] = pa.Field(ge=0)

    class Config:
        strict = True
        unique = ["method", "group_size", "p"]  # noqa: RUF012


class LaboratoryTable(pa.DataFrameModel):
    """The laboratory: one row per method, way of sampling, round and quantity."""

    method: Series[str] = pa.Field(isin=[*_METHODS, "group_standardised"])
    rollouts: Series[str] = pa.Field(isin=["exact", "sampled"])
    round: Series[int] = pa.Field(ge=0)
    quantity: Series[str]
    mean: Series[float]
    median: Series[float]
    low: Series[float]
    high: Series[float]

    class Config:
        strict = True
        unique = ["method", "rollouts", "round", "quantity"]  # noqa: RUF012


class ComparedGroupTable(pa.DataFrameModel):
    """Training held against theory: a row per run, round, prompt group and kind of response.

    It has no rows where no exact update is known or no group was informative.
    """

    algorithm: Series[str]
    seed: Series[int] = pa.Field(ge=0)
    method: Series[str] = pa.Field(isin=_METHODS)
    round: Series[int] = pa.Field(ge=1)
    problem_id: Series[str]
    pass_rate: Series[float] = pa.Field(gt=0, lt=1)
    response: Series[str] = pa.Field(isin=["right", "wrong"])
    predicted_log_ratio: Series[float]
    measured_log_ratio: Series[float]
    is_past_bound: Series[bool]

    class Config:
        strict = True
        coerce = True  # a table without rows has no types to check
        unique = ["algorithm", "seed", "round", "problem_id", "response"]  # noqa: RUF012
