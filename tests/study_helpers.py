"""What the tests of studies build: configurations, studies in memory, projects, workers."""

import atexit
import copy
import functools
import os
import shutil
import sqlite3
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import optuna
import yaml
from forks import begin_forked, empty_tracking_store, redirect, wait
from helpers import PROJECT
from kedro.config import OmegaConfigLoader
from optuna.trial import Trial

from pmd_pipeline.config.experiment import ExperimentConfig, parse_parameters
from pmd_pipeline.config.study import StudyConfig

STUDY: dict[str, Any] = {
    "algorithms": ["pmd_mean"],
    "search_space": {
        "algorithm.tau": {"kind": "float", "low": 0.02, "high": 2.0, "log": True},
        "training.group_size": {"kind": "choice", "choices": [4, 8, 16, 32]},
    },
    "validation": {"kind": "generated_addition", "num_problems": 24, "widths": [2, 3, 3]},
    "budget": {"rollouts": 6144},
    "num_trials": 12,
    "sampler": {"kind": "tpe", "seed": 0, "num_startup_trials": 5},
}

# Two phases of a round; a policy that adds a little, so that values differ between trials.
SMALL: dict[str, Any] = {
    "data_preparation": {
        "train": {"num_problems": 32},
        "evals": {"addition": {"num_problems": 8}},
    },
    "policy_initialisation": {
        "policy": {
            "hidden_size": 32,
            "num_heads": 2,
            "feed_forward_size": 64,
            "warm_start": {"num_steps": 25},
        }
    },
    "rollout_generation": {"num_samples": 2, "min_mean_reward": None, "max_mean_reward": None},
    "training": {
        "seeds": [0],
        "num_phases": 2,
        "rounds_per_phase": 1,
        "prompts_per_round": 16,
        "group_size": 4,
        "num_mini_batches": 2,
        "sampling": {"max_new_tokens": 24},
        "optimizer": {"learning_rate": 2e-3, "num_warmup_updates": 0},
    },
    "evaluation": {
        "num_samples": 2,
        "sampling": {"max_new_tokens": 24},
    },
    "studies": {
        "small": {
            "algorithms": ["pmd_mean"],
            "search_space": {
                "algorithm.tau": {"kind": "float", "low": 0.02, "high": 2.0, "log": True},
                "training.group_size": {"kind": "choice", "choices": [2, 4, 8]},
            },
            "validation": {"kind": "generated_addition", "num_problems": 12, "widths": [2, 3]},
            "budget": {"rollouts": 64},
            "num_trials": 4,
            "pruner": {"kind": "none"},
        }
    },
}


def base_parameters() -> dict[str, Any]:
    """Return the parameters of ``conf/base``, without studies."""
    return copy.deepcopy(_base_parameters())


@functools.cache
def _base_parameters() -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Kedro's own, on omegaconf
        loader = OmegaConfigLoader(
            str(PROJECT / "conf"), base_env="base", default_run_env="base", env="base"
        )
        parameters = dict(loader["parameters"])
    parameters.pop("studies", None)
    return parameters


def make_study(**fields: Any) -> StudyConfig:
    """Return a study's configuration."""
    return StudyConfig.model_validate(merged(STUDY, fields))


def make_experiment(**sections: Any) -> tuple[dict[str, Any], ExperimentConfig]:
    """Return the base's parameters with changes, as plain values and validated."""
    parameters = merged(base_parameters(), sections)
    return parameters, parse_parameters(parameters)


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with changes laid over it, key by key; a list replaces a list."""
    result = dict(copy.deepcopy(dict(base)))
    for key, value in changes.items():
        former = result.get(key)
        if isinstance(former, dict) and isinstance(value, Mapping) and key != "search_space":
            result[key] = merged(former, value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def memory_study(
    objective: Callable[[Trial], float] | None = None, num_trials: int = 0, **options: Any
) -> optuna.Study:
    """Return a study in memory, after some random trials."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    options.setdefault("sampler", optuna.samplers.RandomSampler(seed=0))
    study = optuna.create_study(direction="maximize", **options)
    if objective is not None:
        study.optimize(objective, n_trials=num_trials)
    return study


class Silent:
    """An observer that remembers how often it was told."""

    def __init__(self) -> None:
        self.num_updates = 0

    def update(self, trials: object) -> None:
        self.num_updates += 1


def make_study_project(path: Path, *, with_base: bool = True, **changes: Any) -> Path:
    """Return a project whose environment ``small`` has the study ``small``.

    Where the changes leave every trial as it is, what trials share is there already, made once for
    all such projects; ``with_base=False`` leaves it out.
    """
    _make_bare_project(path, **changes)
    of_study = changes.get("studies", {}).get("small", {})
    if with_base and set(changes) <= {"studies"} and set(of_study) <= {"storage", "num_trials"}:
        shutil.copytree(_shared_base(), path / "data" / "small" / "studies" / "small" / "base")
    return path


def _make_bare_project(path: Path, **changes: Any) -> None:
    shutil.copytree(PROJECT / "conf", path / "conf")
    shutil.copy(PROJECT / "pyproject.toml", path)
    (path / "src").mkdir()
    (path / "conf" / "small").mkdir()
    shutil.copy(empty_tracking_store(), path / "mlflow.db")
    write_small(path, **changes)


@functools.cache
def _shared_base() -> Path:
    """Return the base of the study ``small`` as it stands in ``SMALL``."""
    path = Path(tempfile.mkdtemp(prefix="study-base-")) / "project"
    atexit.register(shutil.rmtree, path.parent, ignore_errors=True)
    _make_bare_project(path)

    def run_no_trial() -> None:
        from pmd_pipeline.study_commands import service

        service.run_trials = lambda *_, **__: None

    run_to_end(path, joins=False, reports=False, before=run_no_trial)
    return path / "data" / "small" / "studies" / "small" / "base"


def write_small(path: Path, **changes: Any) -> None:
    """Write the environment ``small`` of a project, with changes."""
    text = yaml.safe_dump(merged(SMALL, changes), sort_keys=False)
    (path / "conf" / "small" / "parameters.yml").write_text(text)


def begin_worker(
    path: Path,
    *,
    joins: bool = False,
    num_trials: int | None = None,
    reports: bool = True,
    before: Callable[[], None] = lambda: None,
) -> int:
    """Run the study ``small`` in a forked child and return its process id.

    Args:
        path: The project.
        joins: As ``kedro study worker`` does.
        num_trials: As ``--trials``.
        reports: False leaves out the report.
        before: Called in the child first, to arrange an accident.
    """

    def work() -> None:
        redirect("stderr", path / f"worker_{os.getpid()}.log")
        os.chdir(path)
        before()
        from kedro.framework.startup import bootstrap_project

        from pmd_pipeline.study_commands.project import read_project
        from pmd_pipeline.study_commands.report import report_study
        from pmd_pipeline.study_commands.service import run_study

        bootstrap_project(path)
        project = read_project("small", path=path, env="small")
        study = run_study(project, num_trials=num_trials, timeout_minutes=None, joins=joins)
        if reports and not joins:
            report_study(project, study)

    return begin_forked(work)


def await_trials(path: Path, child: int) -> None:
    """Wait until a worker has begun the study's first trial; fail with its log if it ends."""
    while not (path / "data" / "small" / "studies" / "small" / "trials").is_dir():
        if os.waitpid(child, os.WNOHANG) != (0, 0):
            raise AssertionError((path / f"worker_{child}.log").read_text()[-3000:])
        time.sleep(0.05)


def run_to_end(path: Path, **options: Any) -> None:
    """Run the study ``small``, or fail with its log."""
    child = begin_worker(path, **options)
    status = wait(child)
    assert status == 0, (path / f"worker_{child}.log").read_text()[-3000:]


def query(database: Path, sql: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query on a SQLite file."""
    with sqlite3.connect(database) as connection:
        return connection.execute(sql).fetchall()
