"""What all trials of a study share and is made once: problems, initial policy and its rollouts."""

import json
import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pandas as pd

from pmd_pipeline.config.study import VALIDATION_SET
from pmd_pipeline.files import locked, write_json
from pmd_pipeline.hooks.lifecycle import LifecycleHook
from pmd_pipeline.metrics.comparison import headline_metric
from pmd_pipeline.problems.text import duplicate_key
from pmd_pipeline.reporting import formatting
from pmd_pipeline.studies.definition import refuse_changes
from pmd_pipeline.studies.errors import StudyError
from pmd_pipeline.studies.search_space import widest_trial
from pmd_pipeline.study_commands.project import StudyProject
from pmd_pipeline.study_commands.session import VALIDATION_FILE, StudySession

_MANIFEST = "base.json"


def study_lock(project: StudyProject) -> AbstractContextManager[None]:
    """Lock the study's folder against other workers; the system frees it when the process dies."""
    return locked(project.folder / ".lock")


def make_base(project: StudyProject) -> dict[str, Any]:
    """Make what trials share unless it exists, and return facts about it.

    Call it while holding :func:`study_lock`.

    Returns:
        ``num_validation_problems``, ``num_overlaps`` (dropped: also in an evaluation set) and
        ``metric``: what policies are compared by; ``initial_value``: of the initial policy on the
        validation problems.

    Raises:
        StudyError: If it was made with other parameters, or no validation problem is left.
    """
    manifest = project.base_folder / _MANIFEST
    if manifest.is_file():
        recorded: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
        refuse_changes(project.name, recorded.pop("definition"), project.definition)
        return recorded
    shutil.rmtree(project.base_folder, ignore_errors=True)
    parameters = base_parameters(project)
    hooks = [LifecycleHook(more_runs_follow=True)]
    with StudySession.begin(
        project.path,
        env=project.env,
        parameters=parameters,
        data_root=project.base_folder,
        hooks=hooks,
    ) as session:
        session.run(
            pipeline_names=["data_preparation", "policy_initialisation", "rollout_generation"]
        )
    known = _separate_validation(project)
    with StudySession.begin(
        project.path,
        env=project.env,
        parameters=parameters,
        data_root=project.base_folder,
        shared_root=project.base_folder,
        hooks=hooks,
    ) as session:
        session.run(
            pipeline_names=["evaluation"],
            node_names=["initial.evaluate", "initial.compute_metrics"],
        )
    metrics = pd.read_parquet(
        project.base_folder / "07_model_output" / "initial" / "eval_metrics.parquet"
    )
    metric = headline_metric(metrics)
    known["metric"] = metric
    known["initial_value"] = float(metrics.loc[metrics["metric"] == metric, "value"].iloc[0])
    write_json(manifest, {**known, "definition": project.definition})
    return known


def metric_name(project: StudyProject) -> str:
    """Return the name of what trials are compared by; ``value`` before the study's first run."""
    try:
        metric = read_base(project)["metric"]
    except StudyError:
        return "value"
    return formatting.metric_name(metric, project.experiment.evaluation.num_samples)


def read_base(project: StudyProject) -> dict[str, Any]:
    """Return what :func:`make_base` found.

    Raises:
        StudyError: If it has not been made here.
    """
    manifest = project.base_folder / _MANIFEST
    if not manifest.is_file():
        raise StudyError(
            f"{manifest} does not exist: the study has not been run on this machine; run it, or "
            "one of its workers, here first"
        )
    known: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
    return known


def base_parameters(project: StudyProject) -> dict[str, Any]:
    """Return the parameters that what trials share is made with.

    They are those of the trial that needs the most problems, so that too few of them are noticed
    before any trial runs. In what is shared no trial differs from another.
    """
    return widest_trial(project.config, project.experiment, project.parameters)


def _separate_validation(project: StudyProject) -> dict[str, Any]:
    """Write the validation problems that are in no reported evaluation set."""
    problems = pd.read_parquet(
        _latest(project.base_folder / "03_primary" / "eval_problems.parquet")
    )
    is_validation = problems["source"] == VALIDATION_SET
    keys = problems["problem"].map(duplicate_key)
    reported = set(keys[~is_validation])
    kept = problems[is_validation & ~keys.isin(reported)].reset_index(drop=True)
    num_overlaps = int(is_validation.sum()) - len(kept)
    if kept.empty:
        raise StudyError(
            f"studies.{project.name}.validation: all {num_overlaps} problems are also in a "
            "reported evaluation set, which may not decide between trials; choose another source"
        )
    path = project.base_folder / VALIDATION_FILE
    kept.to_parquet(path)
    return {"num_validation_problems": len(kept), "num_overlaps": num_overlaps}


def _latest(versioned: Path) -> Path:
    newest = max(path.name for path in versioned.iterdir())
    return versioned / newest / versioned.name
