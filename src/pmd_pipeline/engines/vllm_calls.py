"""What an engine with vLLM sends to its processes and reads from them, wherever they run."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from pmd_pipeline.config.compute import Precision
from pmd_pipeline.config.engines import VllmEngineConfig
from pmd_pipeline.engines.probe import BFLOAT16_TOLERANCE, ProbeText, tolerance_of
from pmd_pipeline.engines.units import Unit
from pmd_pipeline.policies.policy import Policy

LENGTH_LIMIT = "tokens that vLLM can hold (rollout_engine.options.max_model_len, kv_cache_gib)"


def unit_arguments(unit: Unit, policy: Policy) -> dict[str, Any]:
    """Return the arguments with which the adapter samples a unit."""
    return {
        "prompts": [list(prompt) for prompt in unit.prompts],
        "seeds": list(unit.seeds),
        "num_samples": unit.num_samples,
        "sampling": unit.sampling,
        "stop_token_ids": sorted(policy.stop_token_ids),
    }


def probe_texts(scored: Iterable[tuple[Sequence[int], np.ndarray]]) -> list[ProbeText]:
    """Return what the adapter says of the probe's prompts as texts: all but the first token."""
    return [
        ProbeText(prompt=tokens[:1], response=tokens[1:], log_probs=log_probs)
        for tokens, log_probs in scored
    ]


def vllm_tolerance(config: VllmEngineConfig, policy: Policy, precision: Precision) -> float:
    """Return the largest mean difference of log-probs between vLLM and the trainer, nats."""
    if config.probe_tolerance is not None:
        return config.probe_tolerance
    return tolerance_of(policy) if precision == "float32" else BFLOAT16_TOLERANCE


def process_environment(num_threads: int) -> dict[str, str]:
    """Return the variables of a process with vLLM."""
    return {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # the engine is already alone in its process
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # else two copies may share one core
        "OMP_NUM_THREADS": str(num_threads),
    }
