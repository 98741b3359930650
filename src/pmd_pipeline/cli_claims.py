"""The command group ``kedro claims``."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
from kedro.config import MissingConfigException

from pmd_pipeline.command_groups import ProjectCommand, command_group
from pmd_pipeline.config_loader import project_loader
from pmd_pipeline.interrupts import stop_at_sigterm_as_at_ctrl_c
from pmd_pipeline.wording import counted, rough_time

if TYPE_CHECKING:
    from pmd_pipeline.claims.loop import Finished
    from pmd_pipeline.claims.plan import ClaimsPlan
    from pmd_pipeline.claims.store import ResultStore

_names = click.argument("names", nargs=-1, metavar="[CLAIM]...")
_env = click.option(
    "--env",
    "-e",
    default="claims",
    show_default=True,
    help="Kedro environment: a folder in conf that declares claims.",
)
_pairs = click.option(
    "--pairs",
    type=click.IntRange(min=1),
    help="Pairs of a warm-start seed and a training seed: fewer than are declared.",
)


def claims_group(project_command: ProjectCommand) -> click.Group:
    """Return the command group.

    Args:
        project_command: What is done around a command: see ``cli.project_command``.
    """
    help_text = "Try claims, ours or your own, on pairs of seeds; see docs/claims.md."
    commands = (run, status, report)
    return command_group("claims", help_text, commands, project_command)


@click.command()
@_names
@_env
@_pairs
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Trainings at a time, each in a process of its own; without it, one per core.",
)
@click.option(
    "--timeout-minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Begin no training after this time.",
)
@click.option("--polite", is_flag=True, help="Let everything else on the machine go first.")
def run(
    names: tuple[str, ...],
    env: str,
    pairs: int | None,
    workers: int | None,
    timeout_minutes: float | None,
    polite: bool,
) -> None:
    """Do what is missing of all claims, or of those named; what is there stays.

    Tunings come first, then pair after pair of seeds: whenever this is stopped, every claim has the
    same number of complete pairs. The same command continues.
    """
    from pmd_pipeline.claims.loop import ClaimsLoop
    from pmd_pipeline.hooks.lock import hold

    stop_at_sigterm_as_at_ctrl_c()
    plan, store, folder = _read(names, env, pairs)
    folder.mkdir(parents=True, exist_ok=True)
    lock = hold(folder)
    try:
        progress = _Progress(plan, store)
        at_first = progress.what_is_left()
        click.echo(at_first)
        loop = ClaimsLoop(
            folder / "initial_policies",
            store,
            num_workers=workers or _num_cores(),
            is_polite=polite,
            stop_after_seconds=None if timeout_minutes is None else 60 * timeout_minutes,
            report=progress.show,
        )
        failed = loop.run(plan)
    except KeyboardInterrupt:
        click.echo("\nInterrupted. Continue with the same command.")
        raise SystemExit(130) from None
    finally:
        lock.release()
    if (now := progress.what_is_left()) != at_first:
        click.echo(now)
    if failed:
        raise click.ClickException(
            f"{counted(len(failed), 'training')} failed, the first with: "
            f"{next(iter(failed.values()))}\nThe same command tries again."
        )


@click.command()
@_names
@_env
@_pairs
def status(names: tuple[str, ...], env: str, pairs: int | None) -> None:
    """Show what is done of each claim, what the tunings chose, and the time that is left."""
    from pmd_pipeline.reporting.claims.status import status_tables
    from pmd_pipeline.reporting.console import print_parts

    plan, store, _ = _read(names, env, pairs)
    print_parts(*status_tables(plan, store))
    click.echo(f"\n{_Progress(plan, store).what_is_left()}")


@click.command()
@_names
@_env
@_pairs
@click.option(
    "--document",
    type=click.Path(exists=True, dir_okay=False, resolve_path=True, path_type=Path),
    help="Put the verdicts into this Markdown document too, such as docs/claims.md, and the "
    "figures into images/claims beside it.",
)
def report(names: tuple[str, ...], env: str, pairs: int | None, document: Path | None) -> None:
    """Judge all claims, or those named, by what is done, and write the page of their verdicts."""
    from pmd_pipeline.reporting.claims.judged import judge_all
    from pmd_pipeline.reporting.claims.report import write_claims_document, write_claims_page
    from pmd_pipeline.reporting.claims.status import verdict_table
    from pmd_pipeline.reporting.console import print_parts

    plan, store, folder = _read(names, env, pairs)
    judged = judge_all(plan, store)
    page = folder / "report.html"
    write_claims_page(judged, plan.heading, page)
    if document is not None:
        images = document.parent / "images" / "claims"
        write_claims_document(judged, plan.heading, document, images)
    print_parts(verdict_table(judged))
    click.echo(f"\n{_Progress(plan, store).what_is_left()}\nThe page: {page}")


class _Progress:
    """Counts what is done, and says what ends."""

    def __init__(self, plan: "ClaimsPlan", store: "ResultStore") -> None:
        self._plan = plan
        self._store = store
        units = plan.expected_units(store)
        self._num_units = len(units)
        self._num_done = len(units) - len(store.missing(units))

    def what_is_left(self) -> str:
        """Return a sentence about the trainings that are missing, and what they will cost."""
        from pmd_pipeline.claims.costs import UnitCosts

        units = self._plan.expected_units(self._store)
        missing = self._store.missing(units)
        done = f"{len(units) - len(missing)} of {len(units)} trainings are done"
        if not missing:
            return f"{done}."
        seconds = UnitCosts(units, self._store).sum(missing)
        if seconds is None:
            return f"{done}; what the others take is known after the first."
        return f"{done}; the others take {rough_time(seconds)} of a core."

    def show(self, finished: "Finished") -> None:
        """Print a line about a unit that has ended."""
        unit, result = finished.unit, finished.result
        what = f"{unit.label}, warm start {unit.seeds.warm_start}, seed {unit.seeds.training}"
        if result is None:
            click.echo(f"failed: {what}: {finished.error}", err=True)
            return
        self._num_done += 1
        click.echo(
            f"[{self._num_done}/{self._num_units}] {what}: {result.initial.accuracy:.3f} -> "
            f"{result.final.accuracy:.3f} ({sum(result.cpu_seconds.values()):.0f} CPU seconds)"
        )


def _read(
    names: tuple[str, ...], env: str, pairs: int | None
) -> "tuple[ClaimsPlan, ResultStore, Path]":
    from pmd_pipeline.claims.plan import ClaimsPlan
    from pmd_pipeline.claims.store import ResultStore
    from pmd_pipeline.config.claims import ClaimsError, chosen_claims, parse_claims

    loader = project_loader(Path.cwd(), env)
    try:
        config = parse_claims(loader["claims"])
    except MissingConfigException:
        raise ClaimsError(
            f"conf/{env} declares no claims; give it a file claims.yml, or choose another "
            "environment with --env"
        ) from None
    folder = Path.cwd() / loader["globals"]["data_root"]
    plan = ClaimsPlan(config, chosen_claims(config, names), loader["parameters"], num_pairs=pairs)
    return plan, ResultStore(folder / "units"), folder


def _num_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
