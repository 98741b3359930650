"""A whole run with samplers on a cluster leaves the bytes of one without."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from projects import SHAPED, Project, make_project
from ray_clusters import RayCluster

from pmd_pipeline.engines.ray_engine import RayEngine
from pmd_pipeline.engines.unit_pool import UnitHandle
from pmd_pipeline.engines.units import Unit

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]

CATALOG = """
rollout_engine:
  type: pmd_pipeline.datasets.engines.RolloutEngineDataset
  backend: {backend}
  options: {options}
"""


def shaped(path: Path, *, backend: str, options: str, more: str = "") -> Project:
    """Return a project with a lag of one round."""
    project = make_project(path)
    folder = path / "conf" / "tiny"
    (folder / "parameters.yml").write_text(
        SHAPED.replace("training:", "training:\n  lag: 1") + more
    )
    (folder / "catalog.yml").write_text(CATALOG.format(backend=backend, options=options))
    return project


def test_two_samplers_one_of_which_is_killed_leave_the_bytes_of_none(
    ray_cluster: RayCluster, tmp_path: Path
) -> None:
    plain = shaped(tmp_path / "plain", backend="transformers", options="{unit_size: 4}")
    assert plain.run(to_outputs=["comparison"]) == 0

    found = shaped(
        tmp_path / "ray",
        backend="ray",
        options="{engine: {backend: transformers}, num_samplers: 2, unit_size: 4}",
        more=f"cluster: {{address: {ray_cluster.address!r}}}\n",
    )
    lost = tmp_path / "lost"

    def arrange() -> None:
        """Have a sampler killed while the second round's units are under way beside training."""
        submit, close = RayEngine.submit, RayEngine.close

        def submit_and_kill(
            engine: RayEngine, units: Sequence[Unit], version: int
        ) -> list[UnitHandle]:
            handles = submit(engine, units, version)
            if version > 0 and not lost.exists():
                lost.touch()
                os.kill(next(iter(engine.samplers.values())).process_id, signal.SIGKILL)
            return handles

        def close_and_count(engine: RayEngine) -> None:
            lost.write_text(str(engine.num_lost_units))
            close(engine)

        RayEngine.submit, RayEngine.close = submit_and_kill, close_and_count

    assert found.run(before=arrange, to_outputs=["comparison"]) == 0
    assert lost.read_text() == "1"
    assert found.comparison == plain.comparison
    tensors, others = plain.tensors(), found.tensors()
    assert others.keys() == tensors.keys()
    assert all(torch.equal(others[name], tensor) for name, tensor in tensors.items())
