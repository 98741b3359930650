"""What Kedro calls before it loads its plugins: a ``kedro.init`` entry point."""

import os
import sys
import warnings
from pathlib import Path


def prepare() -> None:
    """Silence what dependencies say on their own account, and find this environment's commands."""
    # Kedro's plugin reports usage unless it is told not to; here it takes no action to be private.
    os.environ.setdefault("DO_NOT_TRACK", "1")
    for message in (
        r"register_new_resolver\(\) is deprecated",  # Kedro's, on omegaconf
        # A phase is a namespace, so these dots are meant.
        r"One or more dataset names contain '\.' characters",
    ):
        warnings.filterwarnings("ignore", message=message)
    # `kedro mlflow ui` starts `mlflow` by name, which is not on the path of a user who calls
    # .venv/bin/kedro without activating the environment.
    commands = str(Path(sys.executable).parent)
    if commands not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([commands, os.environ.get("PATH", "")])
