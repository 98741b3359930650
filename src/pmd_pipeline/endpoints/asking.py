"""Many requests at the same time, with what is answered handed over every few seconds."""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

_Question = TypeVar("_Question")
_Answer = TypeVar("_Answer")

_MOST_AT_ONCE = 256
_MOST_SECONDS = 5.0


def ask_all(
    questions: Sequence[_Question],
    ask: Callable[[_Question], _Answer],
    *,
    concurrency: int,
    most_at_once: int = _MOST_AT_ONCE,
    most_seconds: float = _MOST_SECONDS,
) -> Iterator[list[tuple[_Question, _Answer]]]:
    """Yield questions with their answers, in the order in which these come.

    What has been answered is yielded before the error of another question is raised, and at least
    every few seconds: whoever stores it loses no more than that, and what is under way. Nothing is
    waited for after an error, or where the caller asks for no more.

    Args:
        questions: Asked in their order.
        ask: Called by threads.
        concurrency: Most calls at the same time.
        most_at_once: Answers that are yielded together at most.
        most_seconds: The longest that an answer is held back.

    Raises:
        Exception: What ``ask`` raised first.
    """
    waiting = deque(questions)
    finished: queue.SimpleQueue[tuple[_Question, _Answer] | BaseException] = queue.SimpleQueue()

    def work() -> None:
        while True:
            try:
                question = waiting.popleft()
            except IndexError:
                return
            try:
                finished.put((question, ask(question)))
            except BaseException as error:  # raised in the caller's thread
                finished.put(error)
                return

    # Daemons: a server that does not answer must not keep an interrupted process alive.
    for number in range(min(concurrency, len(questions))):
        threading.Thread(target=work, name=f"endpoint-{number}", daemon=True).start()
    answered: list[tuple[_Question, _Answer]] = []
    num_left, due = len(questions), time.monotonic() + most_seconds
    error: BaseException | None = None
    try:
        while num_left and error is None:
            try:
                found = finished.get(timeout=max(due - time.monotonic(), 0.0))
            except queue.Empty:
                pass
            else:
                if isinstance(found, BaseException):
                    error = found
                    break
                answered.append(found)
                num_left -= 1
            if time.monotonic() >= due or len(answered) >= most_at_once:
                if answered:
                    yield answered
                answered, due = [], time.monotonic() + most_seconds
        if answered:
            yield answered
        if error is not None:
            raise error
    finally:
        waiting.clear()
