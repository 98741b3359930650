"""How much of the processor a process gets; imports the standard library alone."""

import os
from pathlib import Path

_GROUP = Path("/proc/self/autogroup")


def be_nice_to_all() -> None:
    """Let everything else on the machine go first, from now on."""
    os.nice(19)
    lower_group()


def lower_group() -> None:
    """Give the session's group, where Linux has made one, this process's own nice value.

    Linux divides the processor among sessions first (``sched_autogroup_enabled``): a nice value
    counts only beside other processes of the same session. Nothing happens where the session is not
    this process's own, as others in it were lowered too, or where nothing is to be lowered.
    """
    nice = os.nice(0)
    if nice <= 0 or os.getsid(0) != os.getpid():
        return
    try:
        with _GROUP.open("r+") as file:
            file.write(str(nice))
    except OSError:
        pass  # no such groups here; then the nice value counts by itself
