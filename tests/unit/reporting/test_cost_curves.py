"""What it costs to get there, as data."""

import numpy as np
import pandas as pd
import pytest

from pmd_pipeline.reporting.curves.cost_curves import (
    cost_alt_text,
    cost_caption,
    cost_figure,
    used_until,
)

COMPARISON_COLUMNS = ["algorithm", "eval_set", "metric", "k", "round", "value", "ci_low", "ci_high"]


@pytest.fixture
def rounds() -> pd.DataFrame:
    """Two rounds of two seeds: the second has responses and times twice as long.

    A second of a round's 2.5 s of sampling passed beside the updates of the round before.
    """
    rows = [
        ("grpo", seed, number, 8 * number, 64, 640 * seed, 2.5 * seed, 1.5 * seed, 2.0 * seed)
        for seed in (1, 2)
        for number in (2, 1)
    ]
    columns = ["algorithm", "seed", "round", "policy_version", "num_rollouts"]
    columns += ["num_sampled_tokens", "sampling_seconds", "waiting_seconds", "updating_seconds"]
    return pd.DataFrame(rows, columns=columns)


@pytest.fixture
def comparison() -> pd.DataFrame:
    rows = [("grpo", "a", "avg_at_k", 4, n, v, v - 0.1, v + 0.1) for n, v in ((0, 0.4), (2, 0.7))]
    return pd.DataFrame(rows, columns=COMPARISON_COLUMNS)


@pytest.fixture
def by_seed(comparison: pd.DataFrame) -> pd.DataFrame:
    shifts = {1: -0.02, 2: 0.02}
    return pd.concat(
        [comparison.assign(seed=s, value=comparison["value"] + d) for s, d in shifts.items()]
    )


def test_what_rounds_use_is_added_up_for_each_seed(rounds: pd.DataFrame) -> None:
    """128 rollouts and 16 updates each; 640 tokens a round, or 1280; 3.5 s a round, or 7."""
    used = used_until(rounds).sort_values(["seed", "round"])
    assert used["round"].tolist() == [0, 1, 2, 0, 1, 2]
    assert used["rollouts"].tolist() == [0, 64, 128] * 2
    assert used["updates"].tolist() == [0, 8, 16] * 2
    assert used["sampled tokens"].tolist() == [0, 640, 1280, 0, 1280, 2560]
    assert used["seconds"].tolist() == [0, 3.5, 7, 0, 7, 14]


def test_scores_stand_at_what_was_used_by_the_evaluated_round(
    rounds: pd.DataFrame, comparison: pd.DataFrame, by_seed: pd.DataFrame
) -> None:
    """A mean at the mean of its seeds, each seed at its own; the initial policy at nothing."""
    figure = cost_figure(rounds, comparison, by_seed)
    assert [panel.x.label for panel in figure.panels] == [
        *("rollouts", "updates", "sampled tokens", "seconds")
    ]
    for panel, last, of_each in zip(
        figure.panels,
        (128, 16, 1920, 10.5),
        ((128, 128), (16, 16), (1280, 2560), (7, 14)),
        strict=True,
    ):
        thin, mean = panel.series
        assert mean.label == "grpo"
        assert mean.x.tolist() == [0, last]
        assert mean.y.tolist() == [0.4, 0.7]
        assert mean.low is not None
        np.testing.assert_allclose(mean.low, [0.3, 0.6])
        assert thin.label is None
        assert thin.strands is not None
        assert thin.strands.tolist() == [1, 1, 2, 2]
        assert thin.x.tolist() == [0, of_each[0], 0, of_each[1]]
        np.testing.assert_allclose(thin.y, [0.38, 0.68, 0.42, 0.72])


def test_large_numbers_are_counted_in_thousands_and_long_times_in_hours(
    rounds: pd.DataFrame, comparison: pd.DataFrame
) -> None:
    long = rounds.assign(
        num_rollouts=10_000, num_sampled_tokens=20_000_000, updating_seconds=9000.0
    )
    panels = cost_figure(long, comparison).panels
    assert [panel.x.label for panel in panels] == [
        *("thousand rollouts", "updates", "million sampled tokens", "hours")
    ]
    assert [panel.series[0].x[-1] for panel in panels[:3]] == [20, 16, 40]
    assert panels[3].series[0].x[-1] == pytest.approx((18_000 + 4.5) / 3600)


def test_of_several_sets_the_mean_is_drawn_without_an_interval(
    rounds: pd.DataFrame, comparison: pd.DataFrame
) -> None:
    """Intervals of sets do not make one of their mean; the caption speaks of none."""
    other = comparison.assign(eval_set="b", value=comparison["value"] - 0.2)
    both = pd.concat([comparison, other])
    (series,) = cost_figure(rounds, both).panels[0].series
    np.testing.assert_allclose(series.y, [0.3, 0.6])
    assert series.low is None
    caption = cost_caption(both, None, interval_level=0.9)
    assert "mean of 2 sets" in caption
    assert "interval" not in caption
    alone = cost_caption(comparison, None, interval_level=0.9)
    assert "90 % interval over problems" in alone
    assert "sampling, grading and updating on the machine of this run" in alone
    lagged = cost_caption(comparison, None, interval_level=0.9, has_lag=True)
    assert "sampling and grading went on beside the updates of earlier ones" in lagged


def test_words_say_where_each_algorithm_ended_and_at_what_cost(
    rounds: pd.DataFrame, comparison: pd.DataFrame, by_seed: pd.DataFrame
) -> None:
    assert cost_alt_text(cost_figure(rounds, comparison, by_seed)) == (
        "avg@4 on a: what it costs to get there. grpo: 0.7 after 128 rollouts, 16 updates, "
        "1920 sampled tokens and 10.5 seconds."
    )
