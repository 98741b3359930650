"""The driver's side of samplers that play: see played_samplers.py, which nodes import."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pmd_pipeline.cluster.facts import own_facts
from pmd_pipeline.config.engines import RayEngineConfig, parse_engine
from pmd_pipeline.engines.hosted import HostedEngine, Order, Publication, Ship
from pmd_pipeline.engines.probe import ProbeText
from pmd_pipeline.engines.ray_engine import RayEngine
from pmd_pipeline.engines.units import Unit
from pmd_pipeline.policies.policy import Policy


class HostedPlay(HostedEngine):
    """Samplers that play, on nodes that are all right, with weights that are always proven."""

    target = "played_samplers:PlayedSampler"
    runs_policy_model = True
    timeout_seconds = 60.0

    def num_gpus(self, policy: Policy) -> int:
        return 0

    def publication(self, policy: Policy, ship: Ship, *, num_gpus: int) -> Publication:
        version = policy.policy_version
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "weights").write_text(f"version {version}")
            shipped = ship(Path(folder))
        start = Order(method="start", arguments={"facts": own_facts("")})
        load = Order(method="load", arguments={"version": version}, files={"folder": shipped})
        return Publication(version=version, for_new=[start, load], for_others=[load])

    def forget(self) -> None:
        pass

    def unit_arguments(self, unit: Unit, policy: Policy, version: int) -> dict[str, Any]:
        return {"unit": unit, "version": version}

    def score_arguments(
        self, prompts: Sequence[Sequence[int]], num_tokens: int, version: int
    ) -> dict[str, Any]:
        return {"version": version}

    def probe_texts(self, scored: Any) -> list[ProbeText]:
        return [ProbeText(prompt=[1], response=[3], log_probs=np.zeros(1, dtype=np.float32))]

    def prove_trainer(self, policy: Policy, texts: Sequence[ProbeText]) -> None:
        pass

    def tolerance(self, policy: Policy) -> float:
        return float("inf")

    def length_limit(
        self, policy: Policy, ask: Callable[[str], list[Any]]
    ) -> tuple[int | None, str]:
        return None, ""


def make_played_engine(**options: Any) -> RayEngine:
    settings = {"engine": {"backend": "transformers"}, "num_samplers": 1, "unit_size": 1} | options
    config = parse_engine("ray", settings)
    assert isinstance(config, RayEngineConfig)
    return RayEngine(config, HostedPlay())
