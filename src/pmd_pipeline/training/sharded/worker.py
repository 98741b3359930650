"""A training process that is not the driver: it waits for commands and carries them out.

It never starts Kedro. Commands are announced in the store under ``command/<number>``, so waiting
for one needs no deadline, while everything within a command has one.
"""

import itertools
import signal
import sys
import traceback
from typing import cast

import torch.distributed as dist
from torch.distributed.distributed_c10d import Store

from pmd_pipeline.launch import Launch
from pmd_pipeline.training.sharded.collectives import tells_of_loss
from pmd_pipeline.training.sharded.commands import LONGEST_WAIT, Command, Member, connect

END = "end"
ENDED_KEY = "ended"
FAILURE_KEY = "failure"


def command_key(number: int) -> str:
    """Return where the driver announces its command ``number``, from 0."""
    return f"command/{number}"


def ready_key(rank: int) -> str:
    """Return where a process says that it is there."""
    return f"ready/{rank}"


def bystander_key(rank: int) -> str:
    """Return where a process says that it ends because another one is lost."""
    return f"bystander/{rank}"


def serve(launch: Launch) -> int:
    """Carry out the driver's commands until it ends; return the process's exit status.

    An error here is left in the store for the driver to report, and ends this process: the driver's
    connection to it breaks, and with it whatever the driver is waiting for. That another process is
    lost, the driver notices itself.
    """
    # The driver handles an interrupt from the keyboard; it ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    store, _ = connect(launch)
    store.set(ready_key(launch.rank), "")
    member = Member(launch, store)
    try:
        _follow(store, member)
    except dist.DistNetworkError:
        print("the store is gone, and with it torchrun or the driver", file=sys.stderr)
        return 1
    except Exception as error:
        if store.check([ENDED_KEY]):
            return 0  # the driver has gone in the middle of a command, and says why itself
        traceback.print_exc()
        if tells_of_loss(error):
            store.set(bystander_key(launch.rank), "")
            return 1
        message = f"training process {launch.rank}: {type(error).__name__}: {error}"
        store.compare_set(FAILURE_KEY, "", message)  # only the first error is the cause
        return 1
    return 0


def _follow(store: Store, member: Member) -> None:
    for number in itertools.count():
        store.wait([command_key(number)], LONGEST_WAIT)
        command, _, device_type = store.get(command_key(number)).decode().partition(" ")
        if command == END:
            member.leave()
            return
        member.execute(cast(Command, command), device_type)
