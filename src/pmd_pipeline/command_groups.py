"""What command files share: a group whose commands run with this project's care around them."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import click
from kedro.framework.cli.utils import CONTEXT_SETTINGS

ProjectCommand = Callable[[], AbstractContextManager[None]]
"""What is done around a command: see ``cli.project_command``."""


def command_group(
    name: str, help_text: str, commands: Sequence[click.Command], project_command: ProjectCommand
) -> click.Group:
    """Return a group of commands.

    Args:
        name: As on the command line.
        help_text: Shown by ``--help``.
        commands: Its commands.
        project_command: What is done around each of them.
    """

    class ProjectGroup(click.Group):
        def invoke(self, context: click.Context) -> Any:
            with project_command():
                return super().invoke(context)

    group = ProjectGroup(name=name, help=help_text, context_settings=CONTEXT_SETTINGS)
    for command in commands:
        group.add_command(command)
    return group
