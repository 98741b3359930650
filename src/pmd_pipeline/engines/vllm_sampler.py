"""One copy of the model in vLLM, hosted by a sampler on another node.

vLLM runs in a child process of it, as it does beside the trainer; torch is imported there alone.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pmd_pipeline.cluster.facts import NodeFacts
from pmd_pipeline.config.compute import Precision
from pmd_pipeline.config.engines import VllmEngineConfig
from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.processes.child import ChildProcess
from pmd_pipeline.records import Completion

_ADAPTER = "pmd_pipeline.engines.vllm_adapter"


class VllmSampler:
    """What is hosted; see :class:`~pmd_pipeline.engines.hosted.HostedEngine`.

    Any of its calls raises a ChildError when the process with vLLM is gone.
    """

    def __init__(self) -> None:
        self._child: ChildProcess | None = None

    def start(
        self,
        folder: Path,
        config: VllmEngineConfig,
        precision: Precision,
        environment: Mapping[str, str],
    ) -> None:
        """Start vLLM with the model of a folder; takes seconds to minutes."""
        self._child = ChildProcess(
            _ADAPTER,
            environment=environment,
            name="vLLM",
            start_seconds=config.timeout_seconds,
            keep_log=True,
            advice_if_killed="the system may have killed it for lack of memory: lower "
            "gpu_memory_utilization or kv_cache_gib",
        )
        self._call("start", folder=folder, config=config, precision=precision)

    def load(self, folder: Path) -> None:
        """Load the weights of a folder in place of the current ones."""
        self._call("load_weights", folder=folder)

    def facts(self, node: str) -> NodeFacts:
        """Return what the bits of its results depend on."""
        found: NodeFacts = self._call("facts", node=node)
        return found

    def max_model_len(self) -> int:
        """Return the longest prompt and response together."""
        return int(self._call("max_model_len"))

    def score(self, prompts: Sequence[Sequence[int]]) -> list[tuple[list[int], np.ndarray]]:
        """Return each prompt with a few sampled tokens, and the log-probs of all but its first."""
        scored: list[tuple[list[int], np.ndarray]] = self._call("score", prompts=prompts)
        return scored

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        seeds: Sequence[int],
        num_samples: int,
        sampling: SamplingConfig,
        stop_token_ids: Sequence[int],
    ) -> list[list[Completion]]:
        """Return ``num_samples`` responses to each prompt."""
        groups: dict[int, list[Completion]] = {}

        def keep(group: tuple[int, list[Completion]]) -> None:
            groups[group[0]] = group[1]

        assert self._child is not None
        self._child.send(
            "generate",
            prompts=prompts,
            seeds=seeds,
            num_samples=num_samples,
            sampling=sampling,
            stop_token_ids=stop_token_ids,
        )
        self._child.receive(report=keep)
        return [groups[position] for position in range(len(prompts))]

    def _call(self, method: str, **arguments: Any) -> Any:
        assert self._child is not None
        return self._child.call(method, **arguments)
