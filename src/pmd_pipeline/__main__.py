"""Run the pipeline as ``python -m pmd_pipeline``, from the project's folder."""

from pathlib import Path

from kedro.framework.cli.cli import KedroCLI
from kedro.framework.startup import bootstrap_project


def main() -> None:
    """Do what ``kedro run`` does, with the same options."""
    import sys

    bootstrap_project(Path.cwd())
    KedroCLI(project_path=Path.cwd())(args=["run", *sys.argv[1:]])


if __name__ == "__main__":
    main()
