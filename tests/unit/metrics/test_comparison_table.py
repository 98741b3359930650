"""The comparison table: order, columns, and what it refuses."""

import numpy as np
import pandas as pd
import pytest

from pmd_pipeline.metrics.comparison import (
    COMPARISON_COLUMNS,
    COMPARISON_FLOAT_FORMAT,
    build_comparison,
)


def metrics(value: float, *, eval_sets: tuple[str, ...] = ("aime",)) -> pd.DataFrame:
    """Return rows in an order that is not the table's."""
    rows = [
        (name, metric, k, value, value - 0.1, value + 0.1)
        for name in eval_sets
        for metric, k in (("pass_at_k", 4), ("avg_at_k", 4), ("pass_at_k", 1), ("pass_at_k", 2))
    ]
    return pd.DataFrame(rows, columns=["eval_set", "metric", "k", "value", "ci_low", "ci_high"])


def test_columns_are_the_published_ones() -> None:
    """The columns of the table, in their order, are those that other programs rely on."""
    table = build_comparison(metrics(0.5), {"grpo": {1: metrics(0.6)}})
    expected = ["algorithm", "eval_set", "metric", "k", "round", "value", "ci_low", "ci_high"]
    assert list(table.columns) == expected == list(COMPARISON_COLUMNS)


def test_rows_are_ordered_by_algorithm_round_set_metric_and_k() -> None:
    """Algorithms and sets keep their given order; rounds, metrics and k are sorted."""
    sets = ("math", "aime")
    table = build_comparison(
        metrics(0.5, eval_sets=sets),
        {
            "pmd_mean": {4: metrics(0.8, eval_sets=sets), 2: metrics(0.7, eval_sets=sets)},
            "grpo": {2: metrics(0.6, eval_sets=sets)},
        },
    )
    heads = table[["algorithm", "round", "eval_set"]].drop_duplicates()
    assert list(heads.itertuples(index=False, name=None)) == [
        *(("pmd_mean", round_index, name) for round_index in (0, 2, 4) for name in sets),
        *(("grpo", round_index, name) for round_index in (0, 2) for name in sets),
    ]
    first = table.head(4)[["metric", "k"]]
    assert list(first.itertuples(index=False, name=None)) == [
        ("avg_at_k", 4),
        ("pass_at_k", 1),
        ("pass_at_k", 2),
        ("pass_at_k", 4),
    ]


def test_order_of_the_input_rows_does_not_matter() -> None:
    """Shuffled metrics and rounds give the same table."""
    table = build_comparison(metrics(0.5), {"grpo": {1: metrics(0.6), 2: metrics(0.7)}})
    shuffled = build_comparison(
        metrics(0.5),
        {"grpo": {2: metrics(0.7)[::-1], 1: metrics(0.6).sample(frac=1, random_state=3)}},
    )
    pd.testing.assert_frame_equal(table, shuffled)


def test_initial_policy_is_round_0_of_every_algorithm() -> None:
    """Each algorithm starts with the initial policy's values."""
    table = build_comparison(metrics(0.25), {"grpo": {1: metrics(0.6)}, "gspo": {1: metrics(0.7)}})
    start = table[table["round"] == 0]
    assert list(start["algorithm"].unique()) == ["grpo", "gspo"]
    assert set(start["value"]) == {0.25}


def test_values_are_not_rounded() -> None:
    """A value comes out with every bit that it had."""
    value = 1 / 3 + 1e-15
    table = build_comparison(metrics(0.5), {"grpo": {1: metrics(value)}})
    assert (table.loc[table["round"] == 1, "value"] == value).all()


def test_csv_text_does_not_depend_on_the_order_of_additions() -> None:
    """Floats that differ in their last bits are written alike."""
    texts = [
        build_comparison(metrics(0.5), {"grpo": {1: metrics(value)}}).to_csv(
            index=False, float_format=COMPARISON_FLOAT_FORMAT
        )
        for value in (0.1 + 0.2, 0.3)
    ]
    assert texts[0] == texts[1]
    assert "grpo,aime,avg_at_k,4,1,0.3,0.2,0.4\n" in texts[0]


def test_integers_stay_integers() -> None:
    """k and round are integers, also when the input's k came as floats."""
    table = build_comparison(
        metrics(0.5).astype({"k": float}), {"grpo": {1: metrics(0.6).astype({"k": float})}}
    )
    assert table["k"].dtype == table["round"].dtype == np.int64


@pytest.mark.parametrize(
    ("phase_metrics", "message"),
    [
        ({}, "no algorithm"),
        ({"grpo": {}}, "grpo: evaluated rounds must start at 1"),
        ({"grpo": {0: metrics(0.5)}}, r"must start at 1 .* found \[0\]"),
        (
            {"grpo": {1: metrics(0.5).drop(columns="ci_low")}},
            r"grpo, round 1: columns \['ci_low'\]",
        ),
        ({"grpo": {1: metrics(0.5).replace("pass_at_k", "pass")}}, r"unknown metrics \['pass'\]"),
        ({"grpo": {1: pd.concat([metrics(0.5)] * 2)}}, "measured twice"),
        ({"grpo": {1: metrics(0.5).iloc[:3]}}, r"missing \[\('aime', 'pass_at_k', 2\)\]"),
        ({"grpo": {1: metrics(0.5, eval_sets=("math",))}}, "not those of the initial policy"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    phase_metrics: dict[str, dict[int, pd.DataFrame]], message: str
) -> None:
    """Each mistake gets an error that names the algorithm and what is wrong."""
    with pytest.raises(ValueError, match=message):
        build_comparison(metrics(0.5), phase_metrics)
