"""The time of a round and of the run, as lines of the plan."""

from pmd_pipeline.config.experiment import ExperimentConfig
from pmd_pipeline.preflight.findings import Finding
from pmd_pipeline.preflight.hardware import Hardware
from pmd_pipeline.preflight.lag import lag_findings, num_sampling_devices, why_not_at_once
from pmd_pipeline.preflight.sampler import SamplerPlan
from pmd_pipeline.preflight.times import duration, saved_by_lag, throughput
from pmd_pipeline.preflight.work_findings import SECTION, bound_of
from pmd_pipeline.preflight.workload import Assumptions, RoundWork, RunWork
from pmd_pipeline.wording import brief_time


def time_findings(
    experiment: ExperimentConfig,
    rounds: dict[str, RoundWork],
    work: RunWork,
    known: Assumptions,
    *,
    engine: SamplerPlan | None,
    hardware: Hardware,
    publishing_seconds: float = 0.0,
) -> list[Finding]:
    """Return the times, or how to have them estimated.

    Args:
        experiment: The run.
        rounds: A round's work by algorithm.
        work: Of the whole run.
        known: Stated lengths and throughputs.
        engine: What samples.
        hardware: What trains.
        publishing_seconds: Until samplers on other nodes have new weights; 0 if it is not known.
    """
    training = experiment.training
    num_sampling = num_sampling_devices(engine, hardware)
    of = throughput(
        known,
        num_sampling=num_sampling,
        num_training=hardware.num_devices,
        gradient_checkpointing=training.gradient_checkpointing,
        publishing_seconds=publishing_seconds,
    )
    if of is None:
        whose = "of each GPU" if hardware.is_gpu else "of this machine"
        if engine is not None and engine.elsewhere is not None and not hardware.is_gpu:
            whose = "of each sampler, and of each process that trains"
        how = f"state --tokens-per-second-sampling and --tokens-per-second-training, {whose}"
        return [_note("time", how)]
    bound = bound_of(rounds, known)
    by_round = []
    if engine is not None:
        by_round = lag_findings(
            experiment, rounds, engine, hardware, of, bound=bound, section=SECTION
        )
    saved = 0.0
    if training.lag > 0 and engine is not None and not why_not_at_once(engine, hardware):
        saved = len(training.seeds) * saved_by_lag(
            rounds, of, num_phases=training.num_phases, rounds_per_phase=training.rounds_per_phase
        )
    num_rounds = len(training.seeds) * training.num_rounds
    time = duration(
        work,
        of,
        num_publications=num_rounds * sum(one.num_cycles for one in rounds.values()),
        saved_seconds=saved,
    )
    parts = {
        "sampling": time.sampling_seconds,
        "updating": time.updating_seconds,
        "for new weights": time.publishing_seconds,
        "of them at the same time": time.saved_seconds,
    }
    in_hours = time.seconds >= 3600
    shown = ", ".join(
        f"{_shown(seconds, in_hours=in_hours)} {name}"
        for name, seconds in parts.items()
        if seconds or name in ("sampling", "updating")
    )
    hours = time.seconds / 3600
    is_apart = engine is not None and engine.elsewhere is not None
    num_devices = hardware.num_devices + (num_sampling if is_apart else 0)
    device_hours = hours * num_devices
    subject = f"{'GPU' if hardware.is_gpu else 'CPU'}-hours"
    return [
        *by_round,
        _note("time", f"{bound}{_shown(time.seconds, in_hours=in_hours)}: {shown}"),
        *([_note(subject, f"{bound}{device_hours:,.1f}")] if device_hours >= 0.1 else []),
    ]


def _shown(seconds: float, *, in_hours: bool) -> str:
    """Return hours, as machines are paid for, or a short time in its own unit."""
    return f"{seconds / 3600:,.1f} h" if in_hours else brief_time(seconds)


def _note(subject: str, value: str) -> Finding:
    return Finding(section=SECTION, subject=subject, value=value)
