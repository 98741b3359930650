"""Stands for the program of a study's worker: says what it was given, then ends as it was told.

It imports the standard library alone, so that it starts at once.
"""

import os
import signal
import sys

told = sys.stdin.read()
print(f"on {sys.argv[1]}, {os.environ['OMP_NUM_THREADS']} threads: {told}", file=sys.stderr)
match told:
    case "wait":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
        print("ready", file=sys.stderr, flush=True)
        signal.pause()
    case "fail":
        print("the loss is nan")
        sys.exit(1)
    case "crash":
        raise ImportError("no module named torch")
