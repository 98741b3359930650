"""What Kedro calls before it loads its plugins: a ``kedro.init`` entry point."""

import argparse
import atexit
import os
import re
import sys
import warnings

from pmd_pipeline import __version__
from pmd_pipeline.launch import take_launch
from pmd_pipeline.plugin_commands import defer_mlflow_commands
from pmd_pipeline.processes.parent import end_with_parent
from pmd_pipeline.project_folder import is_own_project, project_folder
from pmd_pipeline.shell import put_commands_on_path

_HARMLESS_WARNINGS = (
    "register_new_resolver() is deprecated",  # Kedro's, on omegaconf
    # A phase is a namespace, so these dots are intended.
    "One or more dataset names contain '.' characters",
    "ORJSONResponse is deprecated",  # kedro-viz's, on fastapi
    "starlette.middleware.wsgi is deprecated",  # of MLflow's server
)
"""How they begin: without commas and colons, which separate the parts of ``PYTHONWARNINGS``."""


def prepare() -> None:
    """Find this process's rank among those that torchrun started; quiet the dependencies.

    Only the driver continues to Kedro. The others train at its command until it ends.
    """
    launch = take_launch()
    if launch.world_size > 1:
        # Killed itself, torchrun leaves its processes waiting for each other, and the data folder
        # locked.
        end_with_parent(lambda: os._exit(1))
    if launch.rank > 0:
        from pmd_pipeline.training.sharded.worker import serve

        raise SystemExit(serve(launch))
    if launch.world_size > 1:
        atexit.register(_end_training_processes)
    _say_that_it_begins(sys.argv[1:])
    quiet_dependencies()
    put_commands_on_path()
    defer_mlflow_commands()
    if sys.argv[1:2] == ["viz"]:
        _refuse_unknown_environment(sys.argv[2:])


def _say_that_it_begins(arguments: list[str]) -> None:
    """Give a sign of life: Kedro reads the project, and all its plugins, before a run begins."""
    if arguments[:1] == ["run"] and not {"--help", "-h"} & set(arguments) and is_own_project():
        print(f"pmd_pipeline {__version__}", flush=True)


def _end_training_processes() -> None:
    from pmd_pipeline.training.sharded.driver import end_training_processes

    end_training_processes()


def _refuse_unknown_environment(arguments: list[str]) -> None:
    """Say it here: kedro-viz loads the project in another process, and would show its traceback."""
    from kedro.framework.startup import bootstrap_project

    from pmd_pipeline.config_loader import ConfigurationError, project_loader

    if not is_own_project():
        return
    bootstrap_project(project_folder())  # the loader is what the project's settings say
    options = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    options.add_argument("--env", "-e", default=os.environ.get("KEDRO_ENV"))
    chosen, _ = options.parse_known_args(arguments)
    try:
        project_loader(project_folder(), chosen.env)
    except ConfigurationError as error:
        error.show()
        raise SystemExit(error.exit_code) from None


def quiet_dependencies() -> None:
    """Silence messages of dependencies that nobody can act on, in this process and what it starts.

    kedro-viz loads the project in a process of its own.
    """
    # Kedro's plugin reports usage unless told not to; here privacy is the default.
    os.environ.setdefault("DO_NOT_TRACK", "1")
    for beginning in _HARMLESS_WARNINGS:
        warnings.filterwarnings("ignore", message=re.escape(beginning))
    given = os.environ.get("PYTHONWARNINGS", "").split(",")
    harmless = [f"ignore:{beginning}" for beginning in _HARMLESS_WARNINGS]
    # The last has precedence: a user's own come after these.
    others = [one for one in given if one and one not in harmless]
    os.environ["PYTHONWARNINGS"] = ",".join([*harmless, *others])
