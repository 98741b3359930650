"""What `kedro run --env smoke` leaves behind."""

import base64
import json
import re
import zlib
from itertools import combinations
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
import torch
from helpers import PROJECT
from huggingface_hub import ModelCard
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.io import MemoryDataset
from mlflow.entities import Run
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from notebooks import executed, pictures
from pmd_pipeline.reporting import formatting

ALGORITHMS = ["pmd_mean", "pmd_part", "grpo", "gspo", "on_policy_gradient"]
SEEDS = [0, 1]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runs(smoke: Any) -> dict[str, Run]:
    """The MLflow runs by training run; the pipeline's own under the empty name."""
    client = mlflow.MlflowClient(f"sqlite:///{smoke.path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("pmd_pipeline")
    runs = client.search_runs([experiment.experiment_id])
    return {_namespace(run.data.tags): run for run in runs}


def _namespace(tags: dict[str, str]) -> str:
    return f"{tags['algorithm']}.seed_{tags['training_seed']}" if "algorithm" in tags else ""


@pytest.fixture(scope="module")
def client(smoke: Any) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(f"sqlite:///{smoke.path / 'mlflow.db'}")


def test_the_comparison_has_the_promised_columns_and_rounds(smoke: Any) -> None:
    table = pd.read_csv(smoke.data / "08_reporting" / "comparison.csv")
    assert list(table.columns) == [
        "algorithm", "eval_set", "metric", "k", "round", "value", "ci_low", "ci_high"
    ]  # fmt: skip
    assert table["algorithm"].unique().tolist() == ALGORITHMS
    assert set(table["round"]) == {0, 1, 2}
    assert (table["ci_low"] <= table["value"]).all()
    assert (table["value"] <= table["ci_high"]).all()
    starts = table[table["round"] == 0].drop(columns="algorithm")
    assert len(starts.drop_duplicates()) == len(starts) / len(ALGORITHMS)


def test_each_training_seed_has_its_own_values_of_which_the_comparison_has_the_means(
    smoke: Any,
) -> None:
    folder = smoke.data / "08_reporting"
    table = pd.read_csv(folder / "comparison_by_seed.csv")
    assert list(table.columns)[:2] == ["algorithm", "seed"]
    assert table["seed"].unique().tolist() == SEEDS
    key = ["algorithm", "eval_set", "metric", "k", "round"]
    means = table.groupby(key)["value"].mean()
    expected = pd.read_csv(folder / "comparison.csv").set_index(key)["value"]
    assert means.to_dict() == pytest.approx(expected.to_dict())


def test_every_pair_of_algorithms_is_compared_over_seeds_and_problems(smoke: Any) -> None:
    """Gains and pairs agree where they speak of the same difference."""
    folder = smoke.data / "08_reporting"
    pairs = pd.read_csv(folder / "pairs.csv")
    names = list(zip(pairs["first"], pairs["second"], strict=True))
    assert names == list(combinations(ALGORITHMS, 2))
    assert (pairs["num_seeds"] == len(SEEDS)).all()
    assert (pairs["covers"] == "seeds and problems").all()
    assert pairs["one_seed_verdict"].isna().all()
    gains = pd.read_csv(folder / "gains.csv").set_index(["algorithm", "against"])
    for (first, second), row in zip(names, pairs.to_dict(orient="records"), strict=True):
        if first == "pmd_mean":
            turned = gains.loc[(second, first)]
            ends = [row["difference"], row["ci_high"], row["ci_low"]]
            assert ends == pytest.approx([-turned[n] for n in ("gain", "ci_low", "ci_high")])


def test_round_metrics_are_complete_and_the_trainer_agrees_with_the_sampler(smoke: Any) -> None:
    table = pd.read_csv(smoke.data / "08_reporting" / "round_metrics.csv")
    assert len(table) == 2 * len(ALGORITHMS) * len(SEEDS)
    may_be_missing = {"clip_fraction"} | {c for c in table.columns if c.startswith("theory_")}
    always = table.drop(columns=list(may_be_missing & set(table.columns)))
    assert always.notna().all().all()
    assert (table["mismatch_max"] < 1e-4).all()
    clipped = table.set_index("algorithm")["clip_fraction"].notna()
    assert clipped[["grpo", "gspo"]].all()
    assert not clipped[["pmd_mean", "pmd_part", "on_policy_gradient"]].any()


def test_algorithms_of_a_training_seed_begin_with_the_same_rollouts_and_seeds_with_others(
    smoke: Any,
) -> None:
    def first_rollouts(label: str, seed: int) -> dict[tuple[str, int], str]:
        folder = smoke.data / "07_model_output" / label / f"seed_{seed}" / "phase_1" / "rollouts"
        table = pd.read_parquet(folder / "round_00001.parquet")
        return table.set_index(["problem_id", "sample_index"])["response"].to_dict()

    # The on-policy gradient samples a round in parts, after updates.
    labels = ALGORITHMS[:-1]
    first = {seed: [first_rollouts(label, seed) for label in labels] for seed in SEEDS}
    for tables in first.values():
        assert all(table == tables[0] for table in tables)
    assert first[0][0] != first[1][0]
    for seed in SEEDS:
        on_policy = first_rollouts(ALGORITHMS[-1], seed)
        assert on_policy.keys() == first[seed][0].keys()


def test_the_console_shows_the_table_and_where_to_look(smoke: Any) -> None:
    output = (smoke.path / "stdout.txt").read_text()
    assert re.search(r"on_policy_gradient\s+0\.\d{3} -> 0\.\d{3}\s+[+-]0\.\d{3} \[", output)
    table, _, hints = output.partition("\nReport ")
    assert max(map(len, table.splitlines())) <= 79
    for hint in ("data/smoke/08_reporting/report.html", "kedro mlflow ui", "kedro viz run"):
        assert hint in f"Report {hints}"


def test_nothing_is_drawn_over_a_log_file(smoke: Any) -> None:
    errors = (smoke.path / "stderr.txt").read_text()
    assert "%|" not in errors, "a progress bar was drawn although there is no terminal"
    assert "UserWarning" not in errors
    assert "Add type hints" not in errors


def test_a_log_has_a_line_per_round_and_none_per_node(smoke: Any) -> None:
    errors = (smoke.path / "stderr.txt").read_text()
    rounds = re.findall(r"INFO (\w+)\.seed_(\d) round (\d)/2: reward ", errors)
    assert len(set(rounds)) == len(rounds) == 2 * len(ALGORITHMS) * len(SEEDS)
    assert len(re.findall(r"grpo\.seed_1 after round \d: addition avg@2 0\.", errors)) == 2
    assert "Completed" not in errors
    assert "--async" not in errors


def test_every_algorithm_learns(smoke: Any) -> None:
    table = pd.read_csv(smoke.data / "08_reporting" / "comparison_by_seed.csv")
    scores = table[(table["metric"] == "avg_at_k") & (table["k"] == 2)]
    initial = scores[scores["round"] == 0]["value"].max()
    assert initial > 0.1
    assert (scores[scores["round"] == 2]["value"] > initial).all()


def test_every_dataset_of_every_pipeline_is_in_the_catalog(smoke: Any) -> None:
    bootstrap_project(smoke.path)
    with KedroSession.create(smoke.path, env="smoke") as session:
        context = session.load_context()
        from kedro.framework.project import pipelines

        catalog = context.catalog
        for name, pipeline in pipelines.items():
            for dataset in pipeline.datasets():
                if dataset.startswith("params:") or dataset == "parameters":
                    continue
                assert dataset in catalog, f"{name}: {dataset} would fall back to memory"
                assert not isinstance(catalog.get(dataset), MemoryDataset)


def test_the_report_is_one_page_that_needs_no_network(smoke: Any) -> None:
    page = (smoke.data / "08_reporting" / "report.html").read_text(encoding="utf-8")
    loaded = re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=[\"']?https?:", page)
    assert loaded == []
    assert "Column addition" in page


def test_one_finished_run_per_training_run_below_the_pipelines_run(runs: dict[str, Run]) -> None:
    trained = {f"{label}.seed_{seed}" for label in ALGORITHMS for seed in SEEDS}
    assert set(runs) == {"", *trained}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    parent = runs[""].info.run_id
    assert {runs[name].data.tags["mlflow.parentRunId"] for name in trained} == {parent}


def test_parameters_are_logged_by_name(runs: dict[str, Run]) -> None:
    assert runs["pmd_mean.seed_0"].data.params["algorithm.tau"] == "0.5"
    assert runs["grpo.seed_1"].data.params["algorithm.clip_high"] == "0.2"
    assert runs["grpo.seed_1"].data.params["training.group_size"] == "8"
    assert runs[""].data.params["algorithms.pmd_part.tau"] == "0.5"
    assert "version.torch" in runs[""].data.tags
    assert "mlflow.source.git.commit" in runs[""].data.tags
    assert "data_version" in runs[""].data.tags


def test_the_best_policy_of_every_seed_is_a_model(
    smoke: Any, runs: dict[str, Run], client: mlflow.MlflowClient
) -> None:
    models = client.search_logged_models([runs[""].info.experiment_id])
    assert [model.tags["algorithm"] for model in models] == ALGORITHMS
    table = pd.read_csv(smoke.data / "08_reporting" / "comparison_by_seed.csv")
    scores = table[(table["metric"] == "avg_at_k") & (table["round"] > 0)]
    for model in models:
        tags = model.tags
        own = scores[scores["algorithm"] == tags["algorithm"]]
        policy = own[
            own["seed"].eq(int(tags["training_seed"])) & own["round"].eq(int(tags["round"]))
        ]
        assert policy["value"].item() == own["value"].max()
        trained_by = runs[f"{tags['algorithm']}.seed_{tags['training_seed']}"]
        assert model.source_run_id == trained_by.info.run_id
    assert runs[""].data.tags["intervals"] == "over training seeds and problems"


def test_round_and_evaluation_metrics_have_the_tables_values(
    smoke: Any, runs: dict[str, Run], client: mlflow.MlflowClient
) -> None:
    rounds = pd.read_csv(smoke.data / "08_reporting" / "round_metrics.csv")
    for (label, seed), rows in rounds.groupby(["algorithm", "seed"]):
        expected = rows.set_index("round")["mean_reward"]
        run_id = runs[f"{label}.seed_{seed}"].info.run_id
        history = client.get_metric_history(run_id, "sampling/mean_reward")
        assert {metric.step: metric.value for metric in history} == expected.to_dict()
    comparison = pd.read_csv(smoke.data / "08_reporting" / "comparison_by_seed.csv")
    avg = comparison.query("algorithm == 'grpo' and seed == 1 and metric == 'avg_at_k'")
    history = client.get_metric_history(runs["grpo.seed_1"].info.run_id, "eval/addition/avg_at_2")
    logged = {metric.step: metric.value for metric in history}
    assert logged == pytest.approx(avg.set_index("round")["value"].to_dict())


def test_figures_completions_and_report_are_logged(
    runs: dict[str, Run], client: mlflow.MlflowClient
) -> None:
    parent = {file.path for file in client.list_artifacts(runs[""].info.run_id)}
    assert {"figures", "figures.html", "report.html", "tables"} <= parent
    figures = {file.path for file in client.list_artifacts(runs[""].info.run_id, "figures")}
    assert "figures/learning_curves.png" in figures
    tables = {file.path for file in client.list_artifacts(runs[""].info.run_id, "tables")}
    names = ("comparison", "comparison_by_seed", "gains", "pairs", "budgets", "round_metrics")
    assert tables == {f"tables/{name}.csv" for name in names}
    completions = client.list_artifacts(runs["pmd_mean.seed_0"].info.run_id, "completions")
    assert [file.path for file in completions] == [
        "completions/round_00001.json",
        "completions/round_00002.json",
    ]
    run = runs["pmd_mean.seed_0"]
    listed = json.loads(run.data.tags["mlflow.loggedArtifacts"])
    assert listed == [{"path": file.path, "type": "table"} for file in completions]
    shown = Path(client.download_artifacts(run.info.run_id, listed[0]["path"]))
    assert json.loads(shown.read_text(encoding="utf-8"))["columns"][:2] == ["problem", "response"]


def test_a_run_says_what_was_found_and_leads_to_its_charts(
    smoke: Any, runs: dict[str, Run], client: mlflow.MlflowClient
) -> None:
    run = runs[""]
    note = run.data.tags["mlflow.note.content"]
    assert all(f"| {label} | addition |" in note for label in ALGORITHMS)
    place = f"#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}/artifacts/report.html"
    assert place in note
    assert f"viewStateShareKey={run.info.run_id}" in note
    tags = client.get_experiment(run.info.experiment_id).tags
    packed = tags[f"mlflow.sharedViewState.{run.info.run_id}"].removeprefix("deflate;")
    view = json.loads(zlib.decompress(base64.b64decode(packed)))
    assert view["searchFilter"] == f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
    shown = {chart["metricKey"] for chart in view["compareRunCharts"]}
    assert shown - {"eval/addition/mean_reward"} <= runs["grpo.seed_0"].data.metrics.keys()
    assert tags["mlflow.experimentKind"] == "custom_model_development"
    output = (smoke.path / "stdout.txt").read_text()
    assert f"/#/experiments/{run.info.experiment_id}/runs?workflowType=machine_learning" in output


def test_budgets_are_equal_but_for_the_calls_of_the_sampler(smoke: Any) -> None:
    table = pd.read_csv(smoke.data / "08_reporting" / "budgets.csv")
    assert len(table) == len(ALGORITHMS) * len(SEEDS)
    # Two rounds of 16 prompts x 8, in 4 mini-batches.
    assert set(table["num_rollouts"]) == {256}
    assert set(table["num_updates"] + table["num_skipped_updates"]) == {8}
    calls = table.groupby("algorithm")["num_generation_calls"].unique().explode().to_dict()
    assert calls == {**dict.fromkeys(ALGORITHMS, 2), "on_policy_gradient": 8}
    assert (table["num_trained_tokens"] > table["num_sampled_tokens"]).all()


def scores(smoke: Any, name: str) -> pd.DataFrame:
    table = pd.read_csv(smoke.data / "08_reporting" / f"{name}.csv")
    return table[(table["metric"] == "avg_at_k") & (table["k"] == 2)]


def test_the_best_policy_leaves_with_its_weights_and_the_numbers_of_the_comparison(
    smoke: Any, tmp_path: Path
) -> None:
    result = smoke.command("export-policy", "--best", str(tmp_path / "model"), "--env", "smoke")
    assert result.returncode == 0, result.stderr
    by_seed = scores(smoke, "comparison_by_seed")
    trained = by_seed[by_seed["round"] > 0]
    told = re.match(
        r"(\w+), training seed (\d+), round (\d+): the highest avg@2 of (\d+) ", result.stdout
    )
    assert told is not None
    algorithm, seed, round_index, num_candidates = told[1], *map(int, told.groups()[1:])
    assert num_candidates == len(trained)
    own = trained[
        (trained["algorithm"] == algorithm)
        & (trained["seed"] == seed)
        & (trained["round"] == round_index)
    ].iloc[0]
    assert own["value"] == trained["value"].max()

    card = ModelCard.load(tmp_path / "model" / "README.md")
    [measured] = card.data.to_dict()["model-index"][0]["results"][0]["metrics"]
    assert measured["value"] == pytest.approx(own["value"], abs=1e-6)
    means = scores(smoke, "comparison")
    mean = means[(means["algorithm"] == algorithm) & (means["round"] == round_index)].iloc[0]
    for row in (own, mean):
        interval = formatting.interval(row["ci_low"], row["ci_high"])
        assert f"{formatting.share(row['value'])} {interval} |" in card.text
    assert str(smoke.path) not in card.content
    assert "optimistic" in card.text

    # A phase of the smoke run is one round.
    phase = smoke.data / "06_models" / algorithm / f"seed_{seed}" / f"phase_{round_index}"
    stored = phase / f"round_{round_index:05d}" / "policy"
    token_ids = AutoTokenizer.from_pretrained(tmp_path / "model")("12+30?", return_tensors="pt")
    models = [AutoModelForCausalLM.from_pretrained(path) for path in (tmp_path / "model", stored)]
    with torch.no_grad():
        found, expected = (model(token_ids["input_ids"]).logits for model in models)
    assert torch.equal(found, expected)
    sampling = GenerationConfig.from_pretrained(tmp_path / "model")
    assert (sampling.do_sample, sampling.temperature, sampling.top_k) == (True, 1.0, 0)


def test_a_policy_by_its_folder_has_a_card_where_the_run_has_evaluated_it(
    smoke: Any, tmp_path: Path
) -> None:
    folder = "data/smoke/06_models/grpo/seed_1/phase_1"
    result = smoke.command("export-policy", folder, str(tmp_path / "phase"), "--env", "smoke")
    assert result.returncode == 0, result.stderr
    text = (tmp_path / "phase" / "README.md").read_text(encoding="utf-8")
    assert "policy of `grpo`, training seed 1, after 1 of 2 rounds" in text
    assert "exported by name, not chosen by its results" in text


def test_the_notebook_shows_a_run(
    smoke: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the folder beside the project's `data`, with no warning."""
    (tmp_path / "pyproject.toml").write_text("[tool.kedro]\n")
    (tmp_path / "data").symlink_to(smoke.data)
    (tmp_path / "notebooks").mkdir()
    path = PROJECT / "notebooks" / "02_my_run.ipynb"
    notebook = executed(path, tmp_path / "notebooks", monkeypatch)
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in shown if output.get("name") == "stderr"]
    curves = smoke.data / "08_reporting" / "figures" / "learning_curves" / "learning_curves.png"
    assert base64.b64encode(curves.read_bytes()).decode() == pictures(notebook)[0].replace("\n", "")
    assert all(label in shown[0]["data"]["text/plain"] for label in ALGORITHMS)
