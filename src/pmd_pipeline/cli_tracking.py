"""``kedro mlflow-sync`` and ``kedro mlflow-relocate``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.utils import CONTEXT_SETTINGS

from pmd_pipeline.command_groups import ProjectCommand
from pmd_pipeline.config_loader import project_loader


def tracking_commands(project_command: ProjectCommand) -> list[click.Command]:
    """Return the commands.

    Args:
        project_command: What is done around a command: see ``cli.project_command``.
    """

    def command(name: str, action: Callable[[Path, str | None], bool]) -> click.Command:
        def callback(**options: Any) -> None:
            with project_command():
                is_done = action(Path.cwd(), options["env"])
            if not is_done:
                raise SystemExit(1)

        return click.Command(
            name=name,
            params=[
                click.Option(
                    ["--env", "-e"], envvar="KEDRO_ENV", help="Kedro environment: a folder in conf."
                )
            ],
            callback=callback,
            help=action.__doc__,
            context_settings=CONTEXT_SETTINGS,
        )

    return [command("mlflow-sync", _sync), command("mlflow-relocate", _relocate)]


def _sync(project: Path, env: str | None) -> bool:
    """Send to MLflow what runs and studies could not send, in order."""
    from pmd_pipeline.tracking.configuration import read_config
    from pmd_pipeline.tracking.errors import OutageError, TrackingError
    from pmd_pipeline.tracking.outbox import (
        FOLDER_NAME,
        left_outboxes,
        num_waiting,
        num_waiting_below,
    )
    from pmd_pipeline.tracking.sender import send_left
    from pmd_pipeline.tracking.store import connect, context_of

    loader = project_loader(project, env)
    root = project / loader["globals"]["data_root"] / FOLDER_NAME
    before = num_waiting_below(root)
    if not before:
        click.echo(f"Nothing waits in {root}.")
        return True
    store = connect(read_config(loader, project), context_of(project, loader))
    try:
        refused = send_left(root, store, set())
    except OutageError as error:
        after = num_waiting_below(root)
        raise TrackingError(
            f"MLflow took {before - after} records and then failed ({error}); {after} still wait "
            f"in {root}: run this command again later"
        ) from error
    after = num_waiting_below(root)
    click.echo(f"Sent {before - after} records to MLflow.")
    for folder in left_outboxes(root):
        why = (
            "MLflow does not take them; look at its messages above, and delete the folder to give "
            "them up"
            if folder in refused
            else "a process at work holds them and sends them itself"
        )
        click.echo(f"{num_waiting(folder)} records wait in {folder}: {why}.")
    return not refused


def _relocate(project: Path, env: str | None) -> bool:
    """Let the database of a moved or copied project name its own folder of artifacts."""
    from pmd_pipeline.tracking.artifact_locations import relocate
    from pmd_pipeline.tracking.configuration import (
        artifact_root,
        database_path,
        read_config,
        shown_address,
    )

    config = read_config(project_loader(project, env), project)
    database, root = database_path(config), artifact_root(config, project)
    if database is None or root is None:
        click.echo(f"{shown_address(config)} is no file of this project: nothing to do.")
        return True
    if not database.is_relative_to(project):
        raise click.ClickException(
            f"{database} is outside the project, and may belong to others too. Name the folder of "
            "its artifacts in conf/<env>/mlflow.yml: "
            "tracking.experiment.create_experiment_kwargs.artifact_location"
        )
    moved = relocate(database, root)
    for former, new in moved:
        click.echo(f"{former} -> {new}")
        if former.is_dir() and not new.is_dir():
            click.echo("  its files are still there; copy them, to see former runs' figures")
    click.echo(f"{database}: {'repaired' if moved else 'nothing to repair'}.")
    return True
