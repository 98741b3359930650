"""vLLM on other nodes: the driver's side."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from pmd_pipeline.config.compute import Precision
from pmd_pipeline.config.engines import HostedVllmConfig
from pmd_pipeline.engines.hosted import HostedEngine, Order, Publication, Ship
from pmd_pipeline.engines.probe import ProbeText, prove_trainer
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


class HostedVllm(HostedEngine):
    """See :class:`HostedEngine`."""

    target = "pmd_pipeline.engines.vllm_sampler:VllmSampler"
    runs_policy_model = False

    def __init__(self, config: HostedVllmConfig) -> None:
        self.timeout_seconds = config.timeout_seconds
        # Its GPUs are its own, and there is one copy of the model in it.
        self._config = config.model_copy(
            update={"sleep_between_uses": False, "data_parallel_size": 1}
        )
        self._is_trainer_proven = False

    def num_gpus(self, policy: Policy) -> int:
        """Return as many as share one copy of the weights, where the trainer has a GPU."""
        return self._config.tensor_parallel_size if policy.device.type == "cuda" else 0

    def publication(self, policy: Policy, ship: Ship, *, num_gpus: int) -> Publication:
        """Ship a checkpoint folder, from which vLLM starts, and reads new weights later."""
        precision = self._precision(policy)
        with weights_folder(policy, precision) as folder:
            files = {"folder": ship(folder)}
        start = Order(
            method="start",
            arguments={
                "config": self._config,
                "precision": precision,
                "environment": process_environment(
                    self._config.num_threads or torch.get_num_threads()
                ),
            },
            files=files,
        )
        load = Order(method="load", files=files)
        return Publication(version=policy.policy_version, for_new=[start], for_others=[load])

    def forget(self) -> None:
        """All of a policy is shipped each time."""

    def unit_arguments(self, unit: Unit, policy: Policy, version: int) -> dict[str, Any]:
        return unit_arguments(unit, policy)

    def score_arguments(
        self, prompts: Sequence[Sequence[int]], num_tokens: int, version: int
    ) -> dict[str, Any]:
        return {"prompts": prompts}

    def probe_texts(self, scored: Any) -> list[ProbeText]:
        return probe_texts(scored)

    def prove_trainer(self, policy: Policy, texts: Sequence[ProbeText]) -> None:
        if not self._is_trainer_proven:
            prove_trainer(policy, texts)
            self._is_trainer_proven = True

    def tolerance(self, policy: Policy) -> float:
        return vllm_tolerance(self._config, policy, self._precision(policy))

    def length_limit(
        self, policy: Policy, ask: Callable[[str], list[Any]]
    ) -> tuple[int | None, str]:
        return min(ask("max_model_len")), LENGTH_LIMIT

    def _precision(self, policy: Policy) -> Precision:
        return self._config.precision or policy.precision
