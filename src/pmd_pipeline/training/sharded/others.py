"""The processes besides the driver: who starts them, and whether they can be started anew."""

from collections.abc import Callable
from typing import Protocol

from pmd_pipeline.launch import Launch
from pmd_pipeline.training.sharded.collectives import DEADLINE


class OtherProcesses(Protocol):
    """Where the processes besides the driver come from.

    Attributes:
        max_restarts: How often they can be started anew after one was lost.
    """

    max_restarts: int

    def launch(self) -> Launch:
        """See that they are there, and return the driver's place among them."""

    def begin(self, launch: Launch) -> None:
        """Have them follow the driver's commands; ``launch`` names the store, which is open."""

    def why_lost(self, is_bystander: Callable[[int], bool]) -> str:
        """Return what is known of a process that was lost, and what to do.

        Args:
            is_bystander: Whether the process of a rank has ended because another was lost.
        """

    def are_lost(self) -> bool:
        """Return whether it is known, without waiting, that one of them is gone.

        Raises:
            ClusterError: If one of them could not even begin.
        """

    def end(self) -> None:
        """End them; those that have been told to end themselves may be gone."""


class TorchrunProcesses:
    """Those that torchrun has started, which ends all when one is lost."""

    max_restarts = 0

    def __init__(self, launch: Launch) -> None:
        self._launch = launch

    def launch(self) -> Launch:
        return self._launch

    def begin(self, launch: Launch) -> None:
        """They have begun by themselves."""

    def why_lost(self, is_bystander: Callable[[int], bool]) -> str:
        return (
            "it was killed, perhaps for lack of memory, and torchrun says which and how; or it did "
            f"not answer for {DEADLINE}. Continue with --only-missing-outputs"
        )

    def are_lost(self) -> bool:
        return False

    def end(self) -> None:
        """They end themselves when they are told to."""
