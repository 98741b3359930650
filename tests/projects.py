"""Temporary projects, and runs of them in child processes that can be killed."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from forks import begin_forked, empty_tracking_store, run_forked, wait
from helpers import PROJECT
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from safetensors.torch import load_file

from pmd_pipeline.hooks.intent import Intent, intending

os.environ["DO_NOT_TRACK"] = "1"

# Smaller than conf/smoke: two algorithms, two phases of two rounds.
TINY = """
data_preparation:
  train: {num_problems: 12}
  evals:
    addition: {num_problems: 8}
policy_initialisation:
  policy:
    hidden_size: 32
    num_heads: 2
    feed_forward_size: 64
    warm_start: {num_steps: 25}
rollout_generation: {num_samples: 2, min_mean_reward: null, max_mean_reward: null}
training:
  algorithms: [pmd_mean, on_policy_gradient]
  seeds: [0]
  num_phases: 2
  rounds_per_phase: 2
  prompts_per_round: 4
  group_size: 2
  num_mini_batches: 2
  sampling: {max_new_tokens: 24}
algorithms:
  on_policy_gradient: {num_mini_batches: 2}
evaluation:
  num_samples: 2
  sampling: {max_new_tokens: 24}
theory:
  estimation_error: {num_seeds: 4}
  laboratory: {num_seeds: 4, num_rounds: 2}
"""

# Over TINY: a policy that can add a little, so that many groups are neither all right nor all
# wrong, two algorithms whose fixed points lie far apart, and one whose rounds are refilled.
COMPARED = """
data_preparation:
  train: {num_problems: 64}
policy_initialisation:
  policy:
    hidden_size: 64
    num_heads: 4
    feed_forward_size: 128
    warm_start: {num_steps: 250}
training:
  algorithms: [pmd_mean, pmd_part_small, grpo]
  rounds_per_phase: 1
  prompts_per_round: 32
  group_size: 8
  num_mini_batches: 8
  measured_rollouts: round
  sampling: {max_new_tokens: 60}
algorithms:
  pmd_part_small: {kind: pmd_part, tau: 0.05}
  grpo: {prompt_filter: {low: -1, high: 1, refill: {max_extra_rounds: 1}}}
comparison: {equal: [updates]}
"""

# TINY with one algorithm and gradients that are more than rounding: the tiny policy is always
# wrong, so what tells its responses apart is their length.
SHAPED = (
    TINY.replace("[pmd_mean, on_policy_gradient]", "[pmd_mean]")
    + "rewards: {overlong_buffer_tokens: 20}\n"
)


class Result(NamedTuple):
    """How a command ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class Project:
    """A copy of the project's configuration in a folder of its own."""

    path: Path
    env: str = "tiny"

    @property
    def data(self) -> Path:
        return self.path / "data" / self.env

    @property
    def comparison(self) -> bytes:
        return (self.data / "08_reporting" / "comparison.csv").read_bytes()

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return every tensor of every policy and optimizer that a run has left."""
        root = self.data / "06_models"
        return {
            f"{file.relative_to(root)}: {name}": tensor
            for file in sorted(root.glob("**/*.safetensors"))
            for name, tensor in load_file(file).items()
        }

    def session(self, **params: Any) -> KedroSession:
        """Return a session on the environment ``tiny`` in this process."""
        bootstrap_project(self.path)
        return KedroSession.create(self.path, env="tiny", runtime_params=params)

    def run(
        self,
        *,
        before: Callable[[], None] = lambda: None,
        after: Callable[[], None] = lambda: None,
        params: dict[str, Any] | None = None,
        overwrite: bool = False,
        **options: Any,
    ) -> int:
        """Run the environment ``tiny`` in a forked child and return its exit status.

        Args:
            before: Called in the child before the run, to arrange an accident.
            after: Called in the child after it.
            params: As ``--params``.
            overwrite: As ``--overwrite``.
            options: Of ``KedroSession.run``.
        """

        def run() -> None:
            os.chdir(self.path)
            before()
            intent = intending(Intent.OVERWRITE) if overwrite else nullcontext()
            with intent, self.session(**(params or {})) as session:
                session.run(**options)
            after()

        return run_forked(run)

    def run_together(self, num_processes: int, **options: Any) -> int:
        """Run the environment ``tiny`` in forked children that train together; see :meth:`run`.

        They find in their environment what torchrun says, which starts processes that have to
        import everything first.
        """
        with socket.socket() as listener:
            listener.bind(("localhost", 0))
            port = listener.getsockname()[1]

        def join(rank: int) -> None:
            from pmd_pipeline.launch import take_launch

            os.environ |= {
                "RANK": str(rank),
                "WORLD_SIZE": str(num_processes),
                "LOCAL_WORLD_SIZE": str(num_processes),
                "MASTER_ADDR": "localhost",
                "MASTER_PORT": str(port),
            }
            take_launch()

        def serve(rank: int) -> None:
            from pmd_pipeline.launch import current_launch
            from pmd_pipeline.training.sharded import worker

            join(rank)
            raise SystemExit(worker.serve(current_launch()))

        def end() -> None:
            from pmd_pipeline.training.sharded.driver import end_training_processes

            end_training_processes()

        others = [begin_forked(partial(serve, rank)) for rank in range(1, num_processes)]
        try:
            return self.run(before=partial(join, 0), after=end, **options)
        finally:
            for child in others:  # they end with the driver, in which the store was
                wait(child)

    def command(self, *arguments: str, folder: str = ".") -> Result:
        """Run a ``kedro`` command in a forked child, which need not import everything anew.

        Args:
            arguments: Of the command.
            folder: Within the project, where the command is given.
        """
        stdout, stderr = (self.path / f"command.{name}" for name in ("stdout", "stderr"))

        def run() -> None:
            from kedro.framework.cli import main

            os.chdir(self.path / folder)
            sys.argv = ["kedro", *arguments]
            main()

        status = run_forked(run, stdout=stdout, stderr=stderr)
        return Result(status, stdout.read_text(), stderr.read_text())

    def kedro(self, *arguments: str, timeout: float = 280) -> subprocess.CompletedProcess[str]:
        """Run a ``kedro`` command in a process of its own, as a user does; timeout in seconds."""
        return subprocess.run(
            [sys.executable, "-m", "kedro", *arguments],
            cwd=self.path,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


def make_project(path: Path, *, has_database: bool = True) -> Project:
    """Make a project; without a database for MLflow, the first run makes it."""
    shutil.copytree(PROJECT / "conf", path / "conf")
    if has_database:
        shutil.copy(empty_tracking_store(), path / "mlflow.db")
    shutil.copy(PROJECT / "pyproject.toml", path)
    (path / "src").mkdir()
    (path / "conf" / "tiny").mkdir()
    (path / "conf" / "tiny" / "parameters.yml").write_text(TINY)
    return Project(path)
