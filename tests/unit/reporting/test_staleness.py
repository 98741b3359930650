"""What the report says and draws of lag."""

import pandas as pd
import pytest

from pmd_pipeline.reporting.curves.panels import learning_curve_panels
from pmd_pipeline.reporting.run_page.staleness import staleness


@pytest.fixture
def lagged(round_metrics: pd.DataFrame) -> pd.DataFrame:
    """Lag 2 in phases of three rounds with 8 updates, which take 1.9 s; 0.1 s of waiting."""
    behind = [0, 1, 2] * 2 * round_metrics["algorithm"].nunique()
    return round_metrics.assign(
        staleness_rounds=behind,
        staleness_updates=[8 * rounds for rounds in behind],
        waiting_seconds=0.1,
    )


def test_the_first_lines_say_how_old_the_rollouts_were(lagged: pd.DataFrame) -> None:
    found = staleness(lagged)
    assert found is not None
    assert found.sentence == (
        "Rollouts were sampled ahead of training (training.lag): 67 % of the rounds were trained "
        "on those of an earlier policy, up to 2 rounds and 16 updates old. A phase's first rounds "
        "were fresher."
    )
    assert len(found.table.rows) == 5
    assert found.table.rows[0] == ("pmd_mean", "4 of 6", "1", "2", "8", "16", "5 %")


def test_staleness_is_drawn_in_updates_and_in_rounds(
    lagged: pd.DataFrame, comparison: pd.DataFrame
) -> None:
    *_, updates, rounds = learning_curve_panels(lagged, comparison)
    assert (updates.name, rounds.name) == ("staleness_updates", "staleness_rounds")
    assert updates.series[0].y.tolist() == [0, 8, 16, 0, 8, 16]
    assert rounds.series[0].y.tolist() == [0, 1, 2, 0, 1, 2]


def test_without_lag_nothing_is_said_or_drawn(
    round_metrics: pd.DataFrame, comparison: pd.DataFrame
) -> None:
    assert staleness(round_metrics) is None
    names = [panel.name for panel in learning_curve_panels(round_metrics, comparison)]
    assert not [name for name in names if "staleness" in name]
