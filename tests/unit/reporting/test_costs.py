"""What the report says of the trainings' costs: what was equal, and what differs by how much."""

import pandas as pd

from pmd_pipeline.config.reporting import ReportingConfig
from pmd_pipeline.metrics.budgets import BUDGET_COLUMNS
from pmd_pipeline.reporting.run_page.budgets import costs
from pmd_pipeline.reporting.run_page.page import ReportInputs, render_report
from pmd_pipeline.reporting.run_page.refills import refill_sentences


def table(**changes: dict[str, float]) -> pd.DataFrame:
    """Return two seeds of each of three algorithms, with changes by algorithm."""
    usual = {
        "num_rounds": 6,
        "num_prompts": 768,
        "num_rollouts": 6144,
        "num_generation_calls": 6,
        "num_sampled_tokens": 100_000,
        "num_trained_tokens": 150_000,
        "num_updates": 48,
        "num_skipped_updates": 0,
        "sampling_seconds": 4.0,
        "grading_seconds": 1.0,
        "updating_seconds": 5.0,
        "waiting_seconds": 5.0,
        "total_seconds": 10.0,
    }
    rows = [
        {"algorithm": algorithm, "seed": seed, **usual, **changes.get(algorithm, {})}
        for algorithm in ("pmd_mean", "grpo", "on_policy")
        for seed in (0, 1)
    ]
    return pd.DataFrame(rows)[list(BUDGET_COLUMNS)]


def test_what_is_equal_is_said_once_and_what_differs_by_how_much() -> None:
    budgets = table(
        on_policy={"num_generation_calls": 48, "total_seconds": 25.0},
        grpo={"num_sampled_tokens": 109_000},
    )
    assert costs(budgets).sentences == (
        "Every training run had 6,144 rollouts, 48 updates and 768 prompts.",
        "on_policy made 8 generation calls a round, each with a transfer of the weights to the "
        "sampler; the others made 1.",
        "Sampled tokens: from 100,000 (pmd_mean) to 109,000 (grpo), 9 % more; trained tokens: "
        "150,000 each; time: from 10 s (pmd_mean) to 25 s (on_policy), 2.5 times as much.",
    )


def test_unequal_updates_are_told_by_algorithm_and_so_are_those_that_were_not_made() -> None:
    budgets = table(on_policy={"num_updates": 96})
    budgets.loc[budgets.index[0], ["num_updates", "num_skipped_updates"]] = 47, 1
    sentences = costs(budgets).sentences
    assert sentences[1] == "Updates differ: pmd_mean 48, grpo 48 and on_policy 96."
    assert sentences[2] == ("Updates with nothing to learn from were not made: 0.5 of pmd_mean.")


def test_with_lag_the_page_says_what_overlaps() -> None:
    """5 s of sampling and grading, of which 1 s was waited for; grpo waited for all of it."""
    budgets = table(
        pmd_mean={"waiting_seconds": 1.0, "total_seconds": 6.0},
        on_policy={"waiting_seconds": 4.0, "total_seconds": 9.0},
    )
    found = costs(budgets, has_lag=True)
    assert found.sentences[-1] == (
        "Sampling and grading went on beside the updates of earlier rounds, so these times "
        "overlap: the total is that of updating and of waiting, in which nothing was trained. Not "
        "waited for: 80 % of pmd_mean's, 0 % of grpo's and 20 % of on_policy's sampling and "
        "grading."
    )
    assert found.table.header[-5:] == ("sampling", "grading", "updating", "waiting", "total")
    assert found.table.rows[0][-5:] == ("4.0 s", "1.0 s", "5.0 s", "1.0 s", "6.0 s")
    without = costs(budgets)
    assert "waiting" not in without.table.header
    assert "overlap" not in " ".join(without.sentences)


def test_what_it_took_to_fill_rounds_is_said() -> None:
    budgets = table(grpo={"num_prompts": 1000, "num_generation_calls": 15})
    rounds = pd.DataFrame(
        {
            "algorithm": ["grpo"] * 4 + ["pmd_mean"],
            "seed": [0, 0, 1, 1, 0],
            "num_prompts": [600, 400, 500, 500, 128],
            "num_generation_calls": [10, 5, 5, 10, 6],
            "num_kept_groups": [384.0, 380.0, 384.0, 383.0, None],
            "num_missing_groups": [0.0, 4.0, 0.0, 1.0, None],
        }
    )
    sentences = costs(budgets, refills=refill_sentences(rounds)).sentences
    assert sentences[1] == "Prompts differ: pmd_mean 768, grpo 1,000 and on_policy 768."
    assert sentences[2] == (
        "grpo drew more prompts in the place of those that its prompt filter dropped: 1,000 prompts"
        " in 15 generation calls gave it 765.5 groups to train on, 2.5 fewer than its rounds ask "
        "for."
    )
    assert "generation calls a round" not in " ".join(sentences)
    rounds["num_missing_groups"] *= 0
    assert refill_sentences(rounds)["grpo"].endswith("on, all that its rounds ask for.")
    assert refill_sentences(rounds.drop(columns="num_kept_groups")) == {}


def test_the_page_has_a_row_for_each_algorithm(
    comparison: pd.DataFrame,
    gains: pd.DataFrame,
    pairs: pd.DataFrame,
    scores: pd.DataFrame,
    round_metrics: pd.DataFrame,
    stage_times: pd.DataFrame,
) -> None:
    budgets = table(grpo={"num_updates": 1234}, on_policy={"num_sampled_tokens": 165_931.7})
    rows = costs(budgets).table
    assert rows.caption == (
        "One training run of 6 rounds, mean over 2 training seeds: counts, and wall time"
    )
    assert [row[0] for row in rows.rows] == ["pmd_mean", "grpo", "on_policy"]
    inputs = ReportInputs(
        comparison=comparison,
        gains=gains,
        pairs=pairs,
        scores=scores,
        round_metrics=round_metrics.assign(staleness_rounds=1, staleness_updates=8),
        stage_times=stage_times,
        budgets=budgets,
    )
    page = render_report(inputs, ReportingConfig())
    assert '<h2 id="cost">What it cost</h2>' in page
    assert "up to 1 round and 8 updates old" in page
    assert "<caption><span>Staleness: how far" in page
    assert "<dt>staleness</dt>" in page
    assert "Updates differ: pmd_mean 48, grpo 1,234 and on_policy 48." in page
    assert (
        "<p>Cost of a training run: time 10 s each; sampled tokens from 100,000 (pmd_mean) to "
        "165,932 (on_policy), 66 % more.</p>"
    ) in page
