"""Where the time went, as tables."""

import pandas as pd
import pytest

from pmd_pipeline.reporting.run_page.stage_times import stacked_times, training_times


def test_training_times_add_up_the_rounds_by_kind(round_metrics: pd.DataFrame) -> None:
    """Six rounds of 1.2, 0.4 and 1.9 seconds."""
    table = training_times(round_metrics)
    rows = table[table["stage"] == "training grpo"]
    assert rows["kind"].tolist() == ["sampling", "grading", "updating"]
    assert rows["seconds"].tolist() == pytest.approx([7.2, 2.4, 11.4], rel=1e-12)


def test_with_lag_a_training_is_its_updates_and_what_was_waited_for(
    round_metrics: pd.DataFrame,
) -> None:
    """Sampling beside updates would make the bar longer than the training was."""
    lagged = round_metrics.assign(staleness_rounds=[0, 1, 1, 1, 1, 1] * 5, waiting_seconds=0.5)
    rows = training_times(lagged).query("stage == 'training grpo'")
    assert rows["kind"].tolist() == ["updating", "waiting"]
    assert rows["seconds"].tolist() == pytest.approx([6 * 1.9, 6 * 0.5])


def test_training_times_of_several_seeds_are_added_up(round_metrics: pd.DataFrame) -> None:
    """Twice six rounds of 1.2 seconds of sampling, under a name that says so."""
    both = pd.concat([round_metrics.assign(seed=seed) for seed in (0, 1)])
    rows = training_times(both).query("stage == 'training grpo (2 seeds)'")
    assert rows["seconds"].tolist() == pytest.approx([14.4, 4.8, 22.8], rel=1e-12)


def test_stages_keep_their_order_and_kinds_are_optional() -> None:
    """Without kinds there is one column; rows of one stage are added."""
    table = pd.DataFrame({"stage": ["z", "a", "z"], "seconds": [1.0, 2.0, 3.0]})
    stacks = stacked_times(table)
    assert stacks.index.tolist() == ["z", "a"]
    assert stacks.columns.tolist() == [""]
    assert stacks[""].tolist() == [4.0, 2.0]


def test_an_unknown_kind_is_kept() -> None:
    """Kinds that the figure has no colour for come last."""
    table = pd.DataFrame(
        {"stage": ["a", "a"], "kind": ["saving", "sampling"], "seconds": [1.0, 2.0]}
    )
    assert stacked_times(table).columns.tolist() == ["sampling", "saving"]


def test_a_missing_column_or_negative_time_is_refused() -> None:
    """The error names what is wrong."""
    with pytest.raises(ValueError, match=r"stage_times lacks columns \['seconds'\]"):
        stacked_times(pd.DataFrame({"stage": ["a"]}))
    with pytest.raises(ValueError, match=r"evaluation took -1\.0 seconds"):
        stacked_times(pd.DataFrame({"stage": ["evaluation"], "seconds": [-1.0]}))
