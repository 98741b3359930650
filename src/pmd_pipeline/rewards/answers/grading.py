"""Grades of responses, and the pool of processes that gives them."""

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Final, Self

from pmd_pipeline.config.rewards import Convention, MathRewardConfig
from pmd_pipeline.processes.pool import Pool
from pmd_pipeline.rewards.answers.equivalence import AlgebraQuestion, Comparison, Verdict, compare
from pmd_pipeline.rewards.answers.extraction import extract_answer
from pmd_pipeline.rewards.answers.workers import AlgebraWorker

DEFAULT_TIMEOUT_SECONDS: Final = MathRewardConfig().timeout_seconds


class GradeReason(StrEnum):
    """Why a response got its grade.

    Attributes:
        CORRECT: The answer equals the reference answer.
        WRONG: It does not.
        NO_ANSWER: The response states no answer where the convention looks for one.
        UNPARSABLE: The answer is not mathematics that can be read.
        TIMEOUT: The comparison did not fit its limits of time, memory or text length.
    """

    CORRECT = "correct"
    WRONG = "wrong"
    NO_ANSWER = "no_answer"
    UNPARSABLE = "unparsable"
    TIMEOUT = "timeout"


_REASONS: Final = {
    Verdict.EQUAL: GradeReason.CORRECT,
    Verdict.DIFFERENT: GradeReason.WRONG,
    Verdict.UNPARSABLE: GradeReason.UNPARSABLE,
    Verdict.LIMIT: GradeReason.TIMEOUT,
}


@dataclass(frozen=True, slots=True)
class Grade:
    """Whether a response is right.

    Attributes:
        correct: True only when ``reason`` is ``CORRECT``.
        answer: The answer as the response writes it, None when it has none.
        reason: Why.
    """

    correct: bool
    answer: str | None
    reason: GradeReason


def grade(
    response: str,
    gold: str,
    convention: Convention = "boxed",
    *,
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
) -> Grade:
    r"""Grade one response against the reference answer.

    Numbers are compared here and now, exactly; what needs computer algebra goes to a process that
    all calls share, is started when first needed and killed when it takes too long. No response
    raises an error. For many responses ``GradingPool.grade_many`` is faster.

    Args:
        response: The whole response.
        gold: The reference answer, as text; not empty.
        convention: Where the response states its answer: ``"boxed"``, the last complete
            ``\boxed{...}``, or ``"answer_line"``, the last ``Answer: ...``.
        timeout_seconds: For the comparison; longer is graded wrong, with reason ``TIMEOUT``.

    Raises:
        ValueError: If ``gold`` is empty or the convention unknown.
        GradingWorkerError: If a process is needed and none can be started.
    """
    answer, comparison = _read(response, gold, convention)
    if isinstance(comparison, AlgebraQuestion):
        comparison = _shared_pool().ask(comparison, timeout_seconds)
    return _grade(answer, comparison)


class GradingPool:
    """Processes that grade responses; a context manager.

    No process is started before a comparison needs computer algebra; numbers never do. Safe for
    use by several threads, on any thread.

    Args:
        num_workers: Processes, at least 1.
        timeout_seconds: For each comparison, counted from when a process takes it up.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self, num_workers: int = 2, timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    ) -> None:
        if num_workers < 1:
            raise ValueError(f"num_workers must be at least 1, found {num_workers}")
        if not timeout_seconds > 0:
            raise ValueError(f"timeout_seconds must be positive, found {timeout_seconds}")
        self._timeout_seconds = timeout_seconds
        self._owner = os.getpid()
        # A process ends too when the pool is forgotten, and when the interpreter ends.
        self._pool = Pool(AlgebraWorker, num_workers)
        self._closed = False

    def grade_many(
        self, responses: Sequence[str], golds: Sequence[str], convention: Convention = "boxed"
    ) -> list[Grade]:
        """Grade each response against the reference answer at the same place.

        Args:
            responses: Whole responses.
            golds: Reference answers, as many.
            convention: Where responses state their answers.

        Returns:
            Grades in the order of the responses. Equal comparisons are made once.

        Raises:
            ValueError: If the numbers of responses and reference answers differ, a reference
                answer is empty or the convention unknown.
            GradingWorkerError: If a process is needed and none can be started.
        """
        if len(responses) != len(golds):
            raise ValueError(
                f"{len(responses)} responses but {len(golds)} reference answers: give one each"
            )
        read = [
            _read(response, gold, convention)
            for response, gold in zip(responses, golds, strict=True)
        ]
        questions = sorted(
            {c for _, c in read if isinstance(c, AlgebraQuestion)},
            key=lambda question: (question.gold, question.values, question.parameter),
        )
        verdicts = dict(zip(questions, self._pool.map(self.ask, questions), strict=True))
        return [
            _grade(answer, verdicts[c] if isinstance(c, AlgebraQuestion) else c)
            for answer, c in read
        ]

    def ask(self, question: AlgebraQuestion, timeout_seconds: float | None = None) -> Verdict:
        """Have one of the processes decide; wait for a free one first."""
        self._check_usable()
        with self._pool.lend() as worker:
            return worker.ask(question, timeout_seconds or self._timeout_seconds)

    def start(self, num_workers: int) -> None:
        """Start so many of the processes ahead of need; return before they are ready."""
        self._check_usable()
        self._pool.start(num_workers)

    @property
    def worker_pids(self) -> list[int]:
        """The process ids of the workers started so far."""
        return [worker.pid for worker in self._pool.started]

    def close(self) -> None:
        """End the processes. The pool cannot be used afterwards; closing twice is harmless."""
        self._closed = True
        self._pool.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _check_usable(self) -> None:
        if self._closed:
            raise ValueError("this GradingPool is closed: make a new one")
        if self._owner != os.getpid():
            raise ValueError(
                "this GradingPool was made before a fork, in the parent process: make one here"
            )


def _read(response: str, gold: str, convention: Convention) -> tuple[str | None, Comparison | None]:
    """Return the response's answer, and its comparison as far as it needs no process."""
    if not gold.strip():
        raise ValueError("the reference answer is empty: a response cannot be graded against it")
    answer = extract_answer(response, convention)
    if answer is None:
        return None, None
    try:
        return answer, compare(answer, gold)
    except Exception:  # whatever a policy writes is at worst wrong: it never stops a run
        return answer, Verdict.UNPARSABLE


def _grade(answer: str | None, verdict: Verdict | None) -> Grade:
    reason = GradeReason.NO_ANSWER if verdict is None else _REASONS[verdict]
    return Grade(reason is GradeReason.CORRECT, answer, reason)


_SHARED_WORKERS: Final = 4  # a second one is started only for a second thread
_shared: GradingPool | None = None
_shared_lock = threading.Lock()


def _shared_pool() -> GradingPool:
    global _shared
    with _shared_lock:
        if _shared is None:
            _shared = GradingPool(num_workers=_SHARED_WORKERS)
        return _shared


def _forget_shared_pool() -> None:
    global _shared, _shared_lock
    _shared, _shared_lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget_shared_pool)
