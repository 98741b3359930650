"""An environment made from a study's own: all of it but the parameters, which the trial decides."""

import json
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fsspec.utils import glob_translate
from kedro.config import MissingConfigException, OmegaConfigLoader
from omegaconf import OmegaConf

from pmd_pipeline.config_loader import project_loader
from pmd_pipeline.flat_parameters import changed_parameters, flatten
from pmd_pipeline.studies.errors import StudyError
from pmd_pipeline.study_commands.project import StudyProject

_GLOBALS = "globals.yml"


def copy_environment(project: StudyProject, folder: Path, *, name: str) -> str:
    """Copy the study's environment without parameters and credentials; return its data folder.

    Its results get a folder of their own within those of the study's environment, if that has any,
    else within the base's.

    Args:
        project: The study.
        folder: Where to, empty.
        name: Of the environment that it becomes.

    Raises:
        StudyError: If a file cannot be copied for what it holds.
    """
    loader = project_loader(project.path, project.env)
    env = project.env or loader.default_run_env
    source = Path(loader.conf_source) / env
    files = [] if env == loader.base_env else [file for file in source.rglob("*") if file.is_file()]
    for file in files:
        relative = file.relative_to(source)
        kinds = _kinds(relative, loader.config_patterns)
        _refuse_secrets(file, kinds, loader)
        if "parameters" in kinds and kinds != {"parameters"}:
            raise StudyError(
                f"{file} is read as {' and as '.join(sorted(kinds))}; give each a file of its own"
            )
        if kinds.isdisjoint({"parameters", "credentials"}):
            (folder / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, folder / relative)
    own = folder / _GLOBALS
    given = OmegaConf.load(own) if own.is_file() else OmegaConf.create()
    base = project_loader(project.path, loader.base_env)
    among = loader["globals"] if "data_root" in given else base["globals"]
    data_root = f"{among['data_root']}/{name}"
    OmegaConf.save(OmegaConf.merge(given, {"data_root": data_root}), own)
    return data_root


def refuse_differences(project: StudyProject, *, name: str, parameters: Mapping[str, Any]) -> None:
    """Refuse an environment that says anything else than the study's own.

    Args:
        project: The study.
        name: Of the environment.
        parameters: What it has to say instead of the study's parameters.

    Raises:
        StudyError: With each value that differs.
    """
    expected = project_loader(project.path, project.env)
    # Credentials are the same for every environment, and must not be shown.
    kinds = expected.config_patterns.keys() - {"credentials"}
    wanted = {kind: _read(expected, kind) for kind in kinds} | {"parameters": dict(parameters)}
    # Made last: the loader made last resolves ${globals:...} for all.
    loader = project_loader(project.path, name)
    loader["globals"] = {**loader["globals"], "data_root": wanted["globals"]["data_root"]}
    found = {kind: _read(loader, kind) for kind in wanted}
    found["parameters"].pop("studies", None)
    changes = changed_parameters(json.loads(json.dumps(flatten(wanted))), flatten(found))
    if changes:
        raise StudyError(
            f"conf/{name} would differ from what the study's trials were made with:\n  "
            + "\n  ".join(changes)
            + "\nNothing was exported; write these as plain values in the study's environment"
        )


def _kinds(relative: Path, patterns: Mapping[str, Iterable[str]]) -> set[str]:
    return {
        kind
        for kind, globs in patterns.items()
        if any(re.match(glob_translate(glob), relative.as_posix()) for glob in globs)
    }


def _refuse_secrets(file: Path, kinds: set[str], loader: OmegaConfigLoader) -> None:
    is_local = file.is_relative_to(Path(loader.conf_source, loader.default_run_env))
    if "credentials" in kinds and not is_local:
        raise StudyError(
            f"{file} holds credentials, which are not copied; move them to "
            f"conf/{loader.default_run_env}/credentials.yml, where they hold for every environment"
        )


def _read(loader: OmegaConfigLoader, kind: str) -> dict[str, Any]:
    try:
        return dict(loader[kind])
    except MissingConfigException:
        return {}
