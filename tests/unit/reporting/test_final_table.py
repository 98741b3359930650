"""The table that a run ends with."""

import math

import pandas as pd

from pmd_pipeline.metrics.comparison import build_comparison
from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.console import as_text
from pmd_pipeline.reporting.run_page.final_table import console_table, final_table

INTERVALS = "95 % intervals over 3 training seeds and problems"


def metrics(share: float, *, k: int = 4, eval_set: str = "add3") -> pd.DataFrame:
    rows = [
        (eval_set, "avg_at_k", k, share, share - 0.05, share + 0.05),
        (eval_set, "pass_at_k", 1, share, math.nan, math.nan),
        (eval_set, "pass_at_k", k, share + 0.04, math.nan, math.nan),
        (eval_set, "maj_at_k", k, share + 0.02, math.nan, math.nan),
    ]
    return pd.DataFrame(rows, columns=["eval_set", "metric", "k", "value", "ci_low", "ci_high"])


def test_console_table_reads_as_written_here() -> None:
    """The printed text is this, to the character."""
    comparison = build_comparison(
        metrics(0.46),
        {
            "pmd_mean": {3: metrics(0.7), 6: metrics(0.88)},
            "pmd_part": {3: metrics(0.5), 6: metrics(0.41)},
        },
    )
    assert as_text(console_table(comparison, intervals=INTERVALS)) == "\n".join(
        [
            f"Held-out problems, initial policy -> after 6 rounds [{INTERVALS}]",
            "",
            "algorithm  eval set        avg@4: initial -> final    gain  pass@4  maj@4",
            "---------- --------- ------------------------------ ------- ------- -----",
            "pmd_mean   add3      0.460 -> 0.880 [0.830, 0.930]  +0.420   0.920  0.900",
            "pmd_part   add3      0.460 -> 0.410 [0.360, 0.460]  -0.050   0.450  0.430",
        ]
    )


def test_verdicts_stand_below_the_console_table() -> None:
    """Each on a line of its own, in characters that every terminal knows."""
    comparison = build_comparison(metrics(0.46), {"grpo": {6: metrics(0.9)}})
    verdicts = ["One training seed: so.", f"Worse by {formatting.MINUS}0.1."]
    text = as_text(console_table(comparison, intervals=INTERVALS, verdicts=verdicts))
    assert text.splitlines()[-4:] == ["", "One training seed: so.", "", "Worse by -0.1."]


def test_console_table_fits_in_100_columns_whatever_the_names() -> None:
    """Long names are folded until the lines fit, and lose nothing; numbers never are."""
    name, eval_set = "pmd_mean_" + "x" * 60, "set_" + "y" * 60
    comparison = build_comparison(
        metrics(0.46, k=1024, eval_set=eval_set),
        {name: {6: metrics(0.88, k=1024, eval_set=eval_set)}},
    )
    lines = as_text(console_table(comparison, intervals=INTERVALS), width=100).splitlines()
    assert max(map(len, lines)) <= 100
    first, *others = lines[
        lines.index(next(line for line in lines if line.startswith("---"))) + 1 :
    ]
    assert "0.460 -> 0.880 [0.830, 0.930]" in first
    assert others
    cells = [line.split() for line in others]
    assert first.split()[0] + "".join(row[0] for row in cells) == name
    assert first.split()[1] + "".join(row[1] for row in cells if len(row) > 1) == eval_set


def test_console_table_in_a_file_is_as_wide_as_its_names() -> None:
    """What a program reads has a line per algorithm, and every name whole."""
    name = "pmd_mean_" + "x" * 100
    comparison = build_comparison(metrics(0.46), {name: {6: metrics(0.88)}})
    last = as_text(console_table(comparison, intervals=INTERVALS)).splitlines()[-1]
    assert last.split()[0] == name
    assert last.endswith("0.460 -> 0.880 [0.830, 0.930]  +0.420   0.920  0.900")


def test_console_table_has_a_column_for_k_where_sets_differ() -> None:
    """Two sets with different numbers of samples are told apart by k."""
    comparison = build_comparison(
        pd.concat([metrics(0.4, k=4), metrics(0.2, k=32, eval_set="aime")]),
        {"grpo": {1: pd.concat([metrics(0.5, k=4), metrics(0.3, k=32, eval_set="aime")])}},
    )
    lines = as_text(console_table(comparison, intervals=INTERVALS)).splitlines()
    assert " ".join(lines[2].split()) == (
        "algorithm eval set k avg@k: initial -> final gain pass@k maj@k"
    )
    assert [line.split()[1:3] for line in lines[4:]] == [["add3", "4"], ["aime", "32"]]


def test_console_table_is_plain_ascii() -> None:
    """A terminal that knows ASCII alone shows the table, missing values included."""
    comparison = build_comparison(metrics(0.5), {"grpo": {1: metrics(0.4)}})
    unknown = comparison["metric"] == "maj_at_k"
    comparison.loc[unknown, ["value", "ci_low", "ci_high"]] = math.nan
    text = as_text(console_table(comparison, intervals=INTERVALS))
    assert text.isascii()
    assert text.splitlines()[-1].split()[-1] == "-"


def test_metrics_that_were_not_measured_have_no_column() -> None:
    """No majority where a reward names no answers; no pass@k where none was asked for."""
    kept = {"maj@4": ["avg_at_k", "pass_at_k"], "pass@4": ["avg_at_k"]}
    for dropped, names in kept.items():
        tables = [
            table[table["metric"].isin([*names, "truncated_fraction"])]
            for table in (metrics(0.5), metrics(0.4))
        ]
        text = as_text(
            console_table(
                build_comparison(tables[0], {"grpo": {1: tables[1]}}), intervals=INTERVALS
            )
        )
        assert dropped not in text
        assert "avg@4: initial -> final" in text


def test_the_mean_reward_takes_the_place_of_avg_at_k() -> None:
    """In the table's head and in its values."""
    rewards = [
        table[table["metric"] == "avg_at_k"].assign(metric="mean_reward")
        for table in (metrics(-0.25), metrics(1.5))
    ]
    comparison = build_comparison(rewards[0], {"grpo": {1: rewards[1]}})
    text = as_text(console_table(comparison, intervals=INTERVALS))
    assert "mean reward: initial -> final" in text
    assert "-0.250 -> 1.500" in text
    row = final_table(comparison).iloc[0]
    assert (row["initial"], row["final"]) == (-0.25, 1.5)
    assert math.isnan(row["pass_at_k"])


def test_final_table_takes_the_last_round_and_the_largest_k() -> None:
    """Values are those of the last evaluated round; pass@k is that of the largest k."""
    comparison = build_comparison(metrics(0.46), {"grpo": {2: metrics(0.9), 10: metrics(0.8)}})
    row = final_table(comparison).iloc[0]
    assert (row["round"], row["k"]) == (10, 4)
    assert (row["initial"], row["final"]) == (0.46, 0.8)
    assert row["gain"] == 0.8 - 0.46
    assert row["pass_at_k"] == 0.8 + 0.04


def test_final_table_takes_the_interval_of_the_gain_from_the_gains_over_the_initial_policy() -> (
    None
):
    """The row against another algorithm is not mistaken for the gain."""
    comparison = build_comparison(metrics(0.46), {"grpo": {1: metrics(0.8)}})
    gains = pd.DataFrame(
        [
            ("grpo", "pmd_mean", "add3", 4, -0.1, -0.2, -0.05),
            ("grpo", "initial policy", "add3", 4, 0.34, 0.3, 0.39),
        ],
        columns=["algorithm", "against", "eval_set", "k", "gain", "ci_low", "ci_high"],
    )
    row = final_table(comparison, gains).iloc[0]
    assert (row["gain_ci_low"], row["gain_ci_high"]) == (0.3, 0.39)
