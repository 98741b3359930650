"""A study from its first trial to its report, on SQLite; accidents included."""

import json
import logging
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from forks import run_forked, wait
from study_helpers import (
    begin_worker,
    make_study_project,
    merged,
    query,
    run_to_end,
    write_small,
)

pytestmark = pytest.mark.slow

# It can add a little, so that trials differ.
LEARNING = {
    "data_preparation": {
        "train": {"num_problems": 64, "widths": [1, 2]},
        "evals": {"addition": {"widths": [3]}},
    },
    "policy_initialisation": {
        "policy": {
            "hidden_size": 64,
            "num_heads": 4,
            "feed_forward_size": 128,
            "warm_start": {"num_steps": 200},
        }
    },
    "training": {
        "sampling": {"max_new_tokens": 40},
        "optimizer": {"learning_rate": 4e-4},
    },
    "evaluation": {"sampling": {"max_new_tokens": 40}},
    "studies": {
        "small": {
            "budget": {"rollouts": 128},
            "validation": {"num_problems": 24, "widths": [1, 2]},
        }
    },
}
FAST_HEARTBEAT = {"storage": {"heartbeat_seconds": 1, "grace_seconds": 3}}


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose study of four trials is done; do not change it."""
    path = make_study_project(tmp_path_factory.mktemp("studied") / "project", **LEARNING)
    run_to_end(path)
    return path


def _folder(path: Path) -> Path:
    return path / "data" / "small" / "studies" / "small"


def _trials(path: Path) -> pd.DataFrame:
    return pd.read_csv(_folder(path) / "report" / "study_trials.csv")


def _states(path: Path) -> list[str]:
    rows = query(_folder(path) / "study.db", "select state from trials order by number")
    return [state for (state,) in rows]


def _mlflow_runs(path: Path) -> dict[str, tuple[str, str]]:
    """Return status and error by the run's name."""
    rows = query(
        path / "mlflow.db",
        "select r.name, r.status, coalesce(t.value, '') from runs r left join tags t "
        "on t.run_uuid = r.run_uuid and t.key = 'error'",
    )
    return {name: (status, error) for name, status, error in rows}


def test_the_trials_table_has_parameters_values_and_intervals(studied: Path) -> None:
    trials = _trials(studied)
    assert list(trials["state"]) == ["finished"] * 4
    assert trials["value"].between(0.01, 1).all()
    assert len(set(trials["value"])) > 1
    assert (trials["ci_low"] <= trials["value"]).all()
    assert (trials["training_seconds"] > 0).all()
    # The first has the experiment's own values.
    assert (trials["algorithm.tau"][0], trials["training.group_size"][0]) == (0.5, 4)


def test_problems_initial_policy_and_rollouts_are_made_once(studied: Path) -> None:
    manifests = list(_folder(studied).rglob("06_models/initial"))
    assert manifests == [_folder(studied) / "base" / "06_models" / "initial"]
    assert len(list(_folder(studied).rglob("initial_rollouts.parquet"))) == 2  # folder and version
    # And nothing of the project's own run.
    assert not (studied / "data" / "small" / "run_state.json").exists()


def test_trials_are_judged_by_problems_that_no_report_uses(studied: Path) -> None:
    base = _folder(studied) / "base" / "03_primary"
    validation = pd.read_parquet(base / "validation_problems.parquet")
    problems = pd.read_parquet(next(base.glob("eval_problems.parquet/*/eval_problems.parquet")))
    reported = problems[problems["source"] == "addition"]
    train = pd.read_parquet(next(base.glob("train_problems.parquet/*/train_problems.parquet")))
    assert len(validation) == 24
    assert not set(validation["problem"]) & set(reported["problem"])
    assert not set(validation["problem"]) & set(train["problem"])
    evaluated = [
        pd.read_parquet(file)
        for file in _folder(studied).glob("trials/**/eval_completions.parquet")
    ]
    assert len(evaluated) == 8
    assert set(pd.concat(evaluated)["problem_id"]) == set(validation["problem_id"])


def test_every_trial_spends_the_same_rollouts(studied: Path) -> None:
    for trial in (_folder(studied) / "trials").iterdir():
        rollouts = [pd.read_parquet(file) for file in trial.glob("**/rollouts/*.parquet")]
        assert sum(map(len, rollouts)) == 128


def test_only_the_best_trials_weights_are_kept(studied: Path) -> None:
    kept = [path.parts[-3] for path in _folder(studied).glob("trials/*/repeat_0/06_models")]
    trials = _trials(studied)
    assert kept == [f"{trials['trial'][trials['value'].idxmax()]:05d}"]


def test_mlflow_has_a_run_per_trial_below_the_studys(studied: Path) -> None:
    runs = _mlflow_runs(studied)
    assert runs == {
        "study small": ("FINISHED", ""),
        **{f"trial {number}": ("FINISHED", "") for number in range(4)},
    }
    database = studied / "mlflow.db"
    (parents,) = query(
        database,
        "select count(distinct t.value) from tags t join runs r on r.run_uuid = t.value "
        "where t.key = 'mlflow.parentRunId' and r.name = 'study small'",
    )
    assert parents == (1,)
    searched = dict(
        query(
            database,
            "select r.name, p.value from params p join runs r on r.run_uuid = p.run_uuid "
            "where p.key = 'search.algorithm.tau'",
        )
    )
    assert float(searched["trial 0"]) == 0.5
    phases = query(
        database,
        "select m.step from metrics m join runs r on r.run_uuid = m.run_uuid "
        "where r.name = 'trial 1' and m.key = 'validation/avg_at_2' order by m.step",
    )
    assert phases == [(1,), (2,)]
    best = query(database, "select value from tags where key = 'best.trial'")
    assert best == [(str(_trials(studied)["value"].idxmax()),)]


def test_the_report_says_what_was_found(studied: Path) -> None:
    report = _folder(studied) / "report"
    page = (report / "study.html").read_text()
    best = _trials(studied)["value"].max()
    assert f": avg@2 {best:.3f} on 24 validation problems" in page
    assert "95 % interval over problems" in page
    figures = {file.stem for file in (report / "figures").iterdir()}
    assert figures == {
        "history",
        "learning_curves",
        "contour",
        "slices",
        "parallel",
        "importances",
        "pareto",
    }
    artifacts = {file.name for file in (studied / "mlruns").rglob("artifacts/**/*")}
    assert {"study.html", "study_trials.csv"} <= artifacts


def test_the_exported_environment_reaches_the_same_value(studied: Path) -> None:
    """Exactly: the same seed gives the same policy and the same answers."""
    assert run_forked(lambda: _export_and_run(studied)) == 0
    comparison = pd.read_parquet(
        studied
        / "data"
        / "small_best"
        / "07_model_output"
        / "pmd_mean"
        / "seed_0"
        / "comparison.parquet"
    )
    final = comparison.query("eval_set == 'validation' and metric == 'avg_at_k' and round == 2")
    summary = json.loads((_folder(studied) / "report" / "study_summary.json").read_text())
    assert final["value"].tolist() == [summary["optimum"]["value"]]
    assert set(comparison["eval_set"]) == {"addition", "validation"}


def _export_and_run(path: Path) -> None:
    os.chdir(path)
    from click.testing import CliRunner
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project

    bootstrap_project(path)
    from pmd_pipeline.cli import cli

    result = CliRunner().invoke(cli, ["study", "export", "small", "--env", "small"])
    assert result.exit_code == 0, result.output
    with KedroSession.create(path, env="small_best") as session:
        # All of the default pipeline that decides the value.
        session.run(
            pipeline_names=[
                "data_preparation",
                "policy_initialisation",
                "rollout_generation",
                "training",
                "evaluation",
            ]
        )


def test_a_study_that_is_done_is_continued_by_asking_for_more(tmp_path: Path) -> None:
    path = make_study_project(tmp_path / "project")
    run_to_end(path, num_trials=2)
    first = _trials(path)
    run_to_end(path, num_trials=3)
    pd.testing.assert_frame_equal(_trials(path)[:2], first)
    # One run of the study, and one per trial, whatever the number of continuations.
    assert len(_mlflow_runs(path)) == 4


def _at_trial(number: int, action: Callable[[], None]) -> Callable[[], None]:
    """Return an accident: ``action`` when trial ``number`` is about to train."""

    def arrange() -> None:
        from pmd_pipeline.study_commands.session import StudySession

        begin = StudySession.begin

        def changed(path: Path, *, data_root: Path, **options: Any) -> StudySession:
            if data_root.parent.name == f"{number:05d}":
                action()
            return begin(path, data_root=data_root, **options)

        StudySession.begin = changed  # type: ignore[method-assign, assignment]

    return arrange


def _fail() -> None:
    raise FloatingPointError("the loss is nan")


def test_failed_and_pruned_trials_are_told_apart(tmp_path: Path) -> None:
    path = make_study_project(tmp_path / "project")

    def accidents() -> None:
        import optuna

        _at_trial(1, _fail)()
        optuna.Trial.should_prune = lambda self: self.number == 2  # type: ignore[method-assign]

    run_to_end(path, num_trials=3, before=accidents)
    assert _states(path) == ["COMPLETE", "FAIL", "PRUNED"]
    runs = _mlflow_runs(path)
    assert runs["trial 1"] == ("FAILED", "FloatingPointError: the loss is nan")
    assert runs["trial 2"] == ("KILLED", "pruned")
    assert runs["trial 0"] == ("FINISHED", "")
    # It ended after its first phase's evaluation, before any more training.
    assert len(list((_folder(path) / "trials" / "00002").rglob("rollouts/*.parquet"))) == 1
    assert list(_trials(path)["error"].fillna("")) == [
        "",
        "FloatingPointError: the loss is nan",
        "",
    ]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_study_goes_on_after_its_process_was(how: signal.Signals, tmp_path: Path) -> None:
    """Killed or interrupted during trial 1, which is done again with the same parameters."""
    path = make_study_project(tmp_path / "project", studies={"small": FAST_HEARTBEAT})
    marker = tmp_path / "running"

    def hang() -> None:
        marker.touch()
        time.sleep(100)

    child = begin_worker(path, num_trials=2, before=_at_trial(1, hang))
    while not marker.exists():
        assert os.waitpid(child, os.WNOHANG) == (0, 0)
        time.sleep(0.05)
    os.kill(child, how)
    assert wait(child) == (-9 if how == signal.SIGKILL else 130)

    run_to_end(path, num_trials=2)
    assert _states(path) == ["COMPLETE", "FAIL", "COMPLETE"]
    trials = _trials(path)
    searched = ["algorithm.tau", "training.group_size"]
    assert trials.loc[1, searched].tolist() == trials.loc[2, searched].tolist()
    runs = _mlflow_runs(path)
    if how == signal.SIGKILL:
        assert runs["trial 1"] == ("FAILED", "its worker died")
    else:
        assert runs["trial 1"] == ("KILLED", "interrupted")
    assert runs["trial 2"] == ("FINISHED", "")


def test_a_study_is_not_mixed_with_other_parameters(studied: Path, tmp_path: Path) -> None:
    path = tmp_path / "project"
    shutil.copytree(studied, path)
    write_small(path, **merged(LEARNING, {"evaluation": {"num_samples": 3}}))
    child = begin_worker(path)
    assert wait(child) == 1
    log = (path / f"worker_{child}.log").read_text()
    assert (
        "study 'small' was started with other parameters:\n  evaluation.num_samples: 2 -> 3" in log
    )
    summary = json.loads((_folder(path) / "report" / "study_summary.json").read_text())
    assert summary["counts"] == {"finished": 4}


def test_a_worker_that_was_asleep_leaves_the_trials_run_as_the_other_ended_it(
    tmp_path: Path,
) -> None:
    path = make_study_project(tmp_path / "project")

    def be_taken_for_dead() -> None:
        from optuna.trial import TrialState

        from pmd_pipeline.studies.tracking import StudyRuns
        from pmd_pipeline.study_commands.session import StudySession

        begin = StudySession.begin
        runs: list[StudyRuns] = []
        make = StudyRuns.begin_trial

        def remember(self: StudyRuns, trial: Any, *arguments: Any) -> str:
            runs.append(self)
            return make(self, trial, *arguments)

        def begin_late(*arguments: Any, data_root: Path, **options: Any) -> StudySession:
            if data_root.parent.name == "00000":
                study = runs[0]._study
                study.tell(0, state=TrialState.FAIL)
                runs[0].end_dead(study.trials[0])
            return begin(*arguments, data_root=data_root, **options)

        StudyRuns.begin_trial = remember  # type: ignore[method-assign]
        StudySession.begin = begin_late  # type: ignore[method-assign, assignment]

    run_to_end(path, num_trials=2, before=be_taken_for_dead)
    assert _states(path) == ["FAIL", "COMPLETE"]
    assert _mlflow_runs(path)["trial 0"] == ("FAILED", "its worker died")
    assert _mlflow_runs(path)["trial 1"] == ("FINISHED", "")


def test_a_grid_that_is_asked_for_more_trials_than_it_has_points_says_so_and_stops(
    tmp_path: Path,
) -> None:
    grid = {
        "sampler": {"kind": "grid"},
        "search_space": {"training.group_size": {"kind": "choice", "choices": [2, 4]}},
    }
    path = make_study_project(tmp_path / "project", studies={"small": grid})

    def only_count() -> None:
        from pmd_pipeline.study_commands import service

        logging.getLogger("pmd_pipeline").addHandler(logging.FileHandler(path / "log"))
        service.make_base = lambda _: {}
        service.TrialRunner = lambda **_: (
            lambda trial: trial.suggest_categorical("training.group_size", [2, 4])
        )

    run_to_end(path, num_trials=3, reports=False, before=only_count)
    assert _states(path) == ["COMPLETE"] * 2
    told = "The grid of study small has 2 points: it stops after 2 trials, not 3."
    assert told in (path / "log").read_text()
