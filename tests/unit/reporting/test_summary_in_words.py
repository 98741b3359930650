"""The summary in words: what it claims and what it does not."""

import pandas as pd

from pmd_pipeline.metrics.comparison import build_comparison
from pmd_pipeline.reporting.run_page.summary import summary_paragraphs


def metrics(share: float) -> pd.DataFrame:
    columns = ["eval_set", "metric", "k", "value", "ci_low", "ci_high"]
    return pd.DataFrame(
        [("add3", "avg_at_k", 4, share, share - 0.05, share + 0.05)], columns=columns
    )


COMPARISON = build_comparison(
    metrics(0.46),
    {
        "pmd_mean": {6: metrics(0.88)},
        "pmd_part": {6: metrics(0.5)},
        "grpo": {6: metrics(0.9)},
        "gspo": {6: metrics(0.3)},
    },
)


def gains(*rows: tuple[str, str, float, float, float]) -> pd.DataFrame:
    table = [(name, against, "add3", 4, *numbers) for name, against, *numbers in rows]
    columns = ["algorithm", "against", "eval_set", "k", "gain", "ci_low", "ci_high"]
    return pd.DataFrame(table, columns=columns)


def test_gains_losses_and_unclear_changes_are_told_apart() -> None:
    """An interval above zero is a gain, below zero a loss, and around zero neither."""
    paragraph = summary_paragraphs(
        COMPARISON,
        gains(
            ("pmd_mean", "initial policy", 0.42, 0.36, 0.48),
            ("pmd_part", "initial policy", 0.04, -0.02, 0.1),
            ("grpo", "initial policy", 0.44, 0.38, 0.5),
            ("gspo", "initial policy", -0.16, -0.22, -0.1),
        ),
    )[1]
    assert paragraph == (
        "On add3 the initial policy has avg@4 0.460: "
        "grpo gained 0.440 [0.380, 0.500], to 0.900; "
        "pmd_mean gained 0.420 [0.360, 0.480], to 0.880; "
        "gspo lost 0.160 [0.100, 0.220], to 0.300; "
        "pmd_part shows no change that can be told from chance [−0.020, +0.100]."
    )


def test_an_interval_that_touches_zero_is_no_difference() -> None:
    """Zero as an end of the interval counts as inside it."""
    paragraph = summary_paragraphs(
        COMPARISON,
        gains(
            ("pmd_mean", "initial policy", 0.1, 0.0, 0.2),
            ("pmd_part", "pmd_mean", -0.1, -0.2, 0.0),
        ),
    )[1]
    assert "gained" not in paragraph
    assert "lower" not in paragraph
    assert "pmd_mean shows no change that can be told from chance" in paragraph
    assert "no difference can be told from chance for pmd_part" in paragraph


def test_a_missing_interval_is_no_difference() -> None:
    """Without an interval nothing is claimed."""
    nan = float("nan")
    paragraph = summary_paragraphs(
        COMPARISON, gains(("pmd_mean", "initial policy", 0.42, nan, nan))
    )[1]
    assert "gained" not in paragraph


def test_algorithms_are_compared_with_the_reference() -> None:
    """Differences from the reference come with their direction, size and interval."""
    paragraph = summary_paragraphs(
        COMPARISON,
        gains(
            ("pmd_part", "pmd_mean", -0.38, -0.44, -0.32),
            ("grpo", "pmd_mean", 0.05, 0.01, 0.09),
            ("gspo", "pmd_mean", -0.02, -0.06, 0.02),
        ),
    )[1]
    assert paragraph.endswith(
        "Compared with pmd_mean: grpo is higher by 0.050 [0.010, 0.090]; "
        "pmd_part is lower by 0.380 [0.320, 0.440]; "
        "no difference can be told from chance for gspo."
    )


def test_without_gains_values_are_stated_and_nothing_is_claimed() -> None:
    """Values alone are no difference."""
    opening, paragraph = summary_paragraphs(COMPARISON, None)
    assert opening == (
        "4 algorithms (pmd_mean, pmd_part, grpo and gspo) trained for 6 rounds from the same "
        "initial policy and were evaluated on add3."
    )
    assert paragraph == (
        "On add3 the initial policy has avg@4 0.460; after training: pmd_mean 0.880, "
        "pmd_part 0.500, grpo 0.900, gspo 0.300."
    )


def test_one_algorithm_is_spoken_of_in_the_singular() -> None:
    """One algorithm, one round."""
    comparison = build_comparison(metrics(0.46), {"grpo": {1: metrics(0.9)}})
    assert summary_paragraphs(comparison, None)[0] == (
        "1 algorithm (grpo) trained for 1 round from the same initial policy and was evaluated on "
        "add3."
    )
