"""The best trial's parameters as an environment for ``kedro run``."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from kedro.framework.project import settings
from optuna import Study

from pmd_pipeline.config_loader import project_loader
from pmd_pipeline.files import whole_folder
from pmd_pipeline.shell import kedro
from pmd_pipeline.studies.errors import StudyError
from pmd_pipeline.studies.findings import REPEAT_VALUES, best_trial
from pmd_pipeline.studies.parameters import trial_parameters
from pmd_pipeline.study_commands.base import metric_name, read_base
from pmd_pipeline.study_commands.environment import copy_environment, refuse_differences
from pmd_pipeline.study_commands.project import StudyProject

_MARK = "# Written by kedro study export"


def export_best(project: StudyProject, study: Study) -> str:
    """Write ``conf/NAME_best`` and return what the console shows.

    The folder holds everything that the study's environment lays over ``conf/base``, since Kedro
    reads one environment at a time, and a data folder of its own.

    Raises:
        StudyError: If no trial has finished, a folder of that name was not written by export, or
            the folder would not say the same as the study's environment.
    """
    best = best_trial(study)
    if best is None:
        raise StudyError(f"study {project.name!r} has no finished trial yet; nothing to export")
    name = f"{project.name}_best"
    folder = project.path / settings.CONF_SOURCE / name
    _refuse_foreign(folder)
    base = project_loader(project.path, settings.CONFIG_LOADER_ARGS["base_env"])
    parameters = trial_parameters(project.parameters, project.config, best.params)
    value = float(best.user_attrs[REPEAT_VALUES][0])
    metric = metric_name(project)
    header = (
        f"{_MARK} {project.name}: trial {best.number}.\n"
        f"# `kedro run --env {name}` reaches {metric} {value:.6g} on the evaluation set "
        f"`validation` with\n# training seed {project.training_seeds[0]} "
        "(08_reporting/comparison_by_seed.csv); the other evaluation sets took no part in\n"
        "# choosing these parameters.\n"
    )
    differences = _differences(base["parameters"], parameters)
    text = yaml.safe_dump(differences, sort_keys=False, allow_unicode=True)
    # An environment copied by an earlier export is not read while the new one is written.
    with whole_folder(folder) as partial:
        data_root = copy_environment(project, partial, name=name)
        (partial / "parameters.yml").write_text(header + text, encoding="utf-8")
    try:
        refuse_differences(project, name=name, parameters=parameters)
    except Exception:
        shutil.rmtree(folder)
        raise
    lines = [
        f"Wrote {folder.relative_to(project.path)}; run it with: {kedro('run', name)}",
        f"Its results will be in {data_root}.",
    ]
    if read_base(project)["num_overlaps"]:
        lines.append(
            "Note: the study dropped validation problems that are also in an evaluation set; that "
            "run evaluates them as well, so its value on `validation` may differ a little."
        )
    return "\n".join(lines)


def _refuse_foreign(folder: Path) -> None:
    if not folder.exists():
        return
    file = folder / "parameters.yml"
    if not file.is_file() or not file.read_text(encoding="utf-8").startswith(_MARK):
        raise StudyError(
            f"{folder} already exists and was not written by kedro study export; rename it"
        )


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
