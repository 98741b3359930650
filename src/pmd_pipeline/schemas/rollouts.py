"""Schemas of rollout tables and of what is counted from them."""

from collections.abc import Callable
from typing import Any, Optional

import pandas as pd
import pandera.pandas as pa
from pandera.typing.pandas import Series


class RolloutTable(pa.DataFrameModel):
    """One row per rollout.

    ``correct`` is missing where the reward does not tell right from wrong; a reward made of
    several adds a column ``reward_<name>`` for each.
    """

    problem_id: Series[str]
    sample_index: Series[int] = pa.Field(ge=0)
    response: Series[str]
    answer: Series[str] = pa.Field(nullable=True)
    correct: Series[pd.BooleanDtype] = pa.Field(nullable=True)
    grade_reason: Series[str]
    reward: Series[float]
    reward_parts: Optional[Series[float]] = pa.Field(alias="^reward_", regex=True)  # noqa: UP045
    truncated: Series[bool]
    num_tokens: Series[int] = pa.Field(ge=0)
    sampler_log_prob: Series[float] = pa.Field(le=1e-3)

    class Config:
        strict = True


class RoundRolloutTable(RolloutTable):
    """The rollouts of a training round, with what its updates made of them.

    What no pass has computed of a rollout is missing. With a refill, ``is_trained`` marks what the
    updates used.
    """

    round: Series[int] = pa.Field(ge=1)
    cycle: Series[int] = pa.Field(ge=0)
    sampled_version: Series[int] = pa.Field(ge=0)
    advantage: Series[float]
    behaviour_log_prob: Series[float] = pa.Field(le=1e-3, nullable=True)
    sequence_log_ratio: Series[float] = pa.Field(nullable=True)
    entropy: Series[float] = pa.Field(nullable=True)
    is_trained: Optional[Series[bool]]  # noqa: UP045


class PromptStatisticsTable(pa.DataFrameModel):
    """One row per train prompt, from the initial policy's rollouts."""

    problem_id: Series[str] = pa.Field(unique=True)
    num_samples: Series[int] = pa.Field(ge=1)
    pass_rate: Series[float] = pa.Field(ge=0, le=1, nullable=True)
    mean_reward: Series[float]
    mean_response_tokens: Series[float] = pa.Field(ge=0)
    truncated_fraction: Series[float] = pa.Field(ge=0, le=1)

    class Config:
        strict = True


class RoundMetricsTable(pa.DataFrameModel):
    """One row per algorithm, training seed and round; see ``training.round_metrics.RoundMetrics``.

    The columns ``reward_...`` are means of the parts of a reward that is made of several, and
    ``theory_...`` those of ``theory.RoundComparison``; NaN for algorithms and
    rewards without a known exact update. ``num_kept_groups`` and ``num_missing_groups`` are those
    of algorithms with a refill.
    """

    algorithm: Series[str]
    seed: Series[int] = pa.Field(ge=0)
    round: Series[int] = pa.Field(ge=1)
    policy_version: Series[int] = pa.Field(ge=0)
    num_skipped_updates: Series[int] = pa.Field(ge=0)
    staleness_updates: Series[int] = pa.Field(ge=0)
    staleness_rounds: Series[int] = pa.Field(ge=0)
    num_prompts: Series[int] = pa.Field(ge=1)
    num_rollouts: Series[int] = pa.Field(ge=1)
    num_generation_calls: Series[int] = pa.Field(ge=1)
    num_sampled_tokens: Series[int] = pa.Field(ge=0)
    num_trained_tokens: Series[int] = pa.Field(ge=0)
    learning_rate: Series[float] = pa.Field(ge=0)
    mean_reward: Series[float]
    group_pass_rate: Series[float] = pa.Field(ge=0, le=1, nullable=True)
    no_signal_fraction: Series[float] = pa.Field(ge=0, le=1)
    gradient_norm: Series[float] = pa.Field(ge=0, nullable=True)
    loss: Series[float] = pa.Field(nullable=True)
    clip_fraction: Series[float] = pa.Field(ge=0, le=1, nullable=True)
    truncated_fraction: Series[float] = pa.Field(ge=0, le=1)
    log_ratio_min: Optional[Series[float]] = pa.Field(nullable=True)  # noqa: UP045
    reward_parts: Optional[Series[float]] = pa.Field(alias="^reward_", regex=True)  # noqa: UP045
    num_kept_groups: Optional[Series[float]] = pa.Field(ge=0, nullable=True)  # noqa: UP045
    num_missing_groups: Optional[Series[float]] = pa.Field(ge=0, nullable=True)  # noqa: UP045
    theory: Optional[Series[float]] = pa.Field(  # noqa: UP045
        alias="^theory_", regex=True, nullable=True
    )

    class Config:
        strict = False
        coerce = True  # a CSV file writes 1.0 as 1


class EachRound:
    """Validates a table of rounds, or each round's table in a dictionary: at once, or when loaded.

    A schema beside a dataset of partitions would see a dictionary and fail.
    """

    schema: type[pa.DataFrameModel]

    def validate(self, data: Any) -> Any:
        """Return the data as the schema has read it."""
        if isinstance(data, dict):
            return {name: self._validate_round(part) for name, part in data.items()}
        return self.schema.validate(data)

    def _validate_round(self, part: pd.DataFrame | Callable[[], pd.DataFrame]) -> Any:
        if isinstance(part, pd.DataFrame):
            return self.schema.validate(part)
        return lambda: self.schema.validate(part())


class EachRoundRolloutTable(EachRound):
    """The rollouts of each round."""

    schema = RoundRolloutTable


class EachRoundMetricsTable(EachRound):
    """The metrics of each round."""

    schema = RoundMetricsTable
