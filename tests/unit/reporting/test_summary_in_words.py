"""The summary in words: what it claims and what it does not."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from made_up_runs import made_up_scores

from pmd_pipeline.metrics.gains import paired_gains
from pmd_pipeline.metrics.pairs import compare_pairs
from pmd_pipeline.metrics.seed_comparison import compare_over_seeds
from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.run_page.coverage import Coverage
from pmd_pipeline.reporting.run_page.summary import Summary, lead_sentences, summarise

NUM_PROBLEMS = 300
INITIAL = np.full(NUM_PROBLEMS, 0.4)


def near(mean: float, *, stream: int, num_seeds: int = 5, spread: float = 0.002) -> np.ndarray:
    """Return scores with this mean; seeds differ by about ``spread``."""
    rng = np.random.default_rng(stream)
    seeds = rng.normal(scale=spread, size=(num_seeds, 1))
    scores = seeds + rng.normal(scale=0.05, size=(num_seeds, NUM_PROBLEMS))
    return np.asarray(scores - scores.mean() + mean)


def summary_of(
    tables: Mapping[str, np.ndarray],
    *,
    seeds: Mapping[str, Sequence[int]] | None = None,
    cost: str = "",
) -> Summary:
    scores = made_up_scores(tables, INITIAL, seeds=seeds)
    coverage = Coverage.of(scores, level=0.95)
    comparison = compare_over_seeds(scores)
    pairs = compare_pairs(scores, margin=0.02, alpha=0.05)
    gains = paired_gains(scores, reference=None)
    found = summarise(comparison, gains, pairs, coverage, cost=cost)
    assert tuple(lead_sentences(comparison, gains, pairs, coverage)) == found.lead
    return found


def test_the_best_of_all_is_named_with_its_lead_over_the_next() -> None:
    """Which is better, by how much, whether it is real: in the first sentence."""
    tables = {"a": near(0.5, stream=1), "b": near(0.8, stream=2), "c": near(0.7, stream=3)}
    found = summary_of(tables, cost="It cost a lot.")
    (lead,) = found.lead
    low, high = (
        compare_pairs(made_up_scores(tables, INITIAL), margin=0.02, alpha=0.05)
        .query("first == 'b' and second == 'c'")[["ci_low", "ci_high"]]
        .iloc[0]
    )
    assert lead == (
        "On aime, b is better than every other algorithm: avg@4 0.800, 0.100 "
        f"[{low:.3f}, {high:.3f}] above c, the next (p < 0.001)."
    )
    assert found.paragraphs[0] == (
        "3 algorithms (a, b and c) were trained for 1 round with 5 training seeds from the same "
        "initial policy and evaluated on aime. Brackets hold 95 % intervals over 5 training seeds "
        "and problems; those of the initial policy, the same for all seeds, are over problems "
        "alone."
    )
    assert found.paragraphs[1].startswith(
        "On aime avg@4 was 0.400 [all equal] and became, from the highest: 0.800 ["
    )
    assert found.paragraphs[2] == (
        "b is better than c and a by 0.100 to 0.300 (each p < 0.001). "
        f"c is better than a by 0.200 {_interval_of(tables, 'c', 'a')} (p < 0.001)."
    )
    assert found.paragraphs[-1] == "It cost a lot."


def test_what_cannot_be_told_is_not_called_better_and_it_is_said_what_it_would_take() -> None:
    """Noisy seeds: the highest is named, and no more; equals are called equivalent."""
    tables = {
        "a": near(0.8, stream=1, spread=0.15),
        "b": near(0.7, stream=2),
        "c": near(0.7, stream=3),
        "d": near(0.3, stream=4),
    }
    found = summary_of(tables)
    assert found.lead == (
        "On aime, a has the highest avg@4, 0.800; it cannot be told from b and c and is better "
        "than d.",
    )
    words = " ".join(found.paragraphs)
    assert "Equivalent, shown to be less than 0.02 apart: b and c (" in words
    assert re.search(r"Cannot be told apart: a and b \(\+0.100 \[.*, p = .*\); a and c \(", words)
    assert "d ended below the initial policy." in words
    pairs = compare_pairs(made_up_scores(tables, INITIAL), margin=0.02, alpha=0.05)
    unclear = pairs[pairs["verdict"] == "cannot be told"]
    assert (
        f"with 5 seeds and 300 problems a true difference is found four times in five where it is "
        f"at least {unclear['difference_told'].min():.3f} for the steadiest of these pairs and "
        f"{unclear['difference_told'].max():.3f} for the least steady"
    ) in words


def test_one_algorithm_is_told_by_what_it_gains() -> None:
    """From where to where, with the interval of the gain; nothing is ranked."""
    table = near(0.7, stream=1)
    found = summary_of({"a": table})
    gain = paired_gains(made_up_scores({"a": table}, INITIAL), reference=None).iloc[0]
    low, high = gain["ci_low"], gain["ci_high"]
    assert found.lead == (
        f"On aime, a gains: avg@4 0.400 before, 0.700 after, +0.300 [+{low:.3f}, +{high:.3f}].",
    )
    assert found.matrices == ()
    assert "highest" not in " ".join(found.paragraphs)


def test_of_equal_scores_none_is_called_the_highest_alone() -> None:
    """Trainings that change nothing, and two that come out the same beside a third."""
    same, unchanged = near(0.8, stream=1), np.tile(INITIAL, (5, 1))
    assert summary_of({"a": same, "b": same}).lead == (
        "On aime, a and b have the same avg@4, 0.800.",
    )
    assert summary_of({"a": same, "b": same, "c": near(0.3, stream=2)}).lead == (
        "On aime, a has the highest avg@4, 0.800, as has b; it is equivalent to b and is better "
        "than c.",
    )
    seeds = np.repeat([[0.25], [0.75], [0.5], [1.0], [0.0]], NUM_PROBLEMS, axis=1)
    assert summary_of({"a": seeds, "b": seeds[::-1]}).lead == (
        "On aime, a and b have the same avg@4, 0.500; that does not show them equivalent.",
    )
    (lead,) = summary_of({"a": unchanged}).lead
    assert lead.startswith("On aime, a neither gains nor loses: avg@4 0.400 before, 0.400 after")


def test_a_change_within_its_interval_is_none() -> None:
    """The interval of the gain holds 0."""
    found = summary_of({"a": near(0.41, stream=1, spread=0.05), "b": near(0.8, stream=2)})
    assert "a shows no change that can be told from chance." in found.paragraphs[1]


def test_one_seed_compares_policies_not_algorithms() -> None:
    """It says so first, and speaks of policies after."""
    tables = {name: near(0.5 + 0.1 * i, stream=i, num_seeds=1) for i, name in enumerate("ab")}
    found = summary_of(tables)
    (lead,) = found.lead
    assert lead.startswith("One training seed: this run cannot say which algorithm is better.")
    assert "The policy of b scores above that of a by 0.100" in found.paragraphs[2]
    assert "problems alone, of one training seed" in found.paragraphs[0]
    assert not any("is better than" in paragraph for paragraph in found.paragraphs)
    (matrix,) = found.matrices
    assert "not algorithms" in matrix.caption
    assert matrix.rows[0][2][1].verdict == "above"  # type: ignore[union-attr]
    alone = summary_of({"a": tables["a"]})
    assert "not what the algorithm gains" in alone.lead[0]
    assert alone.matrices == ()


def test_seeds_that_not_all_were_trained_with_are_named() -> None:
    """Pairs use those of both, and the page says which are whose."""
    seeds = {"a": range(5), "b": range(2, 7)}
    found = summary_of({"a": near(0.5, stream=1), "b": near(0.6, stream=2)}, seeds=seeds)
    assert found.paragraphs[0].endswith(
        "Not all were trained with the same seeds (a 0, 1, 2, 3 and 4; b 2, 3, 4, 5 and 6): a pair "
        "is compared on the seeds of both."
    )


def test_many_algorithms_are_left_to_the_table() -> None:
    """The first and the last are named; what holds of all is said once."""
    tables = {f"a{i}": near(0.4, stream=i, spread=0.05) + 1e-4 * i for i in range(8)}
    ranking = summary_of(tables).paragraphs[1]
    assert re.search(
        r"^On aime avg@4 was 0.400 \[.*\] and became 0.401 \[.*\] with a7 to 0.400 \[.*\] with a0, "
        r"the others between\. No algorithm shows a change that can be told from chance\.$",
        ranking,
    )


@pytest.mark.parametrize("num_seeds", [1, 5])
def test_the_matrix_says_each_pair_from_either_side(num_seeds: int) -> None:
    """Rows from the highest score; what is better beside one is worse beside the other."""
    tables = {
        name: near(0.4 + 0.1 * i, stream=i, num_seeds=num_seeds) for i, name in enumerate("abc")
    }
    (matrix,) = summary_of(tables).matrices
    assert matrix.columns == ("c", "b", "a")
    assert [score for _, score, _ in matrix.rows] == ["0.600", "0.500", "0.400"]
    turned = {"better": "worse", "above": "below"}
    for i, (_, _, cells) in enumerate(matrix.rows):
        assert cells[i] is None
        for j in range(i):
            mine, other = cells[j], matrix.rows[j][2][i]
            assert mine is not None
            assert other is not None
            assert mine.verdict == turned[other.verdict]
            assert mine.p_value == other.p_value
            assert mine.difference == other.difference.replace("+", formatting.MINUS)
            assert "problems" in mine.hover


def _interval_of(tables: Mapping[str, np.ndarray], first: str, second: str) -> str:
    both = {first: tables[first], second: tables[second]}
    pairs = compare_pairs(made_up_scores(both, INITIAL), margin=0.02, alpha=0.05)
    return formatting.interval(pairs["ci_low"].iloc[0], pairs["ci_high"].iloc[0])
