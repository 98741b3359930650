"""Run the pipeline as ``python -m pmd_pipeline``: in the project, or by its wheel anywhere else."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what ``kedro`` does with the same arguments; with options only, ``kedro run``.

    Outside a project, the working directory takes its place and has the configuration, unless
    ``--conf-source`` names it. Commands are then the project's own: those of Kedro and its plugins
    need a project.

    Args:
        arguments: Of the command line; None: those of this process.
    """
    from pmd_pipeline.startup import prepare

    prepare()
    # Of the processes that torchrun starts, only the driver gets here.
    _log_as_in_the_project()
    from kedro.framework.cli.cli import KedroCLI
    from kedro.framework.project import configure_project
    from kedro.utils import is_kedro_project

    from pmd_pipeline.project_folder import project_folder

    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or (given[0].startswith("-") and given[0] not in ("-h", "--help")):
        given = ["run", *given]
    project = project_folder()
    if is_kedro_project(project):
        KedroCLI(project_path=project)(args=given)
        return
    configure_project("pmd_pipeline")
    from pmd_pipeline.cli import cli

    cli(args=given, prog_name="python -m pmd_pipeline")


def _log_as_in_the_project() -> None:
    """Where Kedro finds no ``conf/logging.yml``, which it reads once imported, give it ours.

    That of ``--conf-source`` it does not look at, and its own has several lines per dataset.
    """
    if not any(Path("conf", name).is_file() for name in ("logging.yml", "logging.yaml")):
        ours = Path(__file__).with_name("logging.yml")
        os.environ.setdefault("KEDRO_LOGGING_CONFIG", str(ours))


if __name__ == "__main__":
    main()
