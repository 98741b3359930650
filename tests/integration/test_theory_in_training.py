"""Real rounds held against theory: what a run shows of them, and that it tells a difference."""

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import plotly.io
import pytest

PMD = ["pmd_mean", "pmd_part_small"]
FIGURES = ["theory_in_the_loop_by_pass_rate", "theory_in_the_loop_by_round"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def rounds(compared: Any) -> pd.DataFrame:
    table = pd.read_csv(compared.data / "08_reporting" / "round_metrics.csv")
    return table.set_index(["algorithm", "round"])


@pytest.fixture(scope="module")
def groups(compared: Any) -> pd.DataFrame:
    return pd.read_csv(compared.data / "08_reporting" / "theory" / "in_the_loop.csv")


def test_pmd_part_at_small_tau_looks_different_from_pmd_mean_at_the_default(
    rounds: pd.DataFrame,
) -> None:
    """In the first round, from the same policy on the same rollouts. Measured for six seeds: slopes
    of 0.65 to 1.02 against 0.06 to 0.17, implied multipliers below 4 against 31 to 340.
    """
    mean, part = rounds.loc[("pmd_mean", 1)], rounds.loc[("pmd_part_small", 1)]
    assert mean["mean_reward"] == part["mean_reward"]
    assert mean["theory_informative_fraction"] > 0.2
    assert 0.4 < mean["theory_slope"] < 1.3
    assert 0 < part["theory_slope"] < 0.3
    assert mean["theory_slope"] > 2.5 * part["theory_slope"]
    assert part["theory_slope_success"] < mean["theory_slope_success"]
    assert 0 < mean["theory_implied_lam"] < 10
    assert not 0 < part["theory_implied_lam"] < 2 * mean["theory_implied_lam"]
    assert part["theory_predicted_kl"] > 1.2 * mean["theory_predicted_kl"]


def test_other_algorithms_have_the_columns_without_numbers(
    rounds: pd.DataFrame, groups: pd.DataFrame
) -> None:
    """One table results, and no rows per group."""
    theory = rounds.filter(like="theory_")
    assert theory.shape[1] == 12
    assert theory.loc["grpo"].isna().all().all()
    assert theory.loc[PMD].notna().all().all()
    assert groups["algorithm"].unique().tolist() == PMD


def test_the_rows_per_group_add_up_to_the_rounds_slope(
    rounds: pd.DataFrame, groups: pd.DataFrame
) -> None:
    """Rounds of every phase are there; weighted by rollouts, the rows give the logged slope."""
    assert set(groups["round"]) == {1, 2}
    for key, rows in groups.groupby(["algorithm", "round"]):
        weight = np.where(rows["response"] == "right", rows["pass_rate"], 1 - rows["pass_rate"])
        predicted, measured = rows["predicted_log_ratio"], rows["measured_log_ratio"]
        slope = (weight * predicted * measured).sum() / (weight * predicted**2).sum()
        assert slope == pytest.approx(rounds.loc[key, "theory_slope"], rel=1e-9)
        informative = rounds.loc[key, "theory_informative_fraction"]
        assert len(rows) == pytest.approx(2 * 32 * informative)


def test_mlflow_has_the_rounds_metrics_by_step(compared: Any, rounds: pd.DataFrame) -> None:
    """In each PMD algorithm's run; not in the others'. The figures are the pipeline's."""
    client = mlflow.MlflowClient(f"sqlite:///{compared.path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("pmd_pipeline")
    runs = {
        run.data.tags.get("algorithm", ""): run
        for run in client.search_runs([experiment.experiment_id])
    }
    for label in PMD:
        history = client.get_metric_history(runs[label].info.run_id, "theory/slope")
        logged = {metric.step: metric.value for metric in history}
        assert logged == pytest.approx(rounds.loc[label, "theory_slope"].to_dict(), rel=1e-12)
    assert not any(name.startswith("theory/") for name in runs["grpo"].data.metrics)
    figures = {file.path for file in client.list_artifacts(runs[""].info.run_id, "figures")}
    assert {f"figures/{name}.png" for name in FIGURES} <= figures
    page = client.download_artifacts(runs[""].info.run_id, "figures.html")
    text = Path(page).read_text(encoding="utf-8")
    assert all(f'id="{name}-data"' in text for name in FIGURES)


def test_the_report_and_kedro_viz_show_training_against_theory(compared: Any) -> None:
    """The figures as files of every kind, and as sections of the page, before the paper's."""
    reporting = compared.data / "08_reporting"
    for name in FIGURES:
        figure = plotly.io.read_json(reporting / "figures" / "interactive" / f"{name}.json")
        titles = [annotation.text for annotation in figure.layout.annotations]
        assert titles
        for suffix in ("png", "svg"):
            assert (reporting / "figures" / "theory_in_the_loop" / f"{name}.{suffix}").is_file()
    page = (reporting / "report.html").read_text(encoding="utf-8")
    order = [
        page.index(title)
        for title in (
            "Updates against their exact solutions, by pass rate",
            "Updates against their exact solutions, by round",
            "What PMD-mean replaces, and where it leads",
            "Error of targets estimated from n rollouts",
        )
    ]
    assert order == sorted(order)


def test_the_rows_can_be_made_anew_from_the_rollouts_alone(compared: Any) -> None:
    """Lost tables come back to the byte, without a training."""
    tables = [
        compared.data / "07_model_output" / "pmd_mean" / "seed_0" / "theory_groups.parquet",
        compared.data / "08_reporting" / "theory" / "in_the_loop.csv",
    ]
    before = [table.read_bytes() for table in tables]
    for table in tables:
        table.unlink()
    nodes = [
        "pmd_mean.seed_0.compare_with_theory",
        "pmd_mean.gather_results",
        "reporting.collect_theory_groups",
    ]
    assert compared.run(node_names=nodes) == 0
    assert [table.read_bytes() for table in tables] == before


def test_a_refilled_algorithm_is_shown_with_what_its_rounds_have_drawn(
    compared: Any, rounds: pd.DataFrame
) -> None:
    """Tables, budget and report of grpo, beside algorithms whose rounds are not refilled."""
    tables = sorted((compared.data / "07_model_output" / "grpo").rglob("round_0*.parquet"))
    drawn = pd.concat(map(pd.read_parquet, tables)).dropna(subset=["is_trained"])
    of_round = drawn.groupby("round")
    metrics = rounds.loc["grpo"]
    assert metrics["num_prompts"].tolist() == of_round["problem_id"].nunique().tolist()
    assert (metrics["num_prompts"] > 32).all()
    assert (8 * metrics["num_kept_groups"]).tolist() == of_round["is_trained"].sum().tolist()
    assert (metrics["num_kept_groups"] + metrics["num_missing_groups"] == 32).all()
    assert rounds.loc[PMD, "num_kept_groups"].isna().all()
    reporting = compared.data / "08_reporting"
    budgets = pd.read_csv(reporting / "budgets.csv", index_col="algorithm")
    used = metrics[["num_prompts", "num_rollouts", "num_generation_calls"]].sum()
    assert budgets.loc["grpo", used.index].tolist() == used.tolist()
    sentence = (
        f"grpo drew more prompts in the place of those that its prompt filter dropped: "
        f"{used['num_prompts']} prompts in {used['num_generation_calls']} generation calls gave"
    )
    assert sentence in (reporting / "report.html").read_text(encoding="utf-8")
