"""Processes in sessions of their own beside what else runs on the machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

GROUP = Path("/proc/self/autogroup")

pytestmark = pytest.mark.skipif(not GROUP.exists(), reason="Linux alone has groups of sessions")

ASK = """
import os
from pathlib import Path
from pmd_pipeline.processes.priority import lower_group
os.nice(3)
lower_group()
print(os.nice(0), Path("/proc/self/autogroup").read_text().split()[-1])
"""

ASK_IN_A_CHILD = f"""
import subprocess, sys
from pathlib import Path
print(Path("/proc/self/autogroup").read_text().split()[-1], flush=True)
subprocess.run([sys.executable, "-c", {ASK!r}], check=True)
"""


def printed_in_a_new_session(code: str) -> list[int]:
    """Return what code prints in a session of its own (pytest's own may have no group)."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        start_new_session=True,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [int(value) for value in done.stdout.split()]


def test_a_nice_process_lowers_the_group_of_its_own_session() -> None:
    nice = os.nice(0) + 3
    assert printed_in_a_new_session(ASK) == [nice, nice]


def test_the_group_of_a_session_with_others_stays() -> None:
    group_before, nice, group = printed_in_a_new_session(ASK_IN_A_CHILD)
    assert nice == os.nice(0) + 3
    assert group == group_before
