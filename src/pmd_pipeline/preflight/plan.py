"""The plan of a run: what it needs, what is available, and whether it can work."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pmd_pipeline.config.compute import Precision
from pmd_pipeline.config.engines import EngineEntryError
from pmd_pipeline.config.experiment import ExperimentConfig, parse_parameters
from pmd_pipeline.config.lora import LoraConfig
from pmd_pipeline.launch import current_launch
from pmd_pipeline.preflight.adapter_shape import AdapterShape, adapter_shape
from pmd_pipeline.preflight.cluster import look_at_cluster
from pmd_pipeline.preflight.elsewhere import transfer_seconds
from pmd_pipeline.preflight.findings import MEMORY_SECTION, Finding, failures
from pmd_pipeline.preflight.hardware import PlannedDevices, look_at_hardware
from pmd_pipeline.preflight.hub import Hub, HuggingFaceHub, Repository, RepositoryKind
from pmd_pipeline.preflight.memory_findings import (
    memory_findings,
    shipped_bytes,
    trainer_of,
    whole_policy_bytes,
)
from pmd_pipeline.preflight.model import look_at_model
from pmd_pipeline.preflight.models import check_models
from pmd_pipeline.preflight.packages import check_packages
from pmd_pipeline.preflight.prompts import check_prompts
from pmd_pipeline.preflight.revisions import fill_missing_revisions
from pmd_pipeline.preflight.rewards import check_reward
from pmd_pipeline.preflight.sampler import SamplerPlan, plan_sampler
from pmd_pipeline.preflight.shape import ModelShape
from pmd_pipeline.preflight.sources import check_sources
from pmd_pipeline.preflight.storage import check_disk, disk_need, optimizer_state_bytes
from pmd_pipeline.preflight.throughputs import built_in_finding, with_built_in
from pmd_pipeline.preflight.time_findings import time_findings
from pmd_pipeline.preflight.training_nodes import NodeShare, node_memory_findings
from pmd_pipeline.preflight.warm_start import check_warm_start
from pmd_pipeline.preflight.work_findings import work_findings
from pmd_pipeline.preflight.workload import Assumptions, RoundWork, round_work, run_work
from pmd_pipeline.shell import kedro
from pmd_pipeline.training.setup import TrainingSetup


class PreflightError(ValueError):
    """The run cannot work; the message names everything to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to plan.

    Attributes:
        parameters: Of the experiment, complete, not validated.
        engine: The catalog's entry ``rollout_engine``.
        data_root: Where the run's data will be.
        keeps_all_moments: Whether every phase keeps the optimizer's state on disk.
        devices: GPUs to plan for, if not this machine's.
        known: Lengths and throughputs that the user knows.
        model_config: A config.json to plan with, if the model's own is out of reach.
        credentials: Of the project, to ask servers of models that are evaluated without training;
            None: these models are not looked at.
    """

    parameters: Mapping[str, Any]
    engine: Mapping[str, Any]
    data_root: Path
    keeps_all_moments: bool = True
    devices: PlannedDevices = field(default_factory=PlannedDevices)
    known: Assumptions = field(default_factory=Assumptions)
    model_config: Path | None = None
    credentials: Mapping[str, Any] | None = field(default=None, repr=False)


def plan_run(request: Request, hub: Hub | None = None) -> list[Finding]:
    """Return everything that a run needs and whether it is available.

    Checks packages, devices, disk, model, data and reward; loads no weights of the policy.

    Args:
        request: What to plan.
        hub: Where repositories are looked up; by default the Hugging Face hub.

    Raises:
        ParameterError: If a parameter is wrong, other than a missing revision.
    """
    hub = _Remembering(hub or HuggingFaceHub())
    parameters, missing = fill_missing_revisions(request.parameters)
    experiment = parse_parameters(parameters)
    engine, findings = _engine(request.engine, experiment.compute.precision)
    lora = experiment.training.lora
    extras = () if engine is None else engine.extras
    findings += check_packages((*extras, *_optional_parts(experiment)))
    hardware, looked = look_at_hardware(
        experiment.compute, request.devices, num_processes=_num_processes(experiment)
    )
    findings += looked
    shares: list[NodeShare] = []
    if request.devices == PlannedDevices():
        shares, looked = look_at_cluster(
            experiment, is_gpu=hardware.is_gpu, log=request.data_root / "ray.log"
        )
        findings += looked
    findings += check_sources(experiment, missing, hub)
    is_pinned = not any(item.kind == "model" for item in missing)
    findings += check_prompts(experiment, hub, is_pinned=is_pinned)
    findings += check_warm_start(experiment)
    findings += check_reward(experiment)
    shape, described = look_at_model(
        experiment.policy_initialisation,
        hub,
        given=request.model_config,
        is_pinned=is_pinned,
        backend=None if engine is None else engine.backend,
    )
    findings += described

    rounds = _rounds(experiment, engine, request.known)
    need = None
    publishing_seconds = 0.0
    if shape is not None:
        adapter, described = _adapter(shape, lora)
        findings += described
        findings += memory_findings(experiment, shape, engine, hardware, adapter)
        if engine is not None and engine.elsewhere is not None:
            shipped = shipped_bytes(shape, experiment.compute, engine, adapter)
            publishing_seconds = transfer_seconds(shipped, engine.elsewhere) or 0.0
        num_trained = shape.num_parameters if adapter is None else adapter.num_parameters
        findings += node_memory_findings(
            shares,
            trainer_of(experiment, shape, hardware, adapter),
            whole_policy_bytes=whole_policy_bytes(shape, experiment.compute),
            optimizer_state_bytes=optimizer_state_bytes(experiment.compute.weights, num_trained),
            is_gpu=hardware.is_gpu,
        )
        need = disk_need(
            experiment,
            rounds,
            num_parameters=shape.num_parameters,
            num_trained=num_trained,
            keeps_all_moments=request.keeps_all_moments,
        )
    findings += check_disk(need, request.data_root)
    work = run_work(experiment, rounds, request.known)
    findings += work_findings(experiment, rounds, work, request.known)
    known, is_built_in = with_built_in(request.known, shape, engine, hardware)
    findings += [built_in_finding(known, hardware)] if is_built_in else []
    findings += time_findings(
        experiment,
        rounds,
        work,
        known,
        engine=engine,
        hardware=hardware,
        publishing_seconds=publishing_seconds,
    )
    if request.credentials is not None:
        findings += check_models(experiment.evaluate_models, request.credentials)
    return findings


def _num_processes(experiment: ExperimentConfig) -> int:
    if experiment.compute.launch == "ray":
        return experiment.cluster.training.num_processes or 1
    return current_launch().world_size


def _optional_parts(experiment: ExperimentConfig) -> list[str]:
    """Return the extras of this package that the parameters call for."""
    data = experiment.data_preparation
    kinds = {data.source_of(name).kind for name in data.set_names()} | {experiment.rewards.kind}
    parts = ["lora"] if experiment.training.lora is not None else []
    parts += ["reasoning-gym"] if "reasoning_gym" in kinds else []
    addresses = [getattr(data.source_of(name), "address", None) for name in data.set_names()]
    is_on_s3 = any(
        str(one).startswith("s3") for one in (*addresses, experiment.storage.remote_root)
    )
    return [*parts, *(["remote"] if is_on_s3 else [])]


def require_ready(
    request: Request, hub: Hub | None = None, *, env: str | None = None
) -> list[Finding]:
    """Return the plan of a run that can work; called before a run starts.

    Args:
        request: What is to run.
        hub: As for :func:`plan_run`.
        env: Kedro's environment, which errors name.

    Raises:
        PreflightError: If it cannot, with one remedy per line.
    """
    findings = plan_run(request, hub)
    stopping = failures(findings)
    if stopping:
        lines = [f"{item.subject}: {item.value}; {item.remedy}" for item in stopping]
        raise PreflightError(
            f"the run cannot work as it is ({kedro('preflight', env)} shows the whole plan):\n  "
            + "\n  ".join(lines)
        )
    return findings


def _engine(
    entry: Mapping[str, Any], precision: Precision
) -> tuple[SamplerPlan | None, list[Finding]]:
    section = "Packages"
    try:
        plan = plan_sampler(entry, trainer_precision=precision)
    except EngineEntryError as error:
        finding = Finding(
            section=section,
            subject="rollout engine",
            value="not usable",
            verdict="failure",
            remedy=str(error),
        )
        return None, [finding]
    return plan, [Finding(section=section, subject="rollout engine", value=plan.name, verdict="ok")]


def _adapter(
    shape: ModelShape, lora: LoraConfig | None
) -> tuple[AdapterShape | None, list[Finding]]:
    if lora is None:
        return None, []
    subject = "adapter"
    try:
        adapter = adapter_shape(shape, lora)
    except ValueError as error:
        finding = Finding(
            section=MEMORY_SECTION,
            subject=subject,
            value=str(error),
            verdict="failure",
            remedy="set training.lora.target_modules to names of these, or to all-linear",
        )
        return None, [finding]
    value = f"{adapter.num_parameters:,} trained parameters on {adapter.num_layers} layers"
    return adapter, [Finding(section=MEMORY_SECTION, subject=subject, value=value)]


def _rounds(
    experiment: ExperimentConfig, engine: SamplerPlan | None, known: Assumptions
) -> dict[str, RoundWork]:
    rounds = {}
    for label, algorithm in experiment.trained_algorithms().items():
        setup = TrainingSetup(
            label=label,
            algorithm=algorithm,
            training=experiment.training,
            rewards=experiment.rewards,
            seed=experiment.training.seeds[0],
            adapter_seed=experiment.seed,
        )
        source = setup.behaviour_source(
            runs_policy_model=engine is not None and not engine.has_own_weights,
            precision=experiment.compute.precision,
        )
        rounds[label] = round_work(
            setup,
            source,
            max_prompt_tokens=experiment.data_preparation.max_prompt_tokens,
            known=known,
        )
    return rounds


class _Remembering:
    """A hub that is asked about each repository once."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._answers: dict[tuple[str, RepositoryKind, str | None], Repository] = {}

    def look_up(self, name: str, kind: RepositoryKind, revision: str | None) -> Repository:
        key = (name, kind, revision)
        if key not in self._answers:
            self._answers[key] = self._hub.look_up(name, kind, revision)
        return self._answers[key]
