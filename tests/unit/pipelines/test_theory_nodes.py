"""The stage theory, and what reporting makes of training held against theory."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandera.errors
import pytest

from pmd_pipeline.config.theory import EstimationErrorFigureConfig, LaboratoryConfig, TheoryConfig
from pmd_pipeline.config.training_runs import TrainingRun
from pmd_pipeline.datasets.rounds import RoundPartitionsDataset, RoundTablesDataset
from pmd_pipeline.pipelines import reporting, theory
from pmd_pipeline.pipelines.reporting.nodes import collect_theory_groups, draw_theory_in_the_loop
from pmd_pipeline.pipelines.reporting.theory_sections import (
    LOOP_FIGURES,
    THEORY_FIGURES,
    nothing_to_compare,
    theory_sections,
)
from pmd_pipeline.pipelines.theory.nodes import build_theory_tables, draw_theory_figures
from pmd_pipeline.reporting.drawing.interactive import InteractiveFigure
from pmd_pipeline.schemas import theory as schemas
from pmd_pipeline.schemas.rollouts import EachRoundMetricsTable, RoundMetricsTable
from pmd_pipeline.theory import ComparedRound, compare_round, loop_group_table, solve_binary

SMALL = TheoryConfig(
    estimation_error=EstimationErrorFigureConfig(num_seeds=4),
    laboratory=LaboratoryConfig(num_seeds=4, num_rounds=2),
)
SCHEMAS = {
    "log_partition": schemas.LogPartitionTable,
    "simplex": schemas.SimplexTable,
    "log_ratio": schemas.LogRatioTable,
    "estimation_error": schemas.EstimationErrorTable,
    "laboratory": schemas.LaboratoryTable,
}


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return build_theory_tables(SMALL, seed=0)


def collected(*tables: pd.DataFrame) -> pd.DataFrame:
    """Return what reporting makes of the results of so many algorithms."""
    results = {f"a{i}": {"theory_groups": lambda t=table: t} for i, table in enumerate(tables)}
    return collect_theory_groups(**results)


def group_table(algorithm: str) -> pd.DataFrame:
    """Return one round of three groups that went half way."""
    rates = np.array([0.25, 0.5, 0.75])
    exact = solve_binary(rates, 0.5, method="pmd_mean")
    comparison = compare_round(
        rates,
        0.5 * np.asarray(exact.success_log_ratio),
        0.5 * np.asarray(exact.failure_log_ratio),
        tau=0.5,
        method="pmd_mean",
    )
    compared = ComparedRound(algorithm=algorithm, method="pmd_mean", round=1, comparison=comparison)
    table = loop_group_table([compared])
    table["group"] = [f"p{group}" for group in table["group"]]
    return table.rename(columns={"group": "problem_id"})


def test_every_table_is_valid_before_and_after_its_file(
    tables: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    """A CSV file gives the numbers back, infinity included."""
    assert tables.keys() == SCHEMAS.keys()
    for name, table in tables.items():
        SCHEMAS[name].validate(table)
        table.to_csv(tmp_path / f"{name}.csv", index=False)
        stored = SCHEMAS[name].validate(pd.read_csv(tmp_path / f"{name}.csv"))
        pd.testing.assert_frame_equal(stored, table, rtol=1e-14)


def test_the_seed_decides_what_is_drawn_and_nothing_else(
    tables: dict[str, pd.DataFrame],
) -> None:
    again, other = build_theory_tables(SMALL, seed=0), build_theory_tables(SMALL, seed=1)
    for name, table in tables.items():
        pd.testing.assert_frame_equal(table, again[name])
    for name in ("log_partition", "simplex", "log_ratio"):
        pd.testing.assert_frame_equal(table := tables[name], other[name])
        assert not table.empty
    error = "estimation_error"
    assert tables[error]["exact_error"].equals(other[error]["exact_error"])
    assert not tables[error]["simulated_error"].equals(other[error]["simulated_error"])


def test_the_nodes_give_what_the_pipeline_promises(tables: dict[str, pd.DataFrame]) -> None:
    """Tables and figures, interactive and as images, from the parameters alone."""
    pipeline = theory.create_pipeline()
    assert pipeline.inputs() == {"params:theory", "params:seed"}
    figures = draw_theory_figures(**tables)
    assert {f"theory_{name}" for name in tables} | figures.keys() == pipeline.all_outputs()
    assert all(node.tags == {"theory"} for node in pipeline.nodes)


@pytest.mark.filterwarnings("ignore:One or more dataset names contain '.'")
def test_the_report_has_words_for_every_theory_figure() -> None:
    """What the stage draws is what reporting asks for."""
    drawn = {name for name in theory.create_pipeline().all_outputs() if name.startswith("figure_")}
    assert drawn == {f"figure_{name}" for name in THEORY_FIGURES}
    asked = reporting.create_pipeline(runs=[TrainingRun("a", 0)]).inputs()
    assert {name for name in asked if name.startswith("figure_")} == drawn


def test_training_held_against_theory_is_drawn_for_the_compared_algorithms() -> None:
    """Two interactive figures and their images; an algorithm without an update is left out."""
    groups = collected(group_table("mine"), group_table("grpo").head(0), group_table("other"))
    assert groups["algorithm"].unique().tolist() == ["mine", "other"]
    columns = ["slope", "slope_success", "past_bound_fraction", "implied_lam", "predicted_lam"]
    columns += ["measured_kl", "predicted_kl", "measured_chi2", "predicted_chi2"]
    rounds = pd.DataFrame(
        [
            {
                "algorithm": name,
                "seed": 0,
                "round": 1,
                **{f"theory_{column}": value for column in columns},
            }
            for name, value in (("mine", 0.5), ("grpo", np.nan), ("other", 0.25))
        ]
    )
    figures = draw_theory_in_the_loop(groups, rounds)
    assert figures.keys() == {
        *(f"figure_{name}" for name in LOOP_FIGURES), "theory_in_the_loop_images"
    }  # fmt: skip
    by_round = figures["figure_theory_in_the_loop_by_round"]
    assert isinstance(by_round, InteractiveFigure)
    slopes = {trace["name"]: trace["y"] for trace in by_round.data if trace["xaxis"] == "x"}
    assert slopes["mine"] == [0.5]
    assert slopes["other"] == [0.25]
    assert "grpo" not in slopes
    images = figures["theory_in_the_loop_images"]
    assert isinstance(images, dict)
    assert images.keys() == LOOP_FIGURES.keys()


def test_where_nothing_was_compared_the_figures_say_so_and_the_report_leaves_them_out() -> None:
    empty = collected(group_table("grpo").head(0))
    assert list(empty.columns) == list(group_table("mine").columns)
    figures = draw_theory_in_the_loop(
        empty, pd.DataFrame({"algorithm": ["grpo"], "seed": [0], "round": [1]})
    )
    assert figures["theory_in_the_loop_images"] == {}
    for name in LOOP_FIGURES:
        figure = figures[f"figure_{name}"]
        assert isinstance(figure, InteractiveFigure)
        assert "no exact update" in figure.layout["annotations"][0]["text"]
    figure = InteractiveFigure(data=[{"y": [1]}], layout={})
    shown = dict.fromkeys((*LOOP_FIGURES, *THEORY_FIGURES), figure)
    nothing = {name: nothing_to_compare() for name in LOOP_FIGURES}
    titles = [title for title, _, _ in theory_sections({**shown, **nothing}, num_rounds=6)]
    assert titles == [title for title, _ in THEORY_FIGURES.values()]
    assert len(theory_sections(shown, num_rounds=6)) == len(shown)


def test_the_caption_says_where_rounds_are_left_out() -> None:
    figure = InteractiveFigure(data=[{"y": [1]}], layout={})
    shown = dict.fromkeys((*LOOP_FIGURES, *THEORY_FIGURES), figure)
    for num_rounds, is_thinned in ((300, False), (900, True)):
        captions = [words for _, _, words in theory_sections(shown, num_rounds=num_rounds)]
        said = [words.endswith("of every 6 rounds.") for words in captions]
        assert said == [False, is_thinned, *[False] * 4]


def test_rollouts_are_loaded_round_by_round_in_order(tmp_path: Path) -> None:
    """No table is read before it is asked for."""
    path = str(tmp_path / "rollouts")
    RoundTablesDataset(path=path).save({f"round_{i:05d}": pd.DataFrame({"a": [i]}) for i in (2, 1)})
    rounds = RoundPartitionsDataset(path=path).load()
    (tmp_path / "rollouts" / "round_00002.parquet").write_bytes(b"damaged")
    assert list(rounds) == ["round_00001", "round_00002"]
    assert rounds["round_00001"]()["a"].tolist() == [1]
    with pytest.raises(Exception, match="round_00002"):
        rounds["round_00002"]()


def test_a_rounds_schema_also_checks_tables_that_are_loaded_later() -> None:
    bad = pd.DataFrame({"algorithm": ["a"], "seed": [0]})
    lazily = EachRoundMetricsTable().validate({"round_00001": lambda: bad})
    with pytest.raises(pandera.errors.SchemaError, match="round"):
        lazily["round_00001"]()


@pytest.mark.parametrize("value", [0.5, np.nan])
def test_round_metrics_may_have_theory_columns(value: Any) -> None:
    """Numbers or NaN; without them the table is valid too."""
    row = {
        "algorithm": "a", "seed": 0, "round": 1, "policy_version": 1, "num_rollouts": 8,
        "num_skipped_updates": 0, "num_prompts": 2, "num_generation_calls": 1,
        "staleness_updates": 0, "staleness_rounds": 0,
        "num_sampled_tokens": 9, "num_trained_tokens": 9,
        "learning_rate": 0.1, "mean_reward": 0.0, "group_pass_rate": 0.5,
        "no_signal_fraction": 0.0, "gradient_norm": 1.0, "loss": 0.0, "clip_fraction": np.nan,
        "truncated_fraction": 0.0,
    }  # fmt: skip
    RoundMetricsTable.validate(pd.DataFrame([row]))
    RoundMetricsTable.validate(pd.DataFrame([{**row, "theory_slope": value}]))
    with pytest.raises((pandera.errors.SchemaError, pandera.errors.SchemaErrors), match="theory_"):
        RoundMetricsTable.validate(pd.DataFrame([{**row, "theory_slope": "far"}]))
