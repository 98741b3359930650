import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pmd_pipeline.config.rewards import RewardConfig
from pmd_pipeline.rewards import shape_rewards

OVERLONG = RewardConfig(overlong_buffer_tokens=4, overlong_penalty=1.0)


def test_rewards_are_plus_and_minus_one_by_default() -> None:
    rewards = shape_rewards([True, False], [3, 10], 10, RewardConfig())
    assert rewards.dtype == np.float64
    np.testing.assert_array_equal(rewards, [1.0, -1.0])


def test_reward_values_follow_the_configuration() -> None:
    config = RewardConfig(correct_reward=1.0, incorrect_reward=0.0)
    np.testing.assert_array_equal(shape_rewards([False, True], [1, 1], 10, config), [0.0, 1.0])


def test_penalty_grows_linearly_over_the_buffer() -> None:
    lengths = [0, 6, 7, 8, 9, 10, 12]
    rewards = shape_rewards([True] * 7, lengths, 10, OVERLONG)
    np.testing.assert_array_equal(rewards, [1.0, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0])


def test_penalty_applies_to_wrong_responses_alike_and_scales() -> None:
    config = RewardConfig(overlong_buffer_tokens=4, overlong_penalty=0.5)
    np.testing.assert_array_equal(shape_rewards([False], [8], 10, config), [-1.25])


@given(st.integers(1, 100), st.integers(0, 300), st.booleans())
def test_penalty_lies_between_nothing_and_all_of_it(buffer: int, length: int, right: bool) -> None:
    config = RewardConfig(overlong_buffer_tokens=buffer)
    plain = shape_rewards([right], [length], 200, RewardConfig())[0]
    shaped = shape_rewards([right], [length], 200, config)[0]
    assert plain - 1 <= shaped <= plain


def test_no_rollouts_have_no_rewards() -> None:
    assert shape_rewards([], [], 10, OVERLONG).shape == (0,)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"\(2,\).*\(1,\)"):
        shape_rewards([True, False], [1], 10, RewardConfig())


def test_buffer_must_fit_the_length_limit() -> None:
    with pytest.raises(ValueError, match="buffer"):
        shape_rewards([True], [1], 3, OVERLONG)


def test_negative_length_is_refused() -> None:
    with pytest.raises(ValueError, match="-1"):
        shape_rewards([True], [-1], 10, OVERLONG)


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
        RewardConfig.model_validate(values)
