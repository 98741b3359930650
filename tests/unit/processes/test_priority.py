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
os.nice({nice})
lower_group()
print(os.nice(0), Path("/proc/self/autogroup").read_text().split()[-1])
"""


def asked(nice: int, *, has_own_session: bool) -> list[int]:
    """Return nice values of a process that is to lower its group, and of the group."""
    done = subprocess.run(
        [sys.executable, "-c", ASK.format(nice=nice)],
        start_new_session=has_own_session,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [int(value) for value in done.stdout.split()]


def test_a_nice_process_lowers_the_group_of_its_own_session() -> None:
    here = os.nice(0)
    assert asked(3, has_own_session=True) == [here + 3, here + 3]


def test_the_group_of_a_session_with_others_stays() -> None:
    group = int(GROUP.read_text().split()[-1])
    assert asked(3, has_own_session=False) == [os.nice(0) + 3, group]
