"""What the tests of child processes start: a module that serves a few calls."""

import os
import sys
import time
from multiprocessing.connection import Connection

from pmd_pipeline.engines.child_process import Report, serve


class Echo:
    def echo(self, value: object) -> object:
        return value

    def fail(self) -> None:
        raise ValueError("no such luck")

    def variable(self, name: str) -> str | None:
        return os.environ.get(name)

    def sleep(self, seconds: float) -> None:
        print("about to sleep", flush=True)
        time.sleep(seconds)

    def count(self, number: int, report: Report) -> int:
        for _ in range(number):
            report(1)
        return number

    def end(self) -> None:
        print("famous last words", flush=True)
        os._exit(3)


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])), Echo())
