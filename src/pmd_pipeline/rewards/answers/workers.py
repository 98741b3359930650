"""A process for computer algebra that can be killed, and is when it takes too long."""

from pathlib import Path

from pmd_pipeline.processes.child import ChildProcess
from pmd_pipeline.processes.errors import ChildError, ProcessStartError
from pmd_pipeline.processes.worker import Worker
from pmd_pipeline.rewards.answers.equivalence import AlgebraQuestion, Verdict

MEMORY_LIMIT_BYTES = 2 * 1024**3
_SCRIPT = Path(__file__).with_name("_algebra_worker.py")


class GradingWorkerError(RuntimeError):
    """A grading process cannot be started."""


class AlgebraWorker:
    """One process that compares answers by computer algebra, replaced whenever it is killed.

    Not safe for use by two threads at once. The process starts with the object and gets ready in
    the background; no comparison's time limit includes that. Once a comparison is slow, a second
    process gets ready too, so that one which has to be killed costs no more than its limit.
    """

    def __init__(self) -> None:
        self._worker = Worker(_start, keeps_reserve=True)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._worker.process_id

    def ask(self, question: AlgebraQuestion, timeout_seconds: float) -> Verdict:
        """Compare within ``timeout_seconds``; a process that needs longer, or dies, is replaced.

        Returns:
            The verdict; ``LIMIT`` if the time or the memory did not suffice.

        Raises:
            GradingWorkerError: If no process can be started.
        """
        try:
            found = self._worker.call(
                "compare",
                gold=question.gold,
                values=question.values,
                parameter=question.parameter,
                timeout_seconds=timeout_seconds,
            )
        except ProcessStartError as error:
            raise GradingWorkerError(
                f"{error}\nCheck that latex2sympy2_extended can be imported."
            ) from error
        except ChildError:
            return Verdict.LIMIT
        verdict = Verdict(found)
        if verdict is Verdict.LIMIT:
            self._worker.replace()  # perhaps short of memory from now on
        return verdict

    def kill(self) -> None:
        """End the process at once and for good."""
        self._worker.kill()


def _start() -> ChildProcess:
    return ChildProcess(
        _SCRIPT,
        name="a grading process",
        # SymPy's orderings, and so its verdicts, are the same each time.
        environment={"PYTHONHASHSEED": "0"},
        memory_limit_bytes=MEMORY_LIMIT_BYTES,
    )
