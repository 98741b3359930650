"""The processes that train together, commanded by the driver."""

import logging
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from pmd_pipeline.cluster import session
from pmd_pipeline.cluster.errors import ClusterError
from pmd_pipeline.config.compute import ComputeConfig
from pmd_pipeline.launch import current_launch
from pmd_pipeline.policies.policy import Policy, resolve_device
from pmd_pipeline.training.sharded.collectives import tells_of_loss
from pmd_pipeline.training.sharded.commands import Command, Member, connect
from pmd_pipeline.training.sharded.others import OtherProcesses, TorchrunProcesses
from pmd_pipeline.training.sharded.shard import ShardPlan
from pmd_pipeline.training.sharded.worker import (
    END,
    ENDED_KEY,
    FAILURE_KEY,
    bystander_key,
    command_key,
    ready_key,
)

_logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_CHECKS = 0.05
_SECONDS_BETWEEN_LOOKS = 2.0


class TrainingProcessError(ChildProcessError):
    """One of the processes that train together has failed; the message is its own."""


class LostProcessError(TrainingProcessError):
    """One of the processes that train together is gone, or does not answer."""


_processes: "TrainingProcesses | None" = None


def training_processes(compute: ComputeConfig) -> "TrainingProcesses | None":
    """Return the processes that train together with this one; None if it trains alone.

    Those on a Ray cluster are started by the first call, and end when the cluster is left.

    Raises:
        ClusterError: If the cluster has no place for them, or its nodes differ.
        ValueError: If torchrun has started this process and Ray is to start others.
    """
    global _processes
    launch = current_launch()
    if compute.launch == "ray":
        if launch.world_size > 1:
            raise ValueError(
                f"torchrun has started {launch.world_size} processes, but compute.launch is 'ray', "
                "with which the run starts the others itself; start it without torchrun"
            )
        if session.named_cluster().training.num_processes == 1:
            return None
    elif launch.world_size == 1:
        return None
    if _processes is not None and _processes.can_restart and _processes.has_ended:
        end_training_processes()  # a former run in this process has failed
    if _processes is None:
        _processes = TrainingProcesses(_others(compute))
    return _processes


def end_training_processes() -> None:
    """End the processes that train together with this one, if there are any."""
    global _processes
    if _processes is None and current_launch().world_size > 1:  # nothing was trained
        _processes = TrainingProcesses(TorchrunProcesses(current_launch()))
    if _processes is not None:
        former, _processes = _processes, None
        former.end()


def _others(compute: ComputeConfig) -> OtherProcesses:
    if compute.launch == "torchrun":
        return TorchrunProcesses(current_launch())
    from pmd_pipeline.training.sharded.on_ray import RayProcesses

    others = RayProcesses(session.named_cluster(), compute)
    session.before_leaving(others.leave)
    session.before_leaving(end_training_processes)
    return others


def check_processes(compute: ComputeConfig) -> None:
    """See that the processes that train together have their devices.

    Raises:
        ClusterError: If a Ray cluster has no place for them, or its nodes differ.
        ValueError: If torchrun has started more processes than there are devices.
    """
    if compute.launch == "ray":
        training_processes(compute)
        return
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
    """All processes that train together, this one included; calls here are carried out in each.

    They serve one trainer at a time: starting the next one ends the previous one.

    Attributes:
        size: How many there are.
        can_restart: Whether the others can be started anew when one is lost.
        has_ended: Whether they have been told to end, or one of them has failed.
    """

    def __init__(self, others: OtherProcesses) -> None:
        self.can_restart = others.max_restarts > 0
        self._others = others
        self._num_restarts = 0
        self._num_starts = 0
        self._device_type = ""
        self._form()
        self._former_handler = signal.getsignal(signal.SIGTERM)
        _handle_termination(self._on_termination)

    def _form(self) -> None:
        launch = self._others.launch()
        self.size = launch.world_size
        self._store, port = connect(launch)
        self._member = Member(launch, self._store)
        self._num_commands = 0
        self.has_ended = False
        self._are_ready = False
        self._others.begin(replace(launch, store_port=port))

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
                f"compute.device ({device_type!r}), start the run again"
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
            LostProcessError: If another process is gone: :meth:`restart` may help.
            TrainingProcessError: If another process fails, or has failed before.
        """
        return self._call(command, [None] * self.size if arguments is None else arguments)

    def close(self, number: int) -> None:
        """Free the shares of start ``number``; does nothing if they are already freed."""
        if number == self._num_starts and not self.has_ended:
            self.call("close")

    def restart(self, loss: LostProcessError) -> None:
        """Start the others anew, without shares; the next trainer's start gives them some.

        Args:
            loss: Why. It is raised if they cannot be started (once more).

        Raises:
            TrainingProcessError: If there is no longer a place for them.
        """
        if self._num_restarts >= self._others.max_restarts:
            raise loss
        self._num_restarts += 1
        _logger.warning(
            "Restart %d of at most %d of the training processes: %s",
            self._num_restarts,
            self._others.max_restarts,
            loss,
        )
        self._member.leave(after_loss=True)
        self._others.end()
        try:
            self._form()
        except ClusterError as error:
            raise TrainingProcessError(
                f"{loss}. The training processes cannot be started anew: {error}. Then continue "
                "with --only-missing-outputs"
            ) from error

    def end(self) -> None:
        """End the other processes."""
        after_loss = self.has_ended
        if not after_loss:
            self._announce_end()
        if self.can_restart or not after_loss:  # torchrun's driver ends with its processes
            self._member.leave(after_loss=after_loss)
        self._others.end()
        _handle_termination(self._former_handler)

    def _call(self, command: Command, arguments: Sequence[Any], **whole: Any) -> list[Any]:
        if self.has_ended:
            raise TrainingProcessError("the processes that train together have ended; start again")
        try:
            self._raise_failure()
            self._await_others()
            self._announce(f"{command} {self._device_type}")
            with self._watched():
                return self._member.execute(command, self._device_type, arguments, **whole)
        except BaseException as error:
            # The others are in the middle of the command: no other one can follow.
            self._announce_end()
            self._raise_failure(error)
            if tells_of_loss(error):
                raise LostProcessError(
                    f"the connection to a training process broke: {self._why_lost()}"
                ) from error
            raise

    def _await_others(self) -> None:
        """Wait until all are there; torch would do so for half an hour after one was lost."""
        waiting = [] if self._are_ready else [ready_key(rank) for rank in range(1, self.size)]
        while waiting:
            waiting = [key for key in waiting if not self._store.check([key])]
            self._raise_failure()
            if waiting and self._others.are_lost():
                raise LostProcessError(f"a training process did not begin: {self._why_lost()}")
            time.sleep(_SECONDS_BETWEEN_CHECKS if waiting else 0)
        self._are_ready = True

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """End a wait within the block for a process that is known to be gone.

        Its connections may be open: its machine had no time to close them.
        """
        if not self.can_restart:  # the error would come later, and the run end all the same
            yield
            return
        is_done = threading.Event()

        def watch() -> None:
            while not is_done.wait(_SECONDS_BETWEEN_LOOKS):
                try:
                    is_lost = self._others.are_lost()
                except ClusterError:
                    is_lost = True  # the reason is asked for when the wait has ended
                # Where connections break by themselves, they have done so by the second look.
                if is_lost and not is_done.wait(_SECONDS_BETWEEN_LOOKS):
                    self._member.give_up()
                    return

        thread = threading.Thread(target=watch, name="training_processes", daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_done.set()
            thread.join()

    def _announce(self, text: str) -> None:
        self._store.set(command_key(self._num_commands), text)
        self._num_commands += 1

    def _announce_end(self) -> None:
        self.has_ended = True
        self._store.set(ENDED_KEY, "")
        self._announce(END)

    def _raise_failure(self, cause: BaseException | None = None) -> None:
        if self._store.check([FAILURE_KEY]):
            self.has_ended = True
            raise TrainingProcessError(self._store.get(FAILURE_KEY).decode()) from cause

    def _why_lost(self) -> str:
        return self._others.why_lost(lambda rank: self._store.check([bystander_key(rank)]))

    def _on_termination(self, number: int, frame: Any) -> None:
        """Say which process has failed if that is why torchrun ends this one."""
        if self.has_ended:
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
