"""All pairs of algorithms compared."""

import numpy as np
import pytest

from pmd_pipeline.statistics.multiple_tests import holm
from pmd_pipeline.statistics.pairs import Verdict, compare_algorithms
from pmd_pipeline.statistics.sign_flips import sign_flip_test
from pmd_pipeline.statistics.two_level import seeds_estimate, two_level_estimate

NUM_PROBLEMS = 384


def table(mean: float, *, num_seeds: int = 5, stream: int = 0) -> np.ndarray:
    """Return scores near a mean: deviations of 0.01 between seeds, and 0.1 beyond them."""
    rng = np.random.default_rng(stream)
    seeds = rng.normal(scale=0.01, size=(num_seeds, 1))
    scores = mean + seeds + rng.normal(scale=0.1, size=(num_seeds, NUM_PROBLEMS))
    return np.asarray(scores - scores.mean() + mean)


def test_each_verdict() -> None:
    """Against one algorithm: much above, much below, as good, and too noisy to say."""
    noise = np.random.default_rng(9).normal(scale=0.1, size=(5, 1))
    tables = {
        "middle": table(0.5, stream=1),
        "high": table(0.7, stream=2),
        "low": table(0.3, stream=3),
        "same": table(0.501, stream=4),
        "noisy": table(0.5, stream=5) + noise - noise.mean() + 0.02,
    }
    found = compare_algorithms(tables, margin=0.05)
    verdicts = {pair.second: pair.verdict for pair in found.pairs if pair.first == "middle"}
    assert verdicts == {
        "high": Verdict.WORSE,
        "low": Verdict.BETTER,
        "same": Verdict.EQUIVALENT,
        "noisy": Verdict.CANNOT_BE_TOLD,
    }
    assert list(found.means) == list(tables)
    assert len(found.pairs) == 10


def test_a_real_difference_that_does_not_matter_is_equivalence() -> None:
    base = table(0.5)
    (pair,) = compare_algorithms({"a": base + 0.001, "b": base}, margin=0.01).pairs
    assert pair.p_value.holm < 1e-20
    assert pair.verdict is Verdict.EQUIVALENT


def test_a_pair_holds_the_statistics_of_its_differences() -> None:
    first, second = table(0.50, stream=1), table(0.53, stream=2)
    (pair,) = compare_algorithms({"a": first, "b": second}, margin=0.01).pairs
    assert pair.difference == two_level_estimate(first - second)
    assert pair.difference_on_these_problems == seeds_estimate(first - second)
    assert pair.sign_flips == sign_flip_test((first - second).mean(axis=1))
    assert pair.sign_flip_p_value.raw == 1 / 16
    assert pair.effect_size is not None
    assert pair.effect_size < -1
    assert pair.components is not None
    assert pair.improvement.value < 0.5


def test_p_values_are_corrected_for_the_number_of_pairs() -> None:
    tables = {name: table(0.5 + 0.004 * i, stream=i) for i, name in enumerate("abc")}
    pairs = compare_algorithms(tables, margin=0.01).pairs
    for name in ("p_value", "sign_flip_p_value", "equivalence_p_value"):
        raw = [getattr(pair, name).raw for pair in pairs]
        assert tuple(getattr(pair, name).holm for pair in pairs) == holm(raw)


def test_one_seed_speaks_of_problems_alone() -> None:
    tables = {"a": table(0.5, num_seeds=1, stream=1), "b": table(0.6, num_seeds=1, stream=2)}
    (pair,) = compare_algorithms(tables, margin=0.01).pairs
    assert pair.difference.covers == "problems alone, of one seed"
    assert pair.difference_on_these_problems is pair.effect_size is pair.components is None
    assert pair.sign_flips == sign_flip_test((tables["a"] - tables["b"])[0])
    assert pair.verdict is Verdict.WORSE


def test_runs_below_the_initial_policy_have_collapsed() -> None:
    falls = np.array([-0.3, -0.3, -0.3, 0.2, 0.2])[:, None]
    tables = {"stable": table(0.6), "unstable": table(0.5) + falls}
    initial = np.full(NUM_PROBLEMS, 0.4)
    (pair,) = compare_algorithms(tables, margin=0.01, initial=initial).pairs
    assert pair.collapses is not None
    assert (pair.collapses.num_first, pair.collapses.num_second) == (0, 3)
    assert pair.collapses.p_value == 0.25
    (pair,) = compare_algorithms(tables, margin=0.01).pairs
    assert pair.collapses is None


def test_means_stay_within_what_there_can_be() -> None:
    tables = {name: np.array([[1.0, 1.0], [0.0, 1.0], [1.0, 1.0]]) for name in "ab"}
    found = compare_algorithms(tables, margin=0.01, lowest=0.0, highest=1.0)
    assert found.means["a"].interval().high == 1.0


def test_false_findings_among_all_pairs_are_rare() -> None:
    """Five equal algorithms, ten pairs, 60 experiments of 5 seeds: at most a few false alarms."""
    alarms = 0
    for stream in range(60):
        rng = np.random.default_rng(stream)
        seeds = rng.normal(scale=0.02, size=(5, 5, 1))
        scores = seeds + rng.normal(size=(5, 5, 24)) * 0.1 + rng.normal(size=24)
        found = compare_algorithms(dict(zip("abcde", scores, strict=True)), margin=1e-9)
        alarms += any(pair.verdict is not Verdict.CANNOT_BE_TOLD for pair in found.pairs)
    assert alarms <= 6


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"scores": {"a": table(0.5)}}, r"at least 2 algorithms, found \['a'\]"),
        ({"scores": {"a": table(0.5), "b": table(0.5)}, "margin": -1.0}, r"margin.*-1\.0"),
        ({"scores": {"a": table(0.5), "b": table(0.5)}, "alpha": 1.0}, r"alpha.*1\.0"),
        (
            {"scores": {"a": table(0.5), "b": table(0.5, num_seeds=3)}},
            "a has 5 training seeds x 384 problems and b 3 training seeds",
        ),
        (
            {"scores": {"a": table(0.5), "b": table(0.5)}, "initial": [0.1]},
            r"one score per problem, \[384\]; found shape \(1,\)",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(kwargs, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        compare_algorithms(**({"margin": 0.01} | kwargs))
