"""What the configured rollout engine takes on a device."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, assert_never

from pmd_pipeline.config.compute import Precision
from pmd_pipeline.config.engines import (
    EngineConfig,
    EngineEntryError,
    RayEngineConfig,
    TransformersEngineConfig,
    VllmEngineConfig,
    parse_engine,
)
from pmd_pipeline.preflight.activations import BFLOAT16_BYTES, FLOAT32_BYTES
from pmd_pipeline.preflight.memory import kv_cache_bytes_per_token
from pmd_pipeline.preflight.shape import ModelShape


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplersElsewhere:
    """Samplers on a Ray cluster, which take nothing from the trainer's devices.

    Attributes:
        num_samplers: Wanted.
        resources: That each reserves, as Ray names them; None: what follows from the trainer.
        bandwidth_gbit_per_second: Of the network between nodes; None if it is not stated.
    """

    num_samplers: int
    resources: Mapping[str, float] | None
    bandwidth_gbit_per_second: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerPlan:
    """The engine, as far as memory depends on it.

    Attributes:
        backend: ``transformers`` or ``vllm``.
        has_own_weights: False if it samples with the trainer's model, or copies of it.
        num_copies: Of the trainer's model, in processes that sample; 0: the model itself samples.
        element_bytes: Of weights copied for the products, and of keys and values.
        tensor_parallel_size: Devices that share one copy of the weights.
        batch_size: Responses decoded at the same time whatever their length; None if the engine
            takes as many as there is room for.
        memory_fraction: Of each GPU that the engine takes for itself; None if it takes what it
            needs, or ``cache_bytes``.
        cache_bytes: Keys and values that the engine sets aside on each device; None if
            ``memory_fraction`` decides.
        elsewhere: If it is one of several on a Ray cluster; None: beside the trainer.
    """

    backend: str
    has_own_weights: bool
    element_bytes: int
    tensor_parallel_size: int
    batch_size: int | None
    memory_fraction: float | None = None
    cache_bytes: int | None = None
    num_copies: int = 0
    elsewhere: SamplersElsewhere | None = None

    @property
    def name(self) -> str:
        """As it is called in the plan."""
        return self.backend if self.elsewhere is None else f"{self.backend} on Ray"

    @property
    def extras(self) -> tuple[str, ...]:
        """Optional parts of this project that the engine needs."""
        own = () if self.backend == "transformers" else (self.backend,)
        return own if self.elsewhere is None else ("ray", *own)


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerMemory:
    """Bytes on one device.

    Attributes:
        weights: The engine's own, or the copies in its precision.
        cache_per_sequence: Keys and values of one full-length sequence.
        cache: Of all sequences that the engine decodes at the same time, at full length; of a
            single one if the engine takes as many as there is room for.
    """

    weights: int
    cache_per_sequence: int
    cache: int

    def reserved(self, plan: SamplerPlan, *, device_bytes: int) -> int:
        """Return what an engine with its own weights sets aside on a GPU."""
        if plan.memory_fraction is not None:
            return int(plan.memory_fraction * device_bytes)
        return self.weights + (plan.cache_bytes or self.cache)

    @property
    def least(self) -> int:
        """The minimum: one full-length sequence."""
        return self.weights + self.cache_per_sequence

    @property
    def most(self) -> int:
        """What it needs if all sequences reach their full length."""
        return self.weights + self.cache


def plan_sampler(entry: Mapping[str, Any], *, trainer_precision: Precision) -> SamplerPlan:
    """Return the plan of the catalog's entry ``rollout_engine``.

    Args:
        entry: The entry.
        trainer_precision: Of the experiment; an engine follows it unless its options say
            otherwise.

    Raises:
        EngineEntryError: If the entry has no known backend, or an option is wrong.
    """
    if "backend" not in entry:
        raise EngineEntryError(
            "rollout_engine has no backend: add backend: transformers, vllm or ray"
        )
    backend = str(entry["backend"])
    return _plan(parse_engine(backend, entry.get("options")), trainer_precision)


def _plan(config: EngineConfig, trainer_precision: Precision) -> SamplerPlan:
    match config:
        case RayEngineConfig(engine=engine):
            return replace(
                _plan(engine, trainer_precision),
                num_copies=1 if engine.backend == "transformers" else 0,
                elsewhere=SamplersElsewhere(
                    num_samplers=config.num_samplers,
                    resources=config.resources,
                    bandwidth_gbit_per_second=config.bandwidth_gbit_per_second,
                ),
            )
        case TransformersEngineConfig():
            return SamplerPlan(
                backend="transformers",
                has_own_weights=False,
                element_bytes=_element_bytes(trainer_precision),
                tensor_parallel_size=1,
                batch_size=config.max_batch_size,
                num_copies=config.num_processes,
            )
        case VllmEngineConfig(kv_cache_gib=gib):
            return SamplerPlan(
                backend="vllm",
                has_own_weights=True,
                element_bytes=_element_bytes(config.precision or trainer_precision),
                tensor_parallel_size=config.tensor_parallel_size,
                batch_size=None,
                memory_fraction=config.gpu_memory_utilization if gib is None else None,
                cache_bytes=None if gib is None else int(gib * 2**30),
            )
        case _:
            assert_never(config)


def _element_bytes(precision: Precision) -> int:
    return BFLOAT16_BYTES if precision == "bfloat16" else FLOAT32_BYTES


def sampler_memory(
    shape: ModelShape,
    plan: SamplerPlan,
    *,
    longest_sequence_tokens: int,
    trainer_weights: Precision = "float32",
) -> SamplerMemory:
    """Return what the engine takes on each of its devices.

    Args:
        shape: The model.
        plan: The engine.
        longest_sequence_tokens: Prompt and response.
        trainer_weights: Precision of the policy's weights, which an engine without its own weights
            may have to copy.

    Returns:
        Bytes of all copies together, if the engine has several on this device.
    """
    parts = plan.tensor_parallel_size
    copies = plan.has_own_weights or plan.element_bytes != _element_bytes(trainer_weights)
    per_token = kv_cache_bytes_per_token(shape, element_bytes=plan.element_bytes)
    # Keys and values are divided by head; if there are fewer heads than parts, they repeat.
    per_sequence = longest_sequence_tokens * per_token // max(1, min(parts, shape.num_kv_heads))
    num_copies = max(1, plan.num_copies)
    weights = shape.num_parameters * plan.element_bytes // parts if copies else 0
    if plan.num_copies:
        weights += shape.num_parameters * _element_bytes(trainer_weights)
    return SamplerMemory(
        weights=num_copies * weights,
        cache_per_sequence=num_copies * per_sequence,
        cache=num_copies * per_sequence * (plan.batch_size or 1),
    )
