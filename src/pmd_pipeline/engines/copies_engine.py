"""Sampling from copies of the policy, in processes of their own.

This process is then free to train, or to wait.
"""

from typing import Any

import torch

from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.engines.base import RolloutEngine
from pmd_pipeline.engines.copied_policy import skeleton_of, tensors_file
from pmd_pipeline.engines.lengths import max_positions
from pmd_pipeline.engines.probe import Probe, ProbeText, tolerance_of
from pmd_pipeline.engines.processes_engine import ProcessesEngine
from pmd_pipeline.engines.units import Unit
from pmd_pipeline.launch import current_launch
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.processes.child import ChildProcess

_PROGRAM = "pmd_pipeline.engines.sampler_process"


class CopiesEngine(ProcessesEngine):
    """A rollout engine; see :class:`ProcessesEngine`. The copies compute the policy's own bits."""

    runs_policy_model = True

    def __init__(self, config: TransformersEngineConfig) -> None:
        super().__init__(unit_size=config.unit_size, timeout_seconds=config.timeout_seconds)
        self._config = config

    def beside_training(self) -> RolloutEngine:
        """Return this engine: it samples from copies."""
        return self

    def _num_samplers(self) -> int:
        return max(1, self._config.num_processes)

    def _make_sampler(self, index: int) -> ChildProcess:
        return ChildProcess(
            _PROGRAM,
            environment={"OMP_NUM_THREADS": str(torch.get_num_threads())},
            name=f"sampling process {index + 1}",
            start_seconds=self._timeout_seconds,
            keep_log=True,
            advice_if_killed="the system may have killed it for lack of memory: lower "
            "rollout_engine.options.num_processes or max_batch_size",
        )

    def _load(self, policy: Policy, *, starts: bool) -> None:
        is_new = starts or policy is not self._published.policy
        if is_new:
            skeleton = skeleton_of(policy)
            for i, sampler in enumerate(self._samplers):
                sampler.send(
                    "start",
                    skeleton=skeleton,
                    config=self._config,
                    device=_device_of_copy(i, policy.device),
                    num_threads=torch.get_num_threads(),
                )
            for sampler in self._samplers:
                sampler.receive(timeout_seconds=self._timeout_seconds)
        with tensors_file(policy, "all" if is_new else "trained") as path:
            self._call_all("load", path=path, version=policy.policy_version)

    def _arguments(self, unit: Unit) -> dict[str, Any]:
        return {"unit": unit, "version": self._published.version}

    def _score(self, policy: Policy, probe: Probe) -> list[list[ProbeText]]:
        return self._call_all(
            "score",
            prompts=probe.prompts,
            max_new_tokens=probe.num_tokens,
            version=policy.policy_version,
        )

    def _tolerance(self, policy: Policy) -> float:
        return tolerance_of(policy)

    def _length_limit(self, policy: Policy) -> tuple[int | None, str]:
        return max_positions(policy), "positions of the model"


def _device_of_copy(index: int, device: torch.device) -> str:
    """Return where a copy lies: on GPUs that no training process uses, as far as there are some."""
    if device.type != "cuda":
        return str(device)
    spare = range(current_launch().world_size, torch.cuda.device_count())
    return f"cuda:{spare[index % len(spare)]}" if spare else str(device)
