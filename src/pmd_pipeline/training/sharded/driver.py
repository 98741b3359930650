"""The processes that train together, commanded by the driver."""

import functools
import signal
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from pmd_pipeline.config.compute import ComputeConfig
from pmd_pipeline.launch import Launch, current_launch
from pmd_pipeline.policies.policy import Policy, resolve_device
from pmd_pipeline.training.sharded.collectives import DEADLINE
from pmd_pipeline.training.sharded.commands import Command, Member, connect
from pmd_pipeline.training.sharded.shard import ShardPlan
from pmd_pipeline.training.sharded.worker import END, ENDED_KEY, FAILURE_KEY, command_key

# gloo's messages in the driver when another process is lost, and what they mean.
_BROKEN = (
    "the connection to a training process broke: it was killed, perhaps for lack of memory; "
    "torchrun says which and how"
)
_SIGNS_OF_LOSS = {
    "closed by peer": _BROKEN,
    "reset by peer": _BROKEN,
    "Timed out": f"a training process did not answer for {DEADLINE}; continue with "
    "--only-missing-outputs",
}


class TrainingProcessError(ChildProcessError):
    """One of the processes that train together has failed; the message is its own."""


@functools.cache
def training_processes() -> "TrainingProcesses":
    """Return the processes started together with this one, the driver."""
    return TrainingProcesses(current_launch())


def check_processes(compute: ComputeConfig) -> None:
    """Raise ValueError if more processes were started together than there are devices."""
    size = current_launch().world_size
    if size == 1 or resolve_device(compute).type != "cuda":
        return
    num_devices = torch.cuda.device_count()
    if size > num_devices:
        raise ValueError(
            f"torchrun has started {size} processes, but torch finds {num_devices} CUDA devices "
            f"here and each process takes one; use --nproc-per-node {num_devices}"
        )


class TrainingProcesses:
    """All processes of a launch, this one included; calls here are carried out in each.

    They serve one trainer at a time: starting the next one ends the previous one.
    """

    def __init__(self, launch: Launch) -> None:
        self.size = launch.world_size
        self._store = connect(launch)
        self._member = Member(launch, self._store)
        self._device_type = ""
        self._num_commands = 0
        self._num_starts = 0
        self._has_ended = False
        self._former_handler = signal.getsignal(signal.SIGTERM)
        _handle_termination(self._on_termination)

    def start(
        self,
        plan: ShardPlan,
        device_type: str,
        whole_policy: Policy,
        whole_optimizer_state: Mapping[str, Tensor],
    ) -> int:
        """Give every process its share of a policy; return the number to :meth:`close` it by."""
        if self._device_type not in ("", device_type):
            raise ValueError(
                f"the processes that train together compute on {self._device_type!r}; for another "
                f"compute.device ({device_type!r}), start torchrun again"
            )
        self._device_type = device_type
        self._num_starts += 1
        self._call(
            "start",
            [plan] * self.size,
            whole_policy=whole_policy,
            whole_optimizer_state=whole_optimizer_state,
        )
        return self._num_starts

    def call(self, command: Command, arguments: Sequence[Any] | None = None) -> list[Any]:
        """Run ``command`` in every process, each with its own argument; return their results.

        Raises:
            TrainingProcessError: If another process fails, or has failed before.
        """
        return self._call(command, [None] * self.size if arguments is None else arguments)

    def close(self, number: int) -> None:
        """Free the shares of start ``number``; does nothing if they are already freed."""
        if number == self._num_starts and not self._has_ended:
            self.call("close")

    def end(self) -> None:
        """End the other processes."""
        if not self._has_ended:
            self._announce_end()
            self._member.leave()
            _handle_termination(self._former_handler)

    def _call(self, command: Command, arguments: Sequence[Any], **whole: Any) -> list[Any]:
        if self._has_ended:
            raise TrainingProcessError("the processes that train together have ended; start again")
        try:
            self._raise_failure()
            self._announce(f"{command} {self._device_type}")
            return self._member.execute(command, self._device_type, arguments, **whole)
        except BaseException as error:
            # The others are in the middle of the command: no other one can follow.
            self._announce_end()
            self._raise_failure(error)
            for sign, meaning in _SIGNS_OF_LOSS.items():
                if isinstance(error, RuntimeError) and sign in str(error):
                    raise TrainingProcessError(meaning) from error
            raise

    def _announce(self, text: str) -> None:
        self._store.set(command_key(self._num_commands), text)
        self._num_commands += 1

    def _announce_end(self) -> None:
        self._has_ended = True
        self._store.set(ENDED_KEY, "")
        self._announce(END)

    def _raise_failure(self, cause: BaseException | None = None) -> None:
        if self._store.check([FAILURE_KEY]):
            self._has_ended = True
            raise TrainingProcessError(self._store.get(FAILURE_KEY).decode()) from cause

    def _on_termination(self, number: int, frame: Any) -> None:
        """Say which process has failed if that is why torchrun ends this one."""
        if self._has_ended:
            return  # this process ends already; a second error would only hide the first
        self._raise_failure()
        if callable(self._former_handler):
            self._former_handler(number, frame)
        else:
            raise KeyboardInterrupt


def _handle_termination(handler: Any) -> None:
    # Python handles signals only in the main thread, and only it may install handlers.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)
