"""A whole run on a cluster: the bytes of one without, though samplers and trainers are killed."""

import os
import re
import signal
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from forks import redirect
from lagging import sample_first
from projects import SHAPED, Project, make_project
from ray_clusters import RayCluster

from pmd_pipeline.engines.ray_engine import RayEngine
from pmd_pipeline.engines.unit_pool import UnitHandle
from pmd_pipeline.engines.units import Unit

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]

UNIT_SIZE = 4
# A lag of one round, and rounds of which some groups are drawn anew.
PARAMETERS = (
    SHAPED.replace("training:", "training:\n  lag: 1")
    + """
algorithms:
  pmd_mean: {prompt_filter: {low: -1.6, refill: {max_extra_rounds: 1}}}
comparison: {equal: [updates]}
"""
).replace("algorithms:\n  on_policy_gradient: {num_mini_batches: 2}\n", "")

ON_RAY = """
compute: {{launch: ray}}
cluster:
  address: {address}
  training:
    num_processes: 3
    placement: spread
    resources_per_process: {{CPU: 1, GPU: 1}}
"""
CATALOG = f"""
rollout_engine:
  type: pmd_pipeline.datasets.engines.RolloutEngineDataset
  backend: ray
  options: {{engine: {{backend: transformers}}, num_samplers: 2, unit_size: {UNIT_SIZE}}}
"""


def make(path: Path, more: str = "", catalog: str = "") -> Project:
    project = make_project(path)
    folder = path / "conf" / "tiny"
    (folder / "parameters.yml").write_text(PARAMETERS + more)
    if catalog:
        (folder / "catalog.yml").write_text(catalog)
    return project


def test_samplers_and_trainers_on_two_nodes_leave_the_bytes_of_none_though_two_are_killed(
    ray_cluster: RayCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sampler while a round is sampled ahead; a trainer in the midst of an all-reduce."""
    with monkeypatch.context() as patch:
        sample_first(patch, unit_size=UNIT_SIZE)
        plain = CATALOG.replace("backend: ray", "backend: transformers").replace(
            "engine: {backend: transformers}, num_samplers: 2, ", ""
        )
        expected = make(tmp_path / "plain", catalog=plain)
        assert expected.run_together(3, to_outputs=["comparison"]) == 0

    found = make(tmp_path / "ray", ON_RAY.format(address=ray_cluster.address), CATALOG)
    lost, mark, stderr = tmp_path / "lost", tmp_path / "killed", tmp_path / "stderr"

    def arrange() -> None:
        redirect("stderr", stderr)
        import ray_accidents

        from pmd_pipeline.training import rounds
        from pmd_pipeline.training.sharded import on_ray

        accident: Any = partial(ray_accidents.die_in_an_all_reduce, mark)
        on_ray.serve_on_node = accident
        submit, close, submit_round = RayEngine.submit, RayEngine.close, rounds.submit_round
        submitted: list[int] = []

        def note_round(*arguments: Any, round_index: int, **options: Any) -> Any:
            submitted.append(round_index)
            return submit_round(*arguments, round_index=round_index, **options)

        def submit_and_kill(
            engine: RayEngine, units: Sequence[Unit], version: int
        ) -> list[UnitHandle]:
            handles = submit(engine, units, version)
            if submitted == [0, 1] and not lost.exists():
                lost.touch()
                os.kill(next(iter(engine.samplers.values())).process_id, signal.SIGKILL)
            return handles

        def close_and_count(engine: RayEngine) -> None:
            lost.write_text(str(engine.num_lost_units))
            close(engine)

        rounds.submit_round = note_round
        RayEngine.submit, RayEngine.close = submit_and_kill, close_and_count

    assert found.run(before=arrange, to_outputs=["comparison"]) == 0
    assert lost.read_text() == "1"
    assert mark.exists()
    said = stderr.read_text()
    assert set(re.findall(r"Restart \d of at most 3 .*", said)) == {
        "Restart 1 of at most 3 of the training processes: the connection to a training process "
        f"broke: rank 2 on {ray_cluster.address.partition(':')[0]}: its worker process has died. "
        "Worker exit type: SYSTEM_ERROR Worker exit detail: Worker unexpectedly exits with a "
        "connection error code 2. End of file."
    }
    # Each of the two has a GPU of its own node, and sees no other.
    places = re.findall(r"rank 0 here.*?; rank 1 on [\d.]+, CUDA_VISIBLE_DEVICES=(\S+); "
                        r"rank 2 on [\d.]+, CUDA_VISIBLE_DEVICES=(\S+)", said)  # fmt: skip
    assert set(places) == {("0", "0")}

    metrics = [
        pd.read_parquet(path)
        for path in sorted(expected.data.glob("07_model_output/**/round_metrics/*.parquet"))
    ]
    rounds = pd.concat(metrics)
    assert rounds["staleness_rounds"].tolist() == [0, 1, 0, 1]
    assert rounds["num_generation_calls"].max() > 1  # refilled
    assert found.comparison == expected.comparison
    tensors, others = expected.tensors(), found.tensors()
    assert others.keys() == tensors.keys()
    assert all(torch.equal(others[name], tensor) for name, tensor in tensors.items())
