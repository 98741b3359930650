"""The time of a round with lag 0 and with lag 1, as lines of the plan: docs/lag.md."""

from collections.abc import Mapping

from pmd_pipeline.config.experiment import ExperimentConfig
from pmd_pipeline.preflight.findings import Finding
from pmd_pipeline.preflight.hardware import Hardware
from pmd_pipeline.preflight.sampler import SamplerPlan
from pmd_pipeline.preflight.times import RoundTime, Throughput, round_time
from pmd_pipeline.preflight.workload import RoundWork


def num_sampling_devices(engine: SamplerPlan | None, hardware: Hardware) -> int:
    """Return how many devices sample: GPUs, or machines, or samplers on Ray without a GPU."""
    if engine is None:
        return hardware.num_devices
    if engine.elsewhere is not None:
        each = engine.tensor_parallel_size if hardware.is_gpu else 1
        return engine.elsewhere.num_samplers * each
    if engine.has_own_weights and hardware.is_gpu:
        return hardware.num_devices  # as many copies as the GPUs allow
    return max(1, _num_spare_for(engine, hardware))


def why_not_at_once(engine: SamplerPlan, hardware: Hardware) -> str:
    """Return why sampling beside training saves nothing; empty if each has devices of its own."""
    if engine.elsewhere is not None or _num_spare_for(engine, hardware):
        return ""
    shared = "the GPUs" if hardware.is_gpu else "all cores"
    return f"sampling and training share {shared}"


def _num_spare_for(engine: SamplerPlan, hardware: Hardware) -> int:
    """Return how many processes sample on devices of this machine that train nothing."""
    if engine.has_own_weights and hardware.is_gpu:
        return 0  # it takes a share of each GPU
    return min(max(1, engine.num_copies), hardware.num_spare)


def lag_findings(
    experiment: ExperimentConfig,
    rounds: Mapping[str, RoundWork],
    engine: SamplerPlan,
    hardware: Hardware,
    of: Throughput,
    *,
    bound: str,
    section: str,
) -> list[Finding]:
    """Return a line for algorithms whose rounds take the same time.

    Args:
        experiment: The run.
        rounds: A round's work by algorithm.
        engine: What samples.
        hardware: What trains.
        of: Stated throughputs.
        bound: Words before numbers that are bounds.
        section: The lines' heading.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for label, work in rounds.items():
        time = round_time(work, of)
        reason = _why_not(experiment, label) or why_not_at_once(engine, hardware)
        found.setdefault((_in_turns(time), _at_once(time, reason)), []).append(label)
    return [
        Finding(
            section=section,
            subject="time of a round",
            value=("" if len(labels) == len(rounds) else f"{', '.join(labels)}: ")
            + f"{bound}{in_turns}; {at_once}",
        )
        for (in_turns, at_once), labels in found.items()
    ]


def _why_not(experiment: ExperimentConfig, label: str) -> str:
    """Return why the configuration itself refuses a lag for an algorithm."""
    if experiment.algorithms[label].resamples_each_mini_batch:
        return "each mini-batch is sampled afresh"
    if experiment.training.rounds_per_phase == 1:
        return "rounds_per_phase is 1, and a phase's first round samples afresh"
    return ""


def _in_turns(time: RoundTime) -> str:
    parts = [f"{_seconds(time.sampling_seconds)} sampling"]
    parts.append(f"{_seconds(time.updating_seconds)} updating")
    if time.publishing_seconds:
        parts.append(f"{_seconds(time.publishing_seconds)} for new weights")
    return f"{_seconds(time.in_turns)} with lag 0 ({', '.join(parts)})"


def _at_once(time: RoundTime, reason: str) -> str:
    if reason:
        return f"lag 1 saves nothing: {reason}"
    return f"{_seconds(time.at_once)} with lag 1"


def _seconds(seconds: float) -> str:
    return f"{seconds:,.0f} s" if seconds >= 10 else f"{seconds:.2g} s"
