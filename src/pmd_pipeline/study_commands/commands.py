"""The command group ``kedro study``."""

import importlib
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.utils import _split_params

from pmd_pipeline.command_groups import ProjectCommand, command_group
from pmd_pipeline.interrupts import stop_at_sigterm_as_at_ctrl_c

_name = click.argument("name")
_env = click.option("--env", "-e", envvar="KEDRO_ENV", help="Kedro environment: a folder in conf.")
_params = click.option(
    "--params", default="", callback=_split_params, help="Parameters, as for kedro run."
)
_trials = click.option(
    "--trials",
    type=click.IntRange(min=1),
    help="Stop once this many trials have finished, counting those of all workers.",
)
_timeout = click.option(
    "--timeout-minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Start no trial after this time.",
)


def study_group(project_command: ProjectCommand) -> click.Group:
    """Return the command group.

    Args:
        project_command: What is done around a command: see ``cli.project_command``.
    """
    help_text = "Search for the best parameters; see docs/studies.md."
    commands = (run, worker, status, report, export, dashboard)
    return command_group("study", help_text, commands, project_command)


@click.command()
@_name
@_env
@_params
@_trials
@_timeout
@click.option(
    "--workers",
    type=click.Choice(["ray"]),
    help="Have workers on a Ray cluster run the trials, not this process; see docs/cluster.md.",
)
@click.option("--num-workers", type=click.IntRange(min=1), help="How many, with --workers ray.")
def run(
    name: str,
    env: str | None,
    params: dict[str, Any],
    trials: int | None,
    timeout_minutes: float | None,
    workers: str | None,
    num_workers: int | None,
) -> None:
    """Create the study NAME of parameters_study.yml or continue it, then report."""
    if (workers is None) != (num_workers is None):
        raise click.UsageError("--workers ray and --num-workers N belong together")
    from pmd_pipeline.study_commands.report import report_study

    project = _project(name, env, params)
    study = _run(project, trials, timeout_minutes, joins=False, num_ray_workers=num_workers)
    click.echo(report_study(project, study))


@click.command()
@_name
@_env
@_params
@_trials
@_timeout
def worker(
    name: str,
    env: str | None,
    params: dict[str, Any],
    trials: int | None,
    timeout_minutes: float | None,
) -> None:
    """Join the study NAME, started with ``kedro study run`` elsewhere."""
    _run(_project(name, env, params), trials, timeout_minutes, joins=True)


@click.command()
@_name
@_env
@_params
def status(name: str, env: str | None, params: dict[str, Any]) -> None:
    """Show the trials of the study NAME."""
    from pmd_pipeline.reporting.console import print_parts
    from pmd_pipeline.studies.findings import trials_table
    from pmd_pipeline.study_commands import console
    from pmd_pipeline.study_commands.base import metric_name
    from pmd_pipeline.study_commands.opening import open_study

    project = _project(name, env, params)
    table = trials_table(open_study(project), level=project.experiment.evaluation.interval_level)
    searched = ["algorithm", *project.config.search_space]
    names = [name for name in searched if name in table]
    print_parts(console.trials_table(table, names, metric=metric_name(project)))
    counts = table["state"].value_counts()
    click.echo("\n" + ", ".join(f"{count} {state}" for state, count in counts.items()))


@click.command()
@_name
@_env
@_params
def report(name: str, env: str | None, params: dict[str, Any]) -> None:
    """Write the figures, table and page of the study NAME."""
    from pmd_pipeline.study_commands.opening import open_study
    from pmd_pipeline.study_commands.report import report_study

    project = _project(name, env, params)
    click.echo(report_study(project, open_study(project)))


@click.command()
@_name
@_env
@_params
def export(name: str, env: str | None, params: dict[str, Any]) -> None:
    """Write the best trial of the study NAME as conf/NAME_best, for ``kedro run --env``."""
    from pmd_pipeline.study_commands.export import export_best
    from pmd_pipeline.study_commands.opening import open_study

    project = _project(name, env, params)
    click.echo(export_best(project, open_study(project)))


@click.command()
@_name
@_env
@_params
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535))
def dashboard(name: str, env: str | None, params: dict[str, Any], host: str, port: int) -> None:
    """Show the study NAME's storage in optuna-dashboard."""
    from pmd_pipeline.studies.errors import StudyError
    from pmd_pipeline.study_commands.opening import open_study

    try:
        run_server = importlib.import_module("optuna_dashboard").run_server
    except ImportError:
        raise StudyError(
            "optuna-dashboard is not installed: pip install 'pmd_pipeline[dashboard]'"
        ) from None
    study = open_study(_project(name, env, params))
    # In this process: a command line would show the password in the database's URL.
    click.echo(f"http://{host}:{port}  (Ctrl-C stops it)")
    run_server(study._storage, host=host, port=port)


def _project(name: str, env: str | None, params: dict[str, Any]) -> Any:
    from pmd_pipeline.study_commands.project import read_project

    return read_project(name, path=Path.cwd(), env=env, runtime_parameters=params)


def _run(
    project: Any,
    trials: int | None,
    timeout_minutes: float | None,
    *,
    joins: bool,
    num_ray_workers: int | None = None,
) -> Any:
    from pmd_pipeline.study_commands.on_ray.driver import run_study_on_ray
    from pmd_pipeline.study_commands.service import run_study

    ends: dict[str, Any] = {"num_trials": trials, "timeout_minutes": timeout_minutes}
    stop_at_sigterm_as_at_ctrl_c()
    try:
        if num_ray_workers is not None:
            return run_study_on_ray(project, num_workers=num_ray_workers, **ends)
        return run_study(project, joins=joins, **ends)
    except KeyboardInterrupt:
        click.echo("\nInterrupted. Continue with the same command.")
        raise SystemExit(130) from None
