"""The table of pairs: what can be said of two algorithms."""

import numpy as np
import pandas as pd
from made_up_runs import made_up_scores

from pmd_pipeline.metrics.pairs import PAIR_COLUMNS, POWER, compare_pairs
from pmd_pipeline.statistics.pairs import compare_algorithms
from pmd_pipeline.statistics.power import power_to_tell
from pmd_pipeline.statistics.variance import estimate_components

NUM_PROBLEMS = 200


def table(mean: float, *, num_seeds: int = 5, stream: int) -> np.ndarray:
    """Return scores near a mean: deviations of 0.01 between seeds, 0.1 beyond them."""
    rng = np.random.default_rng(stream)
    seeds = rng.normal(scale=0.01, size=(num_seeds, 1))
    scores = seeds + rng.normal(scale=0.1, size=(num_seeds, NUM_PROBLEMS))
    return np.asarray(scores - scores.mean() + mean)


INITIAL = np.full(NUM_PROBLEMS, 0.4)
TABLES = {
    "good": table(0.7, stream=1),
    "also_good": table(0.705, stream=2),
    "middle": table(0.5, stream=3),
    "wild": table(0.45, stream=4) + np.array([0.3, -0.2, 0.2, -0.3, 0.0])[:, None],
}


def pairs_of(
    tables: dict[str, np.ndarray], *, margin: float = 0.05, **kwargs: object
) -> pd.DataFrame:
    scores = made_up_scores(tables, INITIAL, **kwargs)  # type: ignore[arg-type]
    return compare_pairs(scores, margin=margin, alpha=0.05)


def test_a_planted_difference_is_found_and_a_null_is_not() -> None:
    """A verdict each: better, worse, equivalent, and cannot be told where seeds disagree."""
    found = pairs_of(TABLES)
    assert list(found.columns) == list(PAIR_COLUMNS)
    verdicts = dict(
        zip(zip(found["first"], found["second"], strict=True), found["verdict"], strict=True)
    )
    assert verdicts == {
        ("good", "also_good"): "equivalent",
        ("good", "middle"): "better",
        ("good", "wild"): "cannot be told",
        ("also_good", "middle"): "better",
        ("also_good", "wild"): "cannot be told",
        ("middle", "wild"): "cannot be told",
    }
    backwards = pairs_of(dict(reversed(TABLES.items())))
    assert backwards[backwards["first"] == "middle"]["verdict"].tolist() == ["worse", "worse"]
    assert found["one_seed_verdict"].isna().all()
    assert (found["covers"] == "seeds and problems").all()


def test_rows_hold_the_statistics_of_their_pair() -> None:
    """The numbers are those of `compare_algorithms`; power that of the margin."""
    found = pairs_of(TABLES)
    expected = compare_algorithms(TABLES, margin=0.05, initial=INITIAL).pairs
    for row, pair in zip(found.to_dict(orient="records"), expected, strict=True):
        assert (row["difference"], row["ci_low"], row["ci_high"]) == pair.difference.interval()
        assert (row["p_value"], row["p_value_holm"]) == (pair.p_value.raw, pair.p_value.holm)
        assert row["sign_flip_p_value_holm"] == pair.sign_flip_p_value.holm
        assert row["smallest_sign_flip_p_value"] == 1 / 16
        assert row["equivalence_p_value"] == pair.equivalence_p_value.raw
        assert row["effect_size"] == pair.effect_size
        assert row["improvement_ci_high"] == pair.improvement.interval().high
        assert (row["num_seeds"], row["num_problems"]) == (5, NUM_PROBLEMS)
    wild = found[(found["first"] == "middle") & (found["second"] == "wild")].iloc[0]
    assert (wild["num_collapsed_first"], wild["num_collapsed_second"]) == (0, 2)
    assert wild["collapse_p_value"] == 0.5
    components = estimate_components(TABLES["good"] - TABLES["middle"])
    row = found.iloc[1]

    def power(difference: float, num_seeds: int) -> float:
        return power_to_tell(
            difference, components, num_seeds=num_seeds, num_problems=NUM_PROBLEMS, alpha=0.05 / 6
        )

    assert power(0.05, row["seeds_to_tell"]) >= POWER > power(0.05, row["seeds_to_tell"] - 1)
    assert abs(power(row["difference_told"], 5) - POWER) < 1e-9


def test_with_one_seed_no_algorithm_is_called_better() -> None:
    """What can be said is of the two trained policies, and stands apart."""
    found = pairs_of({name: scores[:1] for name, scores in TABLES.items()})
    assert (found["verdict"] == "cannot be told").all()
    assert (found["covers"] == "problems alone, of one seed").all()
    assert found["one_seed_verdict"].tolist()[1] == "better"
    assert found["seeds_to_tell"].isna().all()
    assert found["effect_size"].isna().all()


def test_pairs_use_the_seeds_of_both() -> None:
    """The number of seeds stands in each row."""
    seeds = {"good": range(5), "also_good": range(5), "middle": range(3, 8), "wild": range(5)}
    found = pairs_of(TABLES, seeds=seeds)
    assert found["num_seeds"].tolist() == [5, 2, 5, 2, 5, 2]
    ours, theirs = TABLES["good"][3:], TABLES["middle"][:2]
    assert found.iloc[1]["difference"] == np.mean(ours - theirs)


def test_one_algorithm_has_no_pair() -> None:
    """The table is empty, with its columns and their types."""
    found = pairs_of({"good": TABLES["good"]})
    assert found.empty
    assert list(found.columns) == list(PAIR_COLUMNS)
    assert found["num_seeds"].dtype == "int64"
