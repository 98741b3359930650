"""The commands ``kedro mlflow``, imported when one of them is called.

Kedro imports the commands of every plugin before it looks at the command line. Those of
kedro-mlflow import MLflow, which takes longer than most commands do.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

import click

_MODULE = "kedro_mlflow.framework.cli.cli"  # of its entry point, which is its group `commands`


def defer_mlflow_commands() -> None:
    """Have a group of commands stand in for kedro-mlflow's until one of them is called."""
    if _MODULE not in sys.modules:
        sys.modules[_MODULE] = _StandIn(_MODULE)


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name == "commands":
            return click.Group(name="Mlflow", commands=[_MlflowCommands(name="mlflow", help=_HELP)])
        if name.startswith("__"):  # who looks through all modules has no need of this one
            raise AttributeError(name)
        return getattr(_real_module(), name)


_HELP = "Use mlflow-specific commands inside kedro project."


class _MlflowCommands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return _real_group(ctx).list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "ui" and "--help" not in sys.argv:
            # MLflow opens with a page on which the project's runs are not.
            click.echo("In the page, choose 'Model training' at the top left, then 'Runs'.")
        return _real_group(ctx).get_command(ctx, cmd_name)


def _real_group(ctx: click.Context) -> click.Group:
    group = _real_module().commands.get_command(ctx, "mlflow")
    assert isinstance(group, click.Group)
    return group


def _real_module() -> ModuleType:
    if isinstance(sys.modules.get(_MODULE), _StandIn):
        del sys.modules[_MODULE]
    return import_module(_MODULE)
