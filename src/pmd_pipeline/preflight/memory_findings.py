"""Whether trainer and sampler fit on the devices."""

from dataclasses import replace

from pmd_pipeline.config.compute import ComputeConfig
from pmd_pipeline.config.experiment import ExperimentConfig
from pmd_pipeline.config.training import micro_batch_tokens_on
from pmd_pipeline.preflight.activations import BFLOAT16_BYTES, FLOAT32_BYTES
from pmd_pipeline.preflight.adapter_shape import AdapterShape
from pmd_pipeline.preflight.elsewhere import elsewhere_findings
from pmd_pipeline.preflight.findings import MEMORY_SECTION, Finding, Verdict, shown_size
from pmd_pipeline.preflight.hardware import Hardware
from pmd_pipeline.preflight.memory import TrainerMemory, trainer_memory
from pmd_pipeline.preflight.reserved import reserved_findings
from pmd_pipeline.preflight.sampler import SamplerMemory, SamplerPlan, sampler_memory
from pmd_pipeline.preflight.shape import ModelShape

# Allocator fragmentation and an architecture's peculiarities: an estimate that is over by less is
# reported but does not stop a run.
_TOLERATED_EXCESS = 0.15


def memory_findings(
    experiment: ExperimentConfig,
    shape: ModelShape,
    engine: SamplerPlan | None,
    hardware: Hardware,
    adapter: AdapterShape | None = None,
) -> list[Finding]:
    """Return what trainer and sampler need, and whether it is available.

    With lag 0 they take turns on the same devices; while the sampler works, the trainer keeps its
    weights and moments, and an engine's own weights are put to sleep while the trainer works. With
    more both are there all the time.
    """
    training, compute = experiment.training, experiment.compute
    longest = experiment.data_preparation.max_prompt_tokens + max(
        training.sampling.max_new_tokens, experiment.evaluation.sampling.max_new_tokens
    )
    findings = _positions(shape, longest)
    trainer = trainer_of(experiment, shape, hardware, adapter)
    findings += _trainer_lines(trainer, compute, hardware, adapter)
    whole = _whole_on_device(shape, compute, engine, hardware)
    if whole:
        findings.append(
            Finding(
                section=MEMORY_SECTION,
                subject="trainer: whole policy",
                value=f"{shown_size(whole)} on the first device, for the engine to run",
            )
        )
    updating = trainer.peak + whole
    findings.append(
        _peak(
            "peak while updating",
            updating,
            updating,
            hardware,
            _update_remedy(experiment, hardware),
        )
    )
    if engine is None:
        return findings
    at_once = training.lag > 0
    if at_once and not engine.has_own_weights:  # what samples beside the trainer is a copy
        engine = replace(engine, num_copies=max(1, engine.num_copies))
    if hardware.is_gpu:  # copies lie on GPUs that nothing else uses, as far as there are some
        engine = replace(engine, num_copies=min(engine.num_copies, 1))
    sampler = sampler_memory(
        shape, engine, longest_sequence_tokens=longest, trainer_weights=compute.weights
    )
    if engine.elsewhere is not None:
        return findings + elsewhere_findings(
            sampler,
            engine,
            engine.elsewhere,
            shipped_bytes=shipped_bytes(shape, compute, engine, adapter),
            hardware=hardware,
        )
    findings += _sampler_lines(trainer, sampler, engine, hardware)
    if engine.has_own_weights and hardware.is_gpu and hardware.memory_bytes is not None:
        return findings + reserved_findings(
            trainer, sampler, engine, device_bytes=hardware.memory_bytes, at_once=at_once
        )
    remedy = (
        "more GPUs (each holds less of the trainer), or a larger tensor_parallel_size of the engine"
        if engine.batch_size is None
        else f"a smaller max_batch_size of rollout_engine (now {engine.batch_size}) if many "
        "responses reach their limit, or backend: vllm, whose cache grows with the text"
    )
    if engine.num_copies > 1:
        remedy = f"a smaller num_processes of rollout_engine (now {engine.num_copies}), or {remedy}"
    beside = (trainer.peak if at_once else trainer.resident) + whole
    least, most = beside + sampler.least, beside + sampler.most
    subject = f"peak while sampling{' and updating' if at_once else ''}"
    findings.append(_peak(subject, least, most, hardware, remedy))
    return findings


def trainer_of(
    experiment: ExperimentConfig,
    shape: ModelShape,
    hardware: Hardware,
    adapter: AdapterShape | None,
) -> TrainerMemory:
    """Return what the trainer takes on each device."""
    training, compute = experiment.training, experiment.compute
    return trainer_memory(
        shape,
        micro_batch_tokens=micro_batch_tokens_on(
            training.micro_batch_tokens, is_gpu=hardware.is_gpu
        ),
        longest_sequence_tokens=experiment.data_preparation.max_prompt_tokens
        + training.sampling.max_new_tokens,
        bfloat16=compute.precision == "bfloat16",
        bfloat16_weights=compute.weights == "bfloat16",
        gradient_checkpointing=training.gradient_checkpointing,
        packed=_is_packed(experiment, shape, hardware),
        adapter=adapter,
        num_devices=hardware.num_devices,
    )


def _is_packed(experiment: ExperimentConfig, shape: ModelShape, hardware: Hardware) -> bool:
    if experiment.training.packing != "auto":
        return experiment.training.packing
    return hardware.is_gpu and experiment.compute.precision == "bfloat16" and shape.can_be_packed


def whole_policy_bytes(shape: ModelShape, compute: ComputeConfig) -> int:
    """Return what the run's own process holds beside its share of a policy."""
    element = BFLOAT16_BYTES if compute.weights == "bfloat16" else FLOAT32_BYTES
    return shape.num_parameters * element


def _whole_on_device(
    shape: ModelShape, compute: ComputeConfig, engine: SamplerPlan | None, hardware: Hardware
) -> int:
    """Return what the first device holds beside its share if the engine runs the policy itself.

    An engine with its own model gets the weights from host memory.
    """
    if hardware.num_devices == 1 or engine is None or engine.has_own_weights:
        return 0
    return whole_policy_bytes(shape, compute)


def shipped_bytes(
    shape: ModelShape, compute: ComputeConfig, engine: SamplerPlan, adapter: AdapterShape | None
) -> int:
    """Return what goes to each node with samplers after a round."""
    if engine.has_own_weights:  # a checkpoint, an adapter added
        return shape.num_parameters * engine.element_bytes
    if adapter is not None:
        return adapter.num_parameters * FLOAT32_BYTES
    return whole_policy_bytes(shape, compute)


def _positions(shape: ModelShape, longest: int) -> list[Finding]:
    if not shape.max_positions or longest <= shape.max_positions:
        return []
    return [
        Finding(
            section=MEMORY_SECTION,
            subject="positions",
            value=f"{longest:,} tokens needed, the model has {shape.max_positions:,}",
            verdict="warning",
            remedy="lower data_preparation.max_prompt_tokens or the max_new_tokens of training and "
            "evaluation, or choose a model with more positions",
        )
    ]


def _trainer_lines(
    trainer: TrainerMemory,
    compute: ComputeConfig,
    hardware: Hardware,
    adapter: AdapterShape | None,
) -> list[Finding]:
    is_shared = hardware.num_devices > 1
    share = f", one of {hardware.num_devices} shares" if is_shared else ""
    precision = "float32" if is_shared and adapter is None else compute.weights
    lines = {"trainer: weights": f"{shown_size(trainer.weights)} ({precision}{share})"}
    if trainer.masters:
        lines["trainer: masters"] = f"{shown_size(trainer.masters)} (float32)"
    lines |= {
        "trainer: gradients": f"{shown_size(trainer.gradients)} while updating",
        "trainer: AdamW moments": shown_size(trainer.moments),
        "trainer: AdamW step": f"{shown_size(trainer.step_workspace)} for its duration",
        "trainer: working weights": f"{shown_size(trainer.working_weights)} in a pass",
        "trainer: activations": f"{shown_size(trainer.activations)} in a pass",
        "trainer: logits": f"{shown_size(trainer.logits)} in a pass",
    }
    return [
        Finding(section=MEMORY_SECTION, subject=name, value=value) for name, value in lines.items()
    ]


def _sampler_lines(
    trainer: TrainerMemory, sampler: SamplerMemory, engine: SamplerPlan, hardware: Hardware
) -> list[Finding]:
    cache = f"{shown_size(sampler.cache_per_sequence)} for a sequence of full length"
    if engine.batch_size is not None:
        cache += f", {shown_size(sampler.cache)} for {engine.batch_size}"
    elif hardware.memory_bytes is not None:
        left = hardware.memory_bytes - trainer.resident - sampler.weights
        num_sequences = max(0, left) // max(1, sampler.cache_per_sequence)
        cache += f"; room for at most {num_sequences:,} beside the trainer"
    return [
        Finding(
            section=MEMORY_SECTION, subject="sampler: weights", value=shown_size(sampler.weights)
        ),
        Finding(section=MEMORY_SECTION, subject="sampler: KV cache", value=cache),
    ]


def _peak(subject: str, least: int, most: int, hardware: Hardware, remedy: str) -> Finding:
    """Return a failure if ``least`` is clearly too much, a warning if ``most`` is."""
    available = hardware.memory_bytes
    needed = shown_size(most) if least == most else f"{shown_size(least)} to {shown_size(most)}"
    if available is None:
        value = f"{needed}; device memory unknown"
        return Finding(section=MEMORY_SECTION, subject=subject, value=value)
    verdict: Verdict = "ok"
    if least > (1 + _TOLERATED_EXCESS) * available:
        verdict = "failure"
    elif most > available:
        verdict = "warning"
    return Finding(
        section=MEMORY_SECTION,
        subject=subject,
        value=f"{needed} of {shown_size(available)}",
        verdict=verdict,
        remedy="" if verdict == "ok" else remedy,
    )


def _update_remedy(experiment: ExperimentConfig, hardware: Hardware) -> str:
    training = experiment.training
    longest = experiment.data_preparation.max_prompt_tokens + training.sampling.max_new_tokens
    ways = (
        ["more GPUs (--num-gpus), each of which holds a share"]
        if hardware.is_gpu
        else ["a machine with more memory, or a smaller model"]
    )
    if not training.gradient_checkpointing:
        ways.append("training.gradient_checkpointing: true")
    if experiment.compute.precision != "bfloat16":
        ways.append("compute.precision: bfloat16")
    if training.lora is None:
        ways.append("training.lora, which trains only an adapter")
    if micro_batch_tokens_on(training.micro_batch_tokens, is_gpu=hardware.is_gpu) > longest:
        ways.append(f"training.micro_batch_tokens down to {longest}, the longest sequence")
    return ", or ".join(ways)
