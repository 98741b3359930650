"""Run the pipeline as ``python -m pmd_pipeline``, from the project's folder."""

import sys
from pathlib import Path


def main() -> None:
    """Do what ``kedro`` does with the same arguments; with options only, ``kedro run``."""
    from pmd_pipeline.startup import prepare

    prepare()
    # Of the processes that torchrun starts, only the driver gets here.
    from kedro.framework.cli.cli import KedroCLI
    from kedro.framework.startup import bootstrap_project

    arguments = sys.argv[1:]
    if not arguments or arguments[0].startswith("-"):
        arguments = ["run", *arguments]
    bootstrap_project(Path.cwd())
    KedroCLI(project_path=Path.cwd())(args=arguments)


if __name__ == "__main__":
    main()
