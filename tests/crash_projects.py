"""Projects for accidents, and commands in them that can be killed at any moment."""

import hashlib
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from forks import begin_forked, redirect
from projects import SHAPED, Project, make_project

# The one command: it starts a run and goes on with it.
RUN = ("run", "--env", "tiny", "--only-missing-outputs")

# Two algorithms and training seeds, so that kills fall between them too, and gradients that are
# more than rounding.
PARAMETERS = SHAPED.replace("[pmd_mean]", "[pmd_mean, on_policy_gradient]").replace(
    "seeds: [0]", "seeds: [0, 1]"
)

_TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A run that nothing has interrupted, and how long it took."""

    project: Project
    seconds: float


def make_crash_project(path: Path) -> Project:
    """Return a new project for accidents."""
    project = make_project(path)
    (path / "conf" / "tiny" / "parameters.yml").write_text(PARAMETERS)
    return project


def outcome(project: Project) -> dict[str, str]:
    """Return the digests of the comparison table, and of every phase's weights and moments."""
    files = [project.data / "08_reporting" / "comparison.csv"]
    files += sorted((project.data / "06_models").rglob("*.safetensors"))
    return {
        str(path.relative_to(project.data)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


class Command:
    """A `kedro` command that runs in a forked child; use :meth:`wait` or :meth:`kill`."""

    def __init__(self, project: Project, *arguments: str) -> None:
        self.log = project.path / "command.log"

        def run() -> None:
            from kedro.framework.cli import main

            redirect("stdout", self.log)
            redirect("stderr", self.log.with_suffix(".stderr"))
            os.chdir(project.path)
            sys.argv = ["kedro", *arguments]
            main()

        self._pid = begin_forked(run)

    def wait(self, seconds: float) -> int | None:
        """Return the exit status, None if it goes on after this time."""
        try:
            return int(psutil.Process(self._pid).wait(seconds) or 0)
        except psutil.TimeoutExpired:
            return None

    def kill(self) -> None:
        """Kill it."""
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)


class TorchrunCommand:
    """A `kedro` command in two processes that train together."""

    def __init__(self, project: Project, *arguments: str) -> None:
        self.log = project.path / "command.log"
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                [*_TORCHRUN, "-m", "pmd_pipeline", *arguments],
                cwd=project.path,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait(self, seconds: float) -> int | None:
        """Return the exit status, None if it goes on after this time."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """Kill all its processes, which torchrun starts in sessions of their own."""
        torchrun = psutil.Process(self._process.pid)
        processes = [torchrun, *torchrun.children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        psutil.wait_procs(processes, timeout=60)

    def kill_one(self, index: int) -> None:
        """Kill one of the processes, torchrun's own (0) included; wait until all have ended."""
        torchrun = psutil.Process(self._process.pid)
        processes = [torchrun, *torchrun.children()]
        processes[index % len(processes)].kill()
        self._process.wait(120)
        _, alive = psutil.wait_procs(processes, timeout=120)
        assert not alive, f"{alive} did not end"
