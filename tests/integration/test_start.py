"""Commands answer before they have imported what takes seconds and they do not need."""

import os
import subprocess
import sys

from projects import Project

# kedro-datasets imports SQLAlchemy with its pandas datasets.
TABLES = {"pandas", "pandera", "pyarrow", "sqlalchemy"}

# What takes a third of a second or more to import.
HEAVY = (
    "datasets",
    "matplotlib",
    "mlflow",
    "optuna",
    "pandas",
    "pandera",
    "plotly.graph_objs",
    "ray",
    "pyarrow",
    "scipy",
    "sklearn",
    "sqlalchemy",
    "sympy",
    "torch",
    "transformers",
)

# Does things one after another in a process that has imported nothing, and prints after each which
# of the modules it has by then.
PROGRAM = f"""
import sys
from pathlib import Path

from kedro.framework.cli import main


def do(command):
    if command == "viz":  # what the process that answers loads before it does
        from kedro_viz.integrations.kedro.data_loader import load_data

        catalog, pipelines, _ = load_data(Path.cwd(), package_name="pmd_pipeline")
        for name in pipelines["__default__"].datasets():
            catalog.get(name)
        return
    sys.argv = ["kedro", *command.split()]
    try:
        main()
    except SystemExit:
        pass


for command in sys.argv[1:]:
    do(command)
    print("IMPORTED", *(name for name in {HEAVY} if name in sys.modules), flush=True)
"""


def imported(project: Project, *commands: str) -> tuple[list[set[str]], str]:
    """Return what a process has imported after each of the commands, and all that they printed."""
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, *commands],
        cwd=project.path,
        env={**os.environ, "KEDRO_ENV": project.env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
    )
    assert result.returncode == 0, result.stdout[-3000:]
    lines = [line.split() for line in result.stdout.splitlines() if line.startswith("IMPORTED")]
    return [set(names) for _, *names in lines], result.stdout


def test_help_and_a_wrong_parameter_import_nothing_heavy(unused: Project) -> None:
    commands = ["--help", "study --help", "verify --help", "run --params training.tua=1"]
    names, printed = imported(unused, *commands)
    assert names == [set()] * len(commands)
    assert "Use mlflow-specific commands inside kedro project." in printed
    assert "training.tua: unknown parameter" in printed


def test_the_preflight_of_the_embedded_default_imports_tables_alone(unused: Project) -> None:
    (names,), printed = imported(unused, "preflight")
    assert names <= TABLES
    assert "Ready to run." in printed


def test_kedro_viz_imports_tables_alone(unused: Project) -> None:
    (names,), _ = imported(unused, "viz")
    assert names <= TABLES


def test_the_commands_of_kedro_mlflow_are_found_when_one_is_called(unused: Project) -> None:
    assert "ui" in unused.command("mlflow", "--help").stdout
    found = unused.command("mlflow", "ui", "--help")
    assert found.returncode == 0
    assert "--port" in found.stdout


def test_a_run_without_ray_imports_none_of_it(finished: Project) -> None:
    """The fixture's run could not import it, and would have failed."""
    assert finished.comparison
