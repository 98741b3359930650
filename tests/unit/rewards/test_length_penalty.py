import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pmd_pipeline.config.rewards import MathRewardConfig
from pmd_pipeline.rewards.length_penalty import LengthPenalty, length_penalty_of

PENALTY = LengthPenalty(buffer_tokens=4, penalty=1.0)


def test_it_grows_linearly_over_the_buffer() -> None:
    losses = PENALTY.of([0, 6, 7, 8, 9, 10, 12], 10)
    assert losses.dtype == np.float64
    np.testing.assert_array_equal(losses, [0.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.0])


def test_it_scales() -> None:
    half = LengthPenalty(buffer_tokens=4, penalty=0.5)
    np.testing.assert_array_equal(half.of([8], 10), [0.25])


@given(st.integers(1, 100), st.integers(0, 300))
def test_it_lies_between_nothing_and_all_of_it(buffer: int, length: int) -> None:
    (loss,) = LengthPenalty(buffer_tokens=buffer, penalty=1.0).of([length], 200)
    assert 0 <= loss <= 1


def test_no_rollouts_lose_nothing() -> None:
    assert PENALTY.of([], 10).shape == (0,)


def test_the_buffer_must_fit_the_length_limit() -> None:
    with pytest.raises(ValueError, match=r"overlong_buffer_tokens is 4.*at most 3"):
        PENALTY.of([1], 3)


def test_a_negative_length_is_refused() -> None:
    with pytest.raises(ValueError, match="-1"):
        PENALTY.of([-1], 10)


def test_the_parameters_ask_for_one_or_none() -> None:
    assert length_penalty_of(MathRewardConfig()) is None
    asked = MathRewardConfig(overlong_buffer_tokens=4, overlong_penalty=0.5)
    assert length_penalty_of(asked) == LengthPenalty(buffer_tokens=4, penalty=0.5)


@pytest.mark.parametrize(
    "values",
    [
        {"correct_reward": -1.0},
        {"correct_reward": -2.0, "incorrect_reward": -1.0},
        {"correct_reward": float("nan")},
        {"timeout_seconds": 0},
        {"num_workers": 0},
        {"overlong_buffer_tokens": 0},
        {"overlong_penalty": -1.0},
        {"convention": "hash"},
        {"tiemout_seconds": 3},
    ],
)
def test_unusable_reward_configuration_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        MathRewardConfig.model_validate(values)
