"""The first example of docs/rewards.md, as written, through every stage."""

import re
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from helpers import PROJECT

pytestmark = pytest.mark.slow

# Over the environment `tiny`; its policy answers with a few dozen tokens at most.
OF_SEVERAL = """
rewards:
  kind: sum
  parts:
    correct: {kind: math, weight: 1.0, correct_reward: 1.0, incorrect_reward: 0.0}
    brevity: {kind: import, weight: 0.2, import_path: "brevity:make_reward",
      options: {most_words: 2}}
"""
FAILING = """
rewards:
  kind: import
  import_path: brevity:make_reward
  options: {most_words: three}
"""


# Away after the check before the run (1 call), the first rollouts (12 problems), the initial
# evaluation (8) and one round (4 groups), until a file says otherwise.
FRAGILE = """
from pathlib import Path


def make_reward():
    calls = Path("calls.txt")

    def reward(prompts, responses):
        num_calls = len(calls.read_text()) if calls.exists() else 0
        if num_calls >= 1 + 12 + 8 + 4 and not Path("judge_is_back").exists():
            raise RuntimeError("the judge is away")
        calls.write_text("x" * (num_calls + 1))
        return [len(text) / 100 for text in responses]

    return reward
"""
FRAGILE_PARAMETERS = """
rewards: {kind: import, import_path: "fragile:make_reward"}
"""


def documented(language: str) -> str:
    """Return the first block of a language in the page on rewards."""
    page = (PROJECT / "docs" / "rewards.md").read_text()
    found = re.search(rf"```{language}\n(.*?)```", page, re.DOTALL)
    assert found is not None
    return found[1]


def add_reward(project: Any, parameters: str) -> None:
    code = documented("python")
    name = re.match(r"# (rewards/\w+\.py)\n", code)
    assert name is not None
    file: Path = project.path / name[1]
    file.parent.mkdir()
    file.write_text(code)
    tiny = project.path / "conf" / "tiny" / "parameters.yml"
    tiny.write_text(tiny.read_text() + parameters)


def test_a_reward_of_ones_own_as_the_docs_write_it(project: Any) -> None:
    """It is checked by the preflight, trains, is evaluated by its mean, and is in the report."""
    add_reward(project, documented("yaml").partition("\n")[2])
    checked = project.command("preflight", "--env", "tiny")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "brevity:make_reward" in checked.stdout
    assert "gets 1 (neither right nor wrong)" in checked.stdout
    result = project.command("run", "--env", "tiny")
    assert result.returncode == 0, result.stderr[-3000:]
    comparison = pd.read_csv(project.data / "08_reporting" / "comparison.csv")
    assert set(comparison["metric"]) == {
        "mean_reward",
        "truncated_fraction",
        "mean_response_tokens",
    }
    values = comparison.loc[comparison["metric"] == "mean_reward", "value"]
    assert values.between(0, 1).all()
    assert "mean reward" in result.stdout
    page = (project.data / "08_reporting" / "report.html").read_text()
    assert "mean reward" in page
    assert "pass@" not in page


def test_several_rewards_are_added_up_and_each_ones_mean_is_kept(project: Any) -> None:
    """In the rollouts, in the metrics of each round, in MLflow, and in figures."""
    add_reward(project, OF_SEVERAL)
    assert project.run(to_outputs=["learning_curve_images", "round_metrics", "comparison"]) == 0
    client = mlflow.MlflowClient(f"sqlite:///{project.path / 'mlflow.db'}")
    (experiment,) = [e for e in client.search_experiments() if e.name == "pmd_pipeline"]
    for run in client.search_runs([experiment.experiment_id]):
        if "algorithm" in run.data.tags:
            assert len(client.get_metric_history(run.info.run_id, "sampling/reward_brevity")) == 4
    drawn = {path.stem for path in (project.data / "08_reporting" / "figures").rglob("*.png")}
    assert {"reward_correct", "reward_brevity"} <= drawn
    rounds = pd.read_csv(project.data / "08_reporting" / "round_metrics.csv")
    total = rounds["reward_correct"] + 0.2 * rounds["reward_brevity"]
    assert total.to_numpy() == pytest.approx(rounds["mean_reward"].to_numpy(), abs=1e-12)
    folder = project.data / "07_model_output" / "pmd_mean" / "seed_0" / "phase_1" / "rollouts"
    rollouts = pd.read_parquet(next(folder.glob("*.parquet")))
    assert (
        rollouts["reward"] == rollouts["reward_correct"] + 0.2 * rollouts["reward_brevity"]
    ).all()
    comparison = pd.read_csv(project.data / "08_reporting" / "comparison.csv")
    assert "maj_at_k" in set(comparison["metric"])


def test_a_reward_that_fails_ends_the_run_before_it_begins(project: Any) -> None:
    """One message, and nothing is left that looks like a run."""
    add_reward(project, FAILING)
    result = project.command("run", "--env", "tiny")
    assert result.returncode == 1
    assert "TypeError" in result.stderr
    assert "brevity:make_reward" in result.stderr
    assert not (project.data / "06_models").exists()


def test_a_reward_that_fails_in_a_later_round_keeps_the_rounds_before_it(project: Any) -> None:
    """The message names problem and response; once mended, the same run goes on."""
    folder: Path = project.path / "rewards"
    folder.mkdir()
    (folder / "fragile.py").write_text(FRAGILE)
    tiny = project.path / "conf" / "tiny" / "parameters.yml"
    tiny.write_text(tiny.read_text() + FRAGILE_PARAMETERS)
    up_to_the_table = ("run", "--env", "tiny", "--to-outputs", "comparison")
    broken = project.command(*up_to_the_table)
    assert broken.returncode == 1
    assert re.search(
        r"rewards \(fragile:make_reward\): a response to problem 'train/", broken.stderr
    )
    assert "RuntimeError: the judge is away" in broken.stderr
    (kept,) = (project.data / "07_model_output").glob("*/seed_0/phase_1/rollouts/*.parquet")
    assert kept.name == "round_00001.parquet"
    before = kept.read_bytes()
    (project.path / "judge_is_back").touch()
    mended = project.command(*up_to_the_table, "--only-missing-outputs")
    assert mended.returncode == 0, mended.stderr[-3000:]
    assert kept.read_bytes() == before
    assert (project.data / "08_reporting" / "comparison.csv").is_file()
