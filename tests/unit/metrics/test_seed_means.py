"""Means over training seeds of a table with a row per seed."""

import numpy as np
import pandas as pd

from pmd_pipeline.metrics.seed_means import mean_over_seeds


def test_numbers_are_averaged_over_seeds_and_what_is_missing_is_left_out() -> None:
    table = pd.DataFrame(
        {
            "algorithm": ["b", "b", "b", "b", "a", "a"],
            "seed": [0, 0, 7, 7, 0, 7],
            "round": [1, 2, 1, 2, 1, 1],
            "reward": [1.0, 2.0, 3.0, np.nan, -1.0, 1.0],
        }
    )
    means = mean_over_seeds(table, ["algorithm", "round"])
    assert means.to_dict(orient="list") == {
        "algorithm": ["b", "b", "a"], "round": [1, 2, 1], "reward": [2.0, 2.0, 0.0]
    }  # fmt: skip


def test_one_seeds_numbers_stay_as_they_are() -> None:
    table = pd.DataFrame({"algorithm": ["a"], "seed": [3], "round": [1], "count": [5]})
    means = mean_over_seeds(table, ["algorithm", "round"])
    assert means.to_dict(orient="list") == {"algorithm": ["a"], "round": [1], "count": [5]}
