"""The table that a run ends with."""

import io
import math

import pandas as pd
from rich.console import Console

from pmd_pipeline.metrics.comparison import build_comparison
from pmd_pipeline.metrics.problem_scores import INITIAL_POLICY
from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.console import PAGE_WIDTH, as_text
from pmd_pipeline.reporting.run_page.final_table import console_table, final_table
from pmd_pipeline.reporting.run_page.tables import comparison_table

INTERVALS = "95 % intervals over 3 training seeds and problems"


def metrics(share: float, *, k: int = 4, eval_set: str = "add3") -> pd.DataFrame:
    rows = [
        (eval_set, "avg_at_k", k, share, share - 0.05, share + 0.05),
        (eval_set, "pass_at_k", 1, share, math.nan, math.nan),
        (eval_set, "pass_at_k", k, share + 0.04, math.nan, math.nan),
        (eval_set, "maj_at_k", k, share + 0.02, math.nan, math.nan),
    ]
    return pd.DataFrame(rows, columns=["eval_set", "metric", "k", "value", "ci_low", "ci_high"])


PAIRS = pd.DataFrame(
    {
        "first": ["pmd_part", "pmd_part", "pmd_mean"],
        "second": ["pmd_mean", "grpo", "grpo"],
        "eval_set": ["add3"] * 3,
        "verdict": ["worse", "cannot be told", "better"],
        "one_seed_verdict": [math.nan] * 3,
        "difference": [-0.47, -0.02, 0.45],
        "ci_low": [-0.5, -0.1, 0.4],
        "ci_high": [-0.4, 0.1, 0.5],
        "p_value_holm": [0.001, 0.6, 0.001],
        "equivalence_p_value_holm": [1.0, 0.6, 1.0],
        "covers": ["seeds and problems"] * 3,
    }
)


def gains(*rows: tuple[str, float, float], eval_set: str = "add3") -> pd.DataFrame:
    return pd.DataFrame(
        [(name, eval_set, INITIAL_POLICY, low, high) for name, low, high in rows],
        columns=["algorithm", "eval_set", "against", "ci_low", "ci_high"],
    )


def three_algorithms() -> pd.DataFrame:
    return build_comparison(
        metrics(0.46),
        {
            "pmd_part": {3: metrics(0.5), 6: metrics(0.41)},
            "pmd_mean": {3: metrics(0.7), 6: metrics(0.88)},
            "grpo": {3: metrics(0.5), 6: metrics(0.43)},
        },
    )


GAINS = gains(("pmd_mean", 0.3, 0.5), ("pmd_part", -0.09, -0.01), ("grpo", -0.1, 0.02))


def test_console_table_reads_as_written_here() -> None:
    """The printed text is this, to the character: the best comes first."""
    table = console_table(three_algorithms(), intervals=INTERVALS, gains=GAINS, pairs=PAIRS)
    assert as_text(table) == "\n".join(
        [
            "avg@4 on held-out problems, add3: initial policy -> after 6 rounds",
            f"[{INTERVALS}]",
            "",
            "algorithm  initial -> final                     gain  verdict",
            "---------- ----------------- ------------------------ -------",
            "pmd_mean     0.460 -> 0.880  +0.420 [+0.300, +0.500]  highest",
            "grpo         0.460 -> 0.430  -0.030 [-0.100, +0.020]  worse",
            "pmd_part     0.460 -> 0.410  -0.050 [-0.090, -0.010]  worse",
        ]
    )


def test_with_one_training_seed_a_verdict_is_on_the_trained_policies() -> None:
    one_seed = PAIRS.assign(one_seed_verdict=PAIRS["verdict"], verdict="cannot be told")
    text = as_text(console_table(three_algorithms(), intervals=INTERVALS, pairs=one_seed))
    assert [line.split()[-1] for line in text.splitlines()[-3:]] == ["highest", "below", "below"]


def test_without_pairs_and_gains_their_columns_are_not_there() -> None:
    lines = as_text(console_table(three_algorithms(), intervals=INTERVALS)).splitlines()
    assert lines[3].split() == ["algorithm", "initial", "->", "final", "gain"]
    assert lines[5].split() == ["pmd_mean", "0.460", "->", "0.880", "+0.420"]


def test_verdicts_stand_below_the_console_table() -> None:
    """Each in a paragraph of its own, in characters that every terminal knows."""
    comparison = build_comparison(metrics(0.46), {"grpo": {6: metrics(0.9)}})
    verdicts = ["One training seed: so.", f"Worse by {formatting.MINUS}0.1."]
    text = as_text(console_table(comparison, intervals=INTERVALS, verdicts=verdicts))
    assert text.splitlines()[-4:] == ["", "One training seed: so.", "", "Worse by -0.1."]


def test_console_table_fits_a_page_whatever_the_names() -> None:
    """Long names are folded until the lines fit, and lose nothing; numbers never are."""
    name = "pmd_mean_" + "x" * 60
    comparison = build_comparison(metrics(0.46, k=1024), {name: {6: metrics(0.88, k=1024)}})
    table = console_table(comparison, intervals=INTERVALS, gains=gains((name, -0.1, 0.9)))
    lines = as_text(table, width=PAGE_WIDTH).splitlines()
    assert max(map(len, lines)) <= PAGE_WIDTH
    first, *others = lines[
        lines.index(next(line for line in lines if line.startswith("---"))) + 1 :
    ]
    assert first.endswith("0.460 -> 0.880  +0.420 [-0.100, +0.900]")
    assert others
    assert first.split()[0] + "".join(others) == name


def test_every_evaluation_set_has_a_table_with_its_own_k() -> None:
    comparison = build_comparison(
        pd.concat([metrics(0.4, k=4), metrics(0.2, k=32, eval_set="aime")]),
        {"grpo": {1: pd.concat([metrics(0.5, k=4), metrics(0.3, k=32, eval_set="aime")])}},
    )
    text = as_text(console_table(comparison, intervals=INTERVALS))
    first, second = text.split("\n\navg@32 on held-out problems, aime: ")
    assert first.startswith("avg@4 on held-out problems, add3: initial policy -> after 1 round\n")
    assert first.endswith("grpo         0.400 -> 0.500  +0.100")
    assert second.endswith("grpo         0.200 -> 0.300  +0.100")


def test_console_table_is_plain_ascii() -> None:
    """A terminal that knows ASCII alone shows the table, missing values included."""
    comparison = build_comparison(metrics(0.5), {"grpo": {1: metrics(0.4)}})
    unknown = (comparison["metric"] == "avg_at_k") & (comparison["round"] == 1)
    comparison.loc[unknown, ["value", "ci_low", "ci_high"]] = math.nan
    text = as_text(console_table(comparison, intervals=INTERVALS))
    assert text.isascii()
    assert text.splitlines()[-1].split() == ["grpo", "0.500", "->", "-", "-"]


def test_a_gain_that_is_real_is_green_and_a_loss_red() -> None:
    table = console_table(three_algorithms(), intervals=INTERVALS, gains=GAINS, pairs=PAIRS)
    console = Console(file=io.StringIO(), force_terminal=True, color_system="standard", width=79)
    with console.capture() as capture:
        console.print(table)
    printed = capture.get()
    assert "\x1b[32m+0.420 [+0.300, +0.500]\x1b[0m" in printed
    assert "\x1b[31m-0.050 [-0.090, -0.010]\x1b[0m" in printed
    assert "[32m-0.030" not in printed
    assert "[31m-0.030" not in printed


def test_the_mean_reward_takes_the_place_of_avg_at_k() -> None:
    """In the table's head and in its values."""
    rewards = [
        table[table["metric"] == "avg_at_k"].assign(metric="mean_reward")
        for table in (metrics(-0.25), metrics(1.5))
    ]
    comparison = build_comparison(rewards[0], {"grpo": {1: rewards[1]}})
    text = as_text(console_table(comparison, intervals=INTERVALS))
    assert text.startswith("mean reward on held-out problems, ")
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


def test_the_best_comes_first_for_each_set_in_the_reports_table_too() -> None:
    """Sets stay in their order, whatever their names."""
    scores = {"grpo": (0.5, 0.3), "gspo": (0.7, 0.2), "pmd_mean": (0.6, 0.4)}
    comparison = build_comparison(
        pd.concat([metrics(0.1, eval_set="words"), metrics(0.1, eval_set="add3")]),
        {
            name: {1: pd.concat([metrics(a, eval_set="words"), metrics(b, eval_set="add3")])}
            for name, (a, b) in scores.items()
        },
    )
    rows = comparison_table(comparison, None, intervals=INTERVALS).rows
    assert [row[:2] for row in rows] == [
        ("gspo", "words"),
        ("pmd_mean", "words"),
        ("grpo", "words"),
        ("pmd_mean", "add3"),
        ("grpo", "add3"),
        ("gspo", "add3"),
    ]
