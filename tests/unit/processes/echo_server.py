"""What the tests of child processes start: a module that serves a few calls."""

import os
import sys
import time

from pmd_pipeline.processes.server import Report, serve


class Echo:
    def __init__(self) -> None:
        if os.environ.get("START") == "slow":
            time.sleep(600)
        if os.environ.get("START") == "broken":
            raise ImportError("no module named sympathy")

    def echo(self, value: object) -> object:
        return value

    def fail(self) -> None:
        raise ValueError("no such luck")

    def leave(self) -> None:
        sys.exit("had enough")

    def unpicklable(self) -> object:
        return lambda: 1

    def unreadable(self) -> object:
        return Unreadable()

    def variable(self, name: str) -> str | None:
        return os.environ.get(name)

    def session(self) -> int:
        return os.getsid(0)

    def allocate(self, num_bytes: int) -> int:
        return len(bytearray(num_bytes))

    def sleep(self, seconds: float) -> None:
        print("about to sleep", flush=True)
        time.sleep(seconds)

    def hold_the_interpreter(self) -> int:
        return (7 ** (3 * 10**8)).bit_length()  # no other thread runs meanwhile

    def count(self, number: int, report: Report) -> int:
        for _ in range(number):
            report(1)
        return number

    def end(self) -> None:
        print("famous last words", flush=True)
        os._exit(3)


class Unreadable:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return __import__, ("no_module_of_this_name",)


if __name__ == "__main__":
    serve(Echo)
