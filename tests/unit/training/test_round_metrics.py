"""A round without any signal is spoken of."""

import logging
from dataclasses import fields
from typing import Any

import pytest

from pmd_pipeline.training.round_metrics import RoundMetrics, warn_without_signal


def metrics(**values: Any) -> RoundMetrics:
    return RoundMetrics(**{field.name: 0 for field in fields(RoundMetrics)} | values)


def test_a_round_of_equal_rewards_warns_and_says_what_to_change(
    caplog: pytest.LogCaptureFixture,
) -> None:
    warn_without_signal("grpo", metrics(round=3, no_signal_fraction=1.0, truncated_fraction=0.81))
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    message = record.getMessage()
    assert message.startswith("grpo, round 3: in each group all rollouts have the same reward")
    assert "min_mean_reward" in message
    assert "truncated: 81 %" in message


def test_one_group_with_a_signal_is_enough(caplog: pytest.LogCaptureFixture) -> None:
    warn_without_signal("grpo", metrics(no_signal_fraction=0.99))
    assert not caplog.records
