"""Options of the rollout engines."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, ValidationError, model_validator

from pmd_pipeline.config.base import StrictModel
from pmd_pipeline.config.cluster import Strategy
from pmd_pipeline.config.compute import Precision

UnitSize = Annotated[
    int | None,
    Field(
        default=None,
        ge=1,
        description="responses that are sampled together as one unit, whichever process samples "
        "them; results of the same unit size are the same, to the byte, with one process and with "
        "many; null: all of a call, cut for as many processes as there are",
    ),
]


class TransformersEngineConfig(StrictModel):
    """The engine that decodes with a transformers model: the trainer's own, or copies of it."""

    max_batch_size: int = Field(
        default=1024, ge=1, description="responses decoded at the same time"
    )
    unit_size: UnitSize = None
    num_processes: int = Field(
        default=0,
        ge=0,
        description="processes that sample, each from a copy of the policy; 0: this process "
        "samples from the trainer's own model, and with training.lag one other from a copy",
    )
    timeout_seconds: float = Field(
        default=900,
        gt=0,
        description="of such a process: for starting, and for loading new weights",
    )


class VllmEngineConfig(StrictModel):
    """The engine that samples with vLLM, in separate processes.

    Option names are vLLM's own where they exist.
    """

    precision: Precision | None = Field(
        default=None, description="of the sampler's weights and arithmetic; null: the trainer's"
    )
    tensor_parallel_size: int = Field(
        default=1, ge=1, description="devices that share one copy of the weights"
    )
    data_parallel_size: Literal["auto"] | Annotated[int, Field(ge=1)] = Field(
        default="auto",
        description="copies of the model, each on its own devices; auto: as many as the GPUs "
        "allow, one on a CPU",
    )
    gpu_memory_utilization: float = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="share of each GPU for weights and cache; the trainer needs the rest",
    )
    kv_cache_gib: float | None = Field(
        default=None,
        gt=0,
        description="keys and values, for each device; null: what gpu_memory_utilization leaves on "
        "a GPU, 1 on a CPU",
    )
    max_model_len: int | None = Field(
        default=None,
        ge=1,
        description="longest prompt and response together; null: what the model supports and the "
        "cache can hold",
    )
    max_num_seqs: int | None = Field(
        default=None, ge=1, description="responses decoded at the same time; null: vLLM's choice"
    )
    enforce_eager: Literal["auto"] | bool = Field(
        default="auto",
        description="true: nothing is compiled; auto: compile on GPUs, where it pays",
    )
    enable_prefix_caching: bool = Field(
        default=True, description="keep keys and values of prompts until the next update"
    )
    sleep_between_uses: bool = Field(
        default=True,
        description="release GPU memory to the trainer after sampling; no effect on a CPU",
    )
    num_threads: int | None = Field(
        default=None, ge=1, description="CPU threads of each copy; null: as many as torch has here"
    )
    unit_size: UnitSize = None
    probe_tolerance: float | None = Field(
        default=None,
        gt=0,
        description="largest mean difference of log-probs between trainer and sampler, nats; "
        "null: 1e-3 in float32, 0.1 if either side computes in bfloat16",
    )
    timeout_seconds: float = Field(
        default=900, gt=0, description="for starting, and for loading new weights"
    )


class HostedConfig(StrictModel):
    """An engine in a sampler on Ray, some of whose options have no meaning there.

    Attributes:
        decided_elsewhere: What to do instead of setting each of these.
    """

    decided_elsewhere: ClassVar[Mapping[str, str]] = {}

    @model_validator(mode="after")
    def _ray_decides(self) -> Self:
        for name, instead in self.decided_elsewhere.items():
            if name in self.model_fields_set:
                raise ValueError(f"{name} has no meaning for one sampler of several; {instead}")
        return self


_UNIT_SIZE_INSTEAD = "set unit_size beside engine, not in it"
_NUM_SAMPLERS_INSTEAD = "set num_samplers beside engine"


class HostedTransformersConfig(TransformersEngineConfig, HostedConfig):
    """The transformers engine with a copy of the policy, in a sampler on Ray."""

    decided_elsewhere: ClassVar[Mapping[str, str]] = {
        "unit_size": _UNIT_SIZE_INSTEAD,
        "num_processes": _NUM_SAMPLERS_INSTEAD,
    }

    backend: Literal["transformers"]


class HostedVllmConfig(VllmEngineConfig, HostedConfig):
    """One copy of the model in vLLM, in a sampler on Ray."""

    decided_elsewhere: ClassVar[Mapping[str, str]] = {
        "unit_size": _UNIT_SIZE_INSTEAD,
        "data_parallel_size": _NUM_SAMPLERS_INSTEAD,
        "sleep_between_uses": "a sampler's GPUs are its own",
    }

    backend: Literal["vllm"]
    gpu_memory_utilization: float = Field(
        default=0.9, gt=0, lt=1, description="share of each GPU for weights and cache"
    )


class RayEngineConfig(StrictModel):
    """Samplers on the Ray cluster of the section `cluster`, each with an engine of its own."""

    engine: Annotated[
        HostedTransformersConfig | HostedVllmConfig, Field(discriminator="backend")
    ] = Field(description="what each sampler samples with: backend, and that engine's own options")
    num_samplers: int = Field(
        ge=1,
        description="samplers wanted; a run goes on with those that there are, at least one, and "
        "tries to have as many as this before every round",
    )
    unit_size: int = Field(
        ge=1,
        description="responses that are sampled together as one unit by one sampler; results of "
        "the same unit size are the same, whatever the number of samplers",
    )
    resources: dict[str, Annotated[float, Field(gt=0)]] | None = Field(
        default=None,
        description="what each sampler reserves, as Ray names it: CPU, GPU, a cluster's own; null: "
        "a CPU for each of the trainer's threads, and where the trainer has a GPU as many as the "
        "engine computes on (one; tensor_parallel_size of vLLM)",
    )
    placement: Strategy = Field(
        default="spread", description="samplers on as many nodes as possible, or on as few"
    )
    max_resubmissions: int = Field(
        default=3,
        ge=0,
        description="times that a unit is sampled again after its sampler was lost; then the run "
        "ends with its prompts named",
    )
    unit_seconds: float = Field(
        default=3600.0,
        gt=0,
        description="a sampler that takes longer for a unit is ended and counts as lost; what has "
        "died is noticed at once, this is for what hangs",
    )
    bandwidth_gbit_per_second: float | None = Field(
        default=None,
        gt=0,
        description="of the network between nodes, for the preflight's estimate alone",
    )


EngineConfig = TransformersEngineConfig | VllmEngineConfig | RayEngineConfig
BACKENDS: dict[str, type[EngineConfig]] = {
    "transformers": TransformersEngineConfig,
    "vllm": VllmEngineConfig,
    "ray": RayEngineConfig,
}
_HOSTED_BACKENDS = ("transformers", "vllm")


class EngineEntryError(ValueError):
    """The catalog's ``rollout_engine`` is wrong; the message names the option."""


def parse_engine(backend: str, options: Mapping[str, Any] | None) -> EngineConfig:
    """Return the options of the catalog's entry ``rollout_engine``.

    Raises:
        EngineEntryError: If no engine has this name, or an option is wrong.
    """
    if backend not in BACKENDS:
        raise EngineEntryError(
            f"rollout_engine.backend: no engine is called {backend!r}; choose one of "
            f"{', '.join(BACKENDS)}"
        )
    try:
        return BACKENDS[backend].model_validate(dict(options or {}))
    except ValidationError as error:
        lines = [
            f"{_key(item['loc'])}: {item['msg']} (found {item['input']!r})"
            for item in error.errors()
        ]
        raise EngineEntryError("rollout_engine.options." + "; ".join(lines)) from None


def _key(location: tuple[int | str, ...]) -> str:
    """Return an option's name; pydantic puts the backend of a hosted engine between the parts."""
    return ".".join(
        str(part)
        for i, part in enumerate(location)
        if not (i == 1 and location[0] == "engine" and part in _HOSTED_BACKENDS)
    )
