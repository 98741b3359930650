"""Schema of what trainings have used."""

import pandera.pandas as pa
from pandera.typing.pandas import Series


class BudgetTable(pa.DataFrameModel):
    """One row per training run, an algorithm with a training seed: its rounds added up.

    Tokens of responses are sampled; those of prompts and responses that went forward and backward
    through the policy are trained, as often as they did. Seconds are wall time; with lag, sampling
    and grading overlap with updating, and the total is that of updating and waiting. See
    ``metrics.budgets``.
    """

    algorithm: Series[str]
    seed: Series[int] = pa.Field(ge=0)
    num_rounds: Series[int] = pa.Field(ge=1)
    num_prompts: Series[int] = pa.Field(ge=1)
    num_rollouts: Series[int] = pa.Field(ge=1)
    num_generation_calls: Series[int] = pa.Field(ge=1)
    num_sampled_tokens: Series[int] = pa.Field(ge=0)
    num_trained_tokens: Series[int] = pa.Field(ge=0)
    num_updates: Series[int] = pa.Field(ge=0)
    num_skipped_updates: Series[int] = pa.Field(ge=0)
    sampling_seconds: Series[float] = pa.Field(ge=0)
    grading_seconds: Series[float] = pa.Field(ge=0)
    updating_seconds: Series[float] = pa.Field(ge=0)
    waiting_seconds: Series[float] = pa.Field(ge=0)
    total_seconds: Series[float] = pa.Field(ge=0)

    class Config:
        strict = True
        ordered = True
        coerce = True  # a CSV file writes 1.0 as 1
        unique = ["algorithm", "seed"]  # noqa: RUF012
