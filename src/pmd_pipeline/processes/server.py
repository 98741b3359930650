"""The side of a process that answers calls. It imports the standard library alone.

A program that can be called ends with::

    if __name__ == "__main__":
        serve(Target)

and is started by :class:`pmd_pipeline.processes.child.ChildProcess`.
"""

import os
import pickle
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

from pmd_pipeline.processes.messages import read_message, write_message
from pmd_pipeline.processes.parent import end_with_parent
from pmd_pipeline.processes.priority import lower_group

Report = Callable[[Any], object]


def serve(make_target: Callable[[], object]) -> NoReturn:
    """Answer calls of a target's methods until nobody can call any more.

    A method that has a parameter ``report`` may call it with what is finished so far. An
    exception of a method goes to the caller; the process stays.

    A process that was started by a nice one is as nice, also beside other sessions.

    Three things end the process and all that it has started: the end of the connection; a new
    parent, which means that the old one is gone; and, where a call with a deadline holds the
    interpreter so that neither is seen, an alarm of the kernel long after that deadline.

    Args:
        make_target: Returns the object whose methods are called. Its time belongs to the start, not
            to the first call; what it raises is the process's last words.
    """
    lower_group()
    connection = socket.socket(fileno=int(sys.argv[1]))
    connection.set_inheritable(False)
    memory_limit_bytes = int(sys.argv[2])
    if memory_limit_bytes:
        _limit_memory(memory_limit_bytes)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    end_with_parent(_end)
    try:
        target = make_target()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)  # no clean-up of libraries, which may wait for threads that never end
    _answer(connection, ("ready", None))
    while True:
        try:
            request = read_message(connection)
        except (EOFError, OSError):
            _end()
        answer = _call(connection, target, request)
        sys.stdout.flush()
        sys.stderr.flush()
        _answer(connection, answer)


def _call(connection: socket.socket, target: object, request: bytes) -> tuple[str, object]:
    try:
        name, arguments, timeout_seconds = pickle.loads(request)
        method = getattr(target, name)
        if "report" in getattr(method, "__annotations__", ()):
            arguments["report"] = lambda value: _answer(connection, ("report", value))
        if timeout_seconds is not None:
            signal.setitimer(signal.ITIMER_REAL, 2 * timeout_seconds + 1)
        try:
            return "done", method(**arguments)
        finally:
            if timeout_seconds is not None:
                signal.setitimer(signal.ITIMER_REAL, 0)
    except BaseException as error:  # a method that exits is no reason to end
        return _failure(error)


def _answer(connection: socket.socket, answer: tuple[str, object]) -> None:
    try:
        message = pickle.dumps(answer)
    except Exception as error:
        message = pickle.dumps(_failure(error))
    try:
        write_message(connection, message)
    except OSError:
        _end()


def _failure(error: BaseException) -> tuple[str, tuple[str, str, str]]:
    text = "".join(traceback.format_exception(error))
    print(text, file=sys.stderr, flush=True)
    try:
        message = str(error)
    except Exception:
        message = "(its text cannot be made)"
    return "failed", (type(error).__name__, message, text)


def _limit_memory(num_bytes: int) -> None:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (num_bytes, num_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, ValueError, OSError):
        pass  # some systems have no such limit; the time limit still holds


def _end() -> NoReturn:
    os.killpg(0, signal.SIGKILL)
    os._exit(1)
