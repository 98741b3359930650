"""Two processes that train together: the files and figures of one; started by torchrun too."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
OUTPUTS = ["--env", "tiny", "--to-outputs", "comparison"]

# Kills the second process in the middle of the third update: in the second of four rounds.
KILLED = """
import os, signal
from pmd_pipeline.__main__ import main
from pmd_pipeline.training.sharded.shard import Shard

update, count, rank = Shard.update, 0, int(os.environ["RANK"])

def dies(self, share):
    global count
    count += 1
    if rank == 1 and count == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return update(self, share)

Shard.update = dies
main()
"""


def torchrun(project: Any, *arguments: str) -> tuple[int, str]:
    """Start two processes by torchrun and return its exit status and what they said."""
    process = subprocess.Popen(
        [*TORCHRUN, "--nproc-per-node", "2", *arguments],
        cwd=project.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        output, _ = process.communicate(timeout=200)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)  # torchrun ends its processes, by force after 30 s
        output, _ = process.communicate(timeout=60)
        pytest.fail(f"torchrun did not end:\n{output[-3000:]}")
    return process.returncode, output


@pytest.fixture(scope="module")
def alone(make_shaped: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    project = make_shaped(tmp_path_factory.mktemp("alone") / "project")
    assert project.run(to_outputs=["comparison"]) == 0
    return project


@pytest.fixture(scope="module")
def together(make_shaped: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    project = make_shaped(tmp_path_factory.mktemp("together") / "project")
    assert project.run_together(2, to_outputs=["comparison"]) == 0
    return project


@pytest.mark.slow
def test_two_processes_leave_the_weights_and_moments_of_one(alone: Any, together: Any) -> None:
    expected, found = alone.tensors(), together.tensors()
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-5, atol=1e-6, msg=name)


@pytest.mark.slow
def test_two_processes_report_the_rounds_and_evaluations_of_one(alone: Any, together: Any) -> None:
    def table(project: Any) -> pd.DataFrame:
        files = sorted((project.data / "07_model_output").glob("**/round_metrics/*.parquet"))
        assert len(files) == 4
        rounds = pd.concat([pd.read_parquet(file) for file in files]).select_dtypes("number")
        return rounds[[name for name in rounds if "second" not in str(name)]]

    expected, found = table(alone), table(together)
    assert (expected["gradient_norm"] > 1e-3).all()  # rounding alone would leave less
    for name in expected:
        tolerance: dict[str, Any] = {"rtol": 1e-4, "atol": 1e-5, "equal_nan": True}
        np.testing.assert_allclose(found[name], expected[name], err_msg=str(name), **tolerance)
    assert together.comparison == alone.comparison


@pytest.mark.slow
def test_a_lost_process_is_spoken_of_and_the_run_resumes_to_the_bit(
    make_shaped: Any, tmp_path: Path, together: Any
) -> None:
    project = make_shaped(tmp_path / "project")
    (project.path / "killed.py").write_text(KILLED)
    status, output = torchrun(project, "killed.py", *OUTPUTS)
    assert status != 0
    # torchrun sees the loss too, and its signal may reach the driver first.
    spoken = ("Error: the connection to a training process broke", "Interrupted. Continue with")
    assert any(words in output for words in spoken), output[-3000:]
    assert next(project.data.glob("06_models/pmd_mean/seed_0/*/round_*")).name == "round_00001"

    kedro = [str(Path(sys.executable).with_name("kedro")), "run", *OUTPUTS]
    status, output = torchrun(project, "--no-python", *kedro, "--only-missing-outputs")
    assert status == 0, output[-3000:]
    assert project.comparison == together.comparison
    expected, found = together.tensors(), project.tensors()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


@pytest.mark.slow
def test_an_error_before_any_training_ends_all_processes(make_shaped: Any, tmp_path: Path) -> None:
    project = make_shaped(tmp_path / "project")
    arguments = ["-m", "pmd_pipeline", "run", *OUTPUTS, "--params", "training.group_sise=2"]
    status, output = torchrun(project, *arguments)
    assert status != 0
    assert "training.group_sise: unknown parameter" in output, output[-3000:]
