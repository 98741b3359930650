"""The best trial's parameters as an environment for ``kedro run``."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from kedro.framework.project import settings
from optuna import Study

from pmd_pipeline.config_loader import project_loader
from pmd_pipeline.studies.errors import StudyError
from pmd_pipeline.studies.findings import REPEAT_VALUES, best_trial
from pmd_pipeline.studies.parameters import trial_parameters
from pmd_pipeline.study_commands.base import metric_name, read_base
from pmd_pipeline.study_commands.project import StudyProject

_MARK = "# Written by kedro study export"


def export_best(project: StudyProject, study: Study) -> str:
    """Write ``conf/NAME_best`` and return what the console shows.

    The folder holds everything that differs from ``conf/base``, since Kedro reads one environment
    at a time.

    Raises:
        StudyError: If no trial has finished, or a folder of that name was not written by export.
    """
    best = best_trial(study)
    if best is None:
        raise StudyError(f"study {project.name!r} has no finished trial yet; nothing to export")
    name = f"{project.name}_best"
    conf = project.path / settings.CONF_SOURCE
    folder = conf / name
    _make_way(folder)
    _copy_environment(project, folder)
    base = project_loader(project.path, settings.CONFIG_LOADER_ARGS["base_env"])["parameters"]
    parameters = trial_parameters(project.parameters, project.config, best.params)
    value = float(best.user_attrs[REPEAT_VALUES][0])
    metric = metric_name(project)
    header = (
        f"{_MARK} {project.name}: trial {best.number}.\n"
        f"# `kedro run --env {name}` reaches {metric} {value:.6g} on the evaluation set "
        "`validation`;\n# the other evaluation sets took no part in choosing these parameters.\n"
    )
    text = yaml.safe_dump(_differences(base, parameters), sort_keys=False, allow_unicode=True)
    (folder / "parameters.yml").write_text(header + text, encoding="utf-8")
    lines = [f"Wrote {folder.relative_to(project.path)}; run it with: kedro run --env {name}"]
    if read_base(project)["num_overlaps"]:
        lines.append(
            "Note: the study dropped validation problems that are also in an evaluation set; that "
            "run evaluates them as well, so its value on `validation` may differ a little."
        )
    return "\n".join(lines)


def _make_way(folder: Path) -> None:
    if not folder.exists():
        return
    file = folder / "parameters.yml"
    if not file.is_file() or not file.read_text(encoding="utf-8").startswith(_MARK):
        raise StudyError(
            f"{folder} already exists and was not written by kedro study export; rename it"
        )
    shutil.rmtree(folder)


def _copy_environment(project: StudyProject, folder: Path) -> None:
    """Copy the environment's own catalog, globals and MLflow settings."""
    folder.mkdir(parents=True)
    if project.env is None:
        return
    for file in (folder.parent / project.env).glob("*.yml"):
        if not file.name.startswith(("parameters", "credentials")):
            shutil.copy(file, folder)


def _differences(base: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return what to lay over ``base`` to get ``wanted``; a section of another kind is whole."""
    if "kind" in wanted and wanted["kind"] != base.get("kind"):
        return dict(wanted)
    differences: dict[str, Any] = {}
    for key, value in wanted.items():
        former = base.get(key)
        if isinstance(value, Mapping) and isinstance(former, Mapping):
            inner = _differences(former, value)
            if inner:
                differences[key] = inner
        elif key not in base or former != value:
            differences[key] = value
    return differences
