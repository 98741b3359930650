"""The project's own commands, and ``kedro run`` with friendly errors."""

import functools
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.cli.utils import CONTEXT_SETTINGS, _split_params
from kedro.io import DataCatalog, DatasetError

from pmd_pipeline.cli_claims import claims_group
from pmd_pipeline.cli_export import export_command
from pmd_pipeline.cli_preflight import preflight_command
from pmd_pipeline.cli_remote import remote_commands
from pmd_pipeline.cli_tracking import tracking_commands
from pmd_pipeline.config.rewards import Convention
from pmd_pipeline.config_loader import project_loader
from pmd_pipeline.engines.errors import EngineError
from pmd_pipeline.hooks.intent import Intent, intending, refuse_concurrency
from pmd_pipeline.hooks.lock import give_back
from pmd_pipeline.hooks.selection import OPTIONS, selecting
from pmd_pipeline.interrupts import stop_at_sigterm_as_at_ctrl_c
from pmd_pipeline.progress import close_screen
from pmd_pipeline.project_folder import project_folder, refuse_placeholders
from pmd_pipeline.study_commands.commands import study_group

ERROR_LOG = Path("data") / "last_error.log"

# Errors that a user's mistake or the machine can cause; anything else is our bug and is not caught.
_EXPECTED = (ValueError, OSError, DatasetError, EngineError)


@click.group(context_settings=CONTEXT_SETTINGS, name="pmd_pipeline")
def cli() -> None:
    """Commands of pmd_pipeline."""


@contextmanager
def project_command() -> Iterator[None]:
    """Do a command's work in the project's folder, and turn expected errors into one message.

    Relative paths of the configuration belong to that folder. Those of the command line belong to
    where the user is: click has resolved them before. An error's traceback goes to a file, and the
    exit status is 1.
    """
    with chdir(project_folder()), _friendly_errors():
        refuse_placeholders(Path.cwd())
        yield


@contextmanager
def _friendly_errors() -> Iterator[None]:
    try:
        yield
    except click.ClickException:
        raise
    except _EXPECTED as error:
        log = _write_traceback()
        message = _root_message(error)
        raise click.ClickException(f"{message}\n(traceback: {log})") from error


def _root_message(error: BaseException) -> str:
    """Return the message of the error itself, without the wrapping of Kedro's datasets."""
    while isinstance(error, DatasetError) and isinstance(error.__cause__, _EXPECTED):
        error = error.__cause__
    if isinstance(error, OSError) and error.strerror:
        remedy = {
            28: "; free some space and run again with --only-missing-outputs",  # ENOSPC
        }.get(error.errno or 0, "")
        return f"{error.strerror}: {error.filename}{remedy}"
    return str(error)


def _write_traceback() -> Path | str:
    try:
        ERROR_LOG.parent.mkdir(exist_ok=True)
        ERROR_LOG.write_text(traceback.format_exc(), encoding="utf-8")
    except OSError:
        return "could not be written"
    return ERROR_LOG


def _run_with_friendly_errors(run: Callable[..., Any]) -> Callable[..., None]:
    @functools.wraps(run)
    def wrapped(**options: Any) -> None:
        stop_at_sigterm_as_at_ctrl_c()
        instead = " instead of --overwrite" if options["overwrite"] else ""
        with project_command(), _intending(options), selecting(_names_asked_for(options)):
            try:
                run(**options)
            except KeyboardInterrupt:
                close_screen()
                from pmd_pipeline.hooks.remote import send_last
                from pmd_pipeline.hooks.tracking import kill_open_runs

                kill_open_runs()
                send_last()
                click.echo(
                    "\nInterrupted. Continue with the same command and --only-missing-outputs"
                    f"{instead}."
                )
                raise SystemExit(130) from None
            finally:
                close_screen()
                # Kedro calls no hook for what was interrupted, or refused before it began.
                give_back()

    return wrapped


@contextmanager
def _intending(options: dict[str, Any]) -> Iterator[None]:
    """Take our own options out, and have Kedro skip what is done unless it is to be replaced."""
    overwrites = options.pop("overwrite")
    if overwrites and options["only_missing_outputs"]:
        raise click.UsageError("--overwrite and --only-missing-outputs exclude each other")
    runner_is_async = options["is_async"] or options["runner_params"].get("is_async", False)
    refuse_concurrency(options["runner"], is_async=bool(runner_is_async))
    intent = Intent.CONTINUE if options["only_missing_outputs"] else Intent.DEFAULT
    options["only_missing_outputs"] = not overwrites
    with intending(Intent.OVERWRITE if overwrites else intent):
        yield


def _names_asked_for(options: Mapping[str, Any]) -> dict[str, list[str]]:
    asked = {option: list(options[value] or ()) for option, value in OPTIONS.items()}
    if options["pipeline"]:  # Kedro's former name of the option
        asked["--pipelines"].append(options["pipeline"])
    return asked


_overwrite = click.Option(
    ["--overwrite"],
    is_flag=True,
    help="Replace results that are there already, whatever they were made with.",
)

_kedro_run = kedro_run.callback
assert _kedro_run is not None
cli.add_command(study_group(project_command))
cli.add_command(claims_group(project_command))
cli.add_command(preflight_command(project_command))
cli.add_command(export_command(project_command))
for one_command in (*tracking_commands(project_command), *remote_commands(project_command)):
    cli.add_command(one_command)
# Kedro looks for this name where the project's wheel is used.
run = click.Command(
    name="run",
    params=[*kedro_run.params, _overwrite],
    callback=_run_with_friendly_errors(_kedro_run),
    help=kedro_run.help,
    short_help=kedro_run.short_help,
    context_settings=CONTEXT_SETTINGS,
)
cli.add_command(run)


@cli.command()
@click.option("--env", "-e", help="Kedro environment: a folder in conf.")
def verify(env: str | None) -> None:
    """Check every file of the latest run's results, weights included, against its checksum."""
    from kedro.framework.session import KedroSession

    from pmd_pipeline.context import ExperimentContext
    from pmd_pipeline.hooks.results import Results
    from pmd_pipeline.hooks.run_state import load_run_state

    with project_command(), KedroSession.create(env=env) as session:
        assert isinstance(session, KedroSession)
        context = session.load_context()
        assert isinstance(context, ExperimentContext)
        catalog = context.catalog
        assert isinstance(catalog, DataCatalog)
        state = load_run_state(context.data_root, context.env)
        if state is None:
            raise ValueError(f"there is no run in {context.data_root}")
        results = Results(state, catalog, context.data_root)
        results.check(state.files, thoroughly=True)
        num_files = sum(len(files) for files in state.files.values())
        click.echo(f"{num_files} files in {context.data_root} are as they were written.")


@cli.command()
@click.argument("completions", type=click.Path(dir_okay=False, resolve_path=True, path_type=Path))
@click.option(
    "--env", "-e", envvar="KEDRO_ENV", help="Kedro environment whose section `rewards` is used."
)
@click.option("--params", default="", callback=_split_params, help="Parameters, as for kedro run.")
@click.option(
    "--convention",
    type=click.Choice(["boxed", "answer_line"]),
    help="Compare mathematical answers given in this form, whatever the environment's reward.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, resolve_path=True, path_type=Path),
    help="Write the regraded completions here (parquet).",
)
def regrade(
    completions: Path,
    env: str | None,
    params: dict[str, Any],
    convention: Convention | None,
    output: Path | None,
) -> None:
    """Score saved evaluation COMPLETIONS (parquet) again, without a model.

    Prints how the metrics change, and each completion whose score changes.
    """
    from pmd_pipeline.config.experiment import parse_parameters
    from pmd_pipeline.config.rewards import MathRewardConfig
    from pmd_pipeline.pipelines.evaluation.regrading import changes_table, regrade_file
    from pmd_pipeline.reporting.console import print_parts

    with project_command():
        experiment = parse_parameters(project_loader(Path.cwd(), env, params)["parameters"])
        rewards = experiment.rewards
        if convention is not None:
            rewards = MathRewardConfig(convention=convention)
        former, regraded = regrade_file(completions, rewards, experiment.evaluation)
        if output is not None:
            regraded.to_parquet(output)
        print_parts(changes_table(former, regraded, has_answers=rewards.gives_answers))
