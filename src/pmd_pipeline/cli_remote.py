"""``kedro remote-sync`` and ``kedro remote-fetch``."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
from kedro.config import AbstractConfigLoader, MissingConfigException
from kedro.framework.cli.utils import CONTEXT_SETTINGS, _split_params

from pmd_pipeline.command_groups import ProjectCommand
from pmd_pipeline.config_loader import project_loader


def remote_commands(project_command: ProjectCommand) -> list[click.Command]:
    """Return the commands.

    Args:
        project_command: What is done around a command: see ``cli.project_command``.
    """

    def command(name: str, action: Callable[..., None]) -> click.Command:
        def callback(env: str | None, params: dict[str, Any]) -> None:
            with project_command():
                action(Path.cwd(), env, params)

        return click.Command(
            name=name,
            params=[
                click.Option(
                    ["--env", "-e"], envvar="KEDRO_ENV", help="Kedro environment: a folder in conf."
                ),
                click.Option(
                    ["--params"],
                    default="",
                    callback=_split_params,
                    help="Parameters, as for kedro run.",
                ),
            ],
            callback=callback,
            help=action.__doc__,
            context_settings=CONTEXT_SETTINGS,
        )

    return [command("remote-sync", _sync), command("remote-fetch", _fetch)]


def _sync(project: Path, env: str | None, params: Mapping[str, Any]) -> None:
    """Send to storage.remote_root what a run could not send."""
    from pmd_pipeline.hooks.lock import hold
    from pmd_pipeline.remote.outbox import Outbox
    from pmd_pipeline.remote.sender import send_waiting

    data_root, folder = _place(project, env, params)
    lock = hold(data_root)
    try:
        outbox = Outbox(data_root, folder.address)
        if send_waiting(outbox, folder, lambda: None):
            click.echo(f"Sent to {folder.address}.")
        else:
            click.echo(f"Nothing waits in {outbox.folder}.")
    finally:
        lock.release()


def _fetch(project: Path, env: str | None, params: Mapping[str, Any]) -> None:
    """Bring the results at storage.remote_root into an empty data folder, without a run."""
    from pmd_pipeline.hooks.lock import hold
    from pmd_pipeline.hooks.run_state import FILE_NAME
    from pmd_pipeline.remote import store
    from pmd_pipeline.remote.errors import RemoteError
    from pmd_pipeline.remote.fetching import fetch
    from pmd_pipeline.remote.outbox import Outbox

    data_root, folder = _place(project, env, params)
    if (data_root / FILE_NAME).is_file():
        raise RemoteError(
            f"{data_root} has results; move it away, or fetch into another data_root (globals.yml)"
        )
    snapshot = store.latest(folder)
    if snapshot is None:
        raise RemoteError(f"there are no results at {folder.address}")
    data_root.mkdir(parents=True, exist_ok=True)
    lock = hold(data_root)
    try:
        fetch(Outbox(data_root, folder.address), folder, snapshot, data_root)
    finally:
        lock.release()
    click.echo(f"{len(snapshot.files)} files are in {data_root}, stored at {snapshot.stored_at}.")


def _place(project: Path, env: str | None, params: Mapping[str, Any]) -> tuple[Path, Any]:
    """Return the data folder, and the folder at the address."""
    from pmd_pipeline.config.experiment import parse_parameters
    from pmd_pipeline.hooks.remote import environment
    from pmd_pipeline.remote.errors import RemoteError
    from pmd_pipeline.remote.place import results_folder

    loader = project_loader(project, env, params)
    storage = parse_parameters(loader["parameters"]).storage
    folder = results_folder(storage, environment(env), _credentials(loader))
    if folder is None:
        raise RemoteError(
            "storage.remote_root is not set, so nothing is kept elsewhere; see "
            "docs/remote_storage.md"
        )
    return project / loader["globals"]["data_root"], folder


def _credentials(loader: AbstractConfigLoader) -> dict[str, Any]:
    try:
        return dict(loader["credentials"])
    except MissingConfigException:
        return {}
