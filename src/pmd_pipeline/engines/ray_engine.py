"""Sampling on the nodes of a Ray cluster, by samplers that may be lost and replaced.

The driver owns the units: what a lost sampler held is sampled again by another one. Since a unit is
always sampled as a whole, from the same weights and seeds, the responses are the same bytes with
any number of samplers and after any loss.
"""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_never

import torch

from pmd_pipeline.cluster import session
from pmd_pipeline.cluster.errors import ShipmentError
from pmd_pipeline.cluster.facts import own_facts
from pmd_pipeline.config.engines import (
    HostedTransformersConfig,
    HostedVllmConfig,
    RayEngineConfig,
)
from pmd_pipeline.engines.base import GroupFinished, RolloutEngine
from pmd_pipeline.engines.errors import EngineFailedError, EngineUnavailableError
from pmd_pipeline.engines.hosted import HostedEngine
from pmd_pipeline.engines.lengths import check_lengths
from pmd_pipeline.engines.probe import Probe, ProbeText, prove_like, prove_weights
from pmd_pipeline.engines.published import Published
from pmd_pipeline.engines.sampler_figures import SamplingFigures, SamplingTotals
from pmd_pipeline.engines.unit_pool import UnitHandle
from pmd_pipeline.engines.unit_schedule import UnitSchedule
from pmd_pipeline.engines.units import Unit
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.progress import Progress
from pmd_pipeline.records import Completion

if TYPE_CHECKING:
    from pmd_pipeline.engines.ray_fleet import RayFleet

_logger = logging.getLogger(__name__)

_NUM_DESCRIBED_PROMPTS = 8
_DESCRIBED_CHARACTERS = 300
_SECONDS_WORTH_A_LINE = 10.0


class RayEngine(RolloutEngine):
    """A rollout engine. Samplers start with the first policy, missing ones at each later one.

    After each change of weights a probe compares every sampler's log-probs with the trainer's; one
    that joins while units are sampled is compared with those that were proven.

    Args:
        config: Which samplers.
        hosted: What each of them hosts; None: what the configuration says.

    Raises:
        EngineUnavailableError: If Ray or the samplers' engine is not installed here.
    """

    def __init__(self, config: RayEngineConfig, hosted: HostedEngine | None = None) -> None:
        check_ray_installed(config)
        self.unit_size = config.unit_size
        self._config = config
        self._hosted = hosted or _hosted(config)
        self.runs_policy_model = self._hosted.runs_policy_model
        self._fleet: RayFleet | None = None
        self._schedule: UnitSchedule | None = None
        self._figures = SamplingFigures()
        self._totals = SamplingTotals()
        self._published = Published()
        self._length_limit: tuple[int | None, str] = (None, "")
        self._said = ""

    def publish(self, policy: Policy) -> int:
        """Give every sampler the policy's present weights; see :class:`RolloutEngine`.

        Raises:
            ClusterError: If there is no cluster, or no room on it for a single sampler.
            EngineFailedError: If no sampler is left.
            StaleSamplerError: If a sampler does not have the weights then.
            ValueError: If units are under way.
        """
        version, published = policy.policy_version, self._published
        if published.is_up_to_date(policy):
            return version
        if self._schedule is not None and self._schedule.has_open_units:
            raise ValueError("units are under way: collect them before another policy is published")
        published.version = None
        with self._closed_if_cut_short():
            bundle = self._bundle(policy)
            fleet = self._fleet = self._fleet or self._make_fleet(bundle)
            publication = self._hosted.publication(
                policy, _ship, num_gpus=int(bundle.get("GPU", 0))
            )
            shortage = fleet.publish(
                publication, lambda unit: self._hosted.unit_arguments(unit, policy, version)
            )
            self._say_who_is_there(fleet, shortage)
            self._length_limit = self._hosted.length_limit(policy, fleet.ask)
            published.policy = policy
            if published.probe is not None:
                self._prove(fleet, policy, published.probe)
            self._begin_schedule(fleet)
            published.version = version
        return version

    def submit(self, units: Sequence[Unit], version: int) -> list[UnitHandle]:
        """Have units sampled, by whichever sampler is free; see :class:`RolloutEngine`.

        Raises:
            EngineFailedError: If no sampler is left.
            StaleSamplerError: If a sampler does not have the policy's weights.
            WrongLogProbsError: If the trainer's log-probs are not those of the model's logits.
        """
        policy = self._published.check_version(version)
        assert self._fleet is not None  # there is a version
        assert self._schedule is not None
        limit, what = self._length_limit
        check_lengths(units, limit=limit, what=what)
        if probe := self._published.first_probe(units):
            with self._closed_if_cut_short():
                self._prove(self._fleet, policy, probe)
        return self._schedule.submit(units)

    def collect(
        self,
        handle: UnitHandle,
        *,
        progress: Progress | None = None,
        group_finished: GroupFinished | None = None,
    ) -> list[list[Completion]]:
        """Return a unit's responses; see :class:`RolloutEngine`.

        Raises:
            EngineFailedError: If no sampler is left, or each that got the unit was lost with it.
        """
        with self._closed_if_cut_short():
            return handle.collect(progress=progress, group_finished=group_finished)

    def beside_training(self) -> RolloutEngine:
        """Return this engine: its samplers are processes of their own."""
        return self

    def close(self) -> None:
        """End the samplers; for any thread. Who waits for a unit gets an EngineFailedError."""
        self._end(EngineFailedError("the engine was closed while it sampled"))
        self._published.policy = None
        self._count()
        for line in self._totals.lines():
            _logger.info("%s", line)
        self._totals = SamplingTotals()

    @property
    def samplers(self) -> dict[str, Any]:
        """Where each sampler runs, by its name: node and process."""
        return {} if self._fleet is None else dict(self._fleet.places)

    @property
    def num_lost_units(self) -> int:
        """Units that were lost with their samplers and sampled again, since the engine started."""
        return self._totals.num_lost_units + self._figures.num_lost_units

    def _bundle(self, policy: Policy) -> dict[str, float]:
        if self._config.resources is not None:
            return dict(self._config.resources)
        bundle = {"CPU": float(torch.get_num_threads())}
        num_gpus = self._hosted.num_gpus(policy)
        return bundle | {"GPU": float(num_gpus)} if num_gpus else bundle

    def _make_fleet(self, bundle: dict[str, float]) -> "RayFleet":
        membership = session.join()
        from pmd_pipeline.engines.ray_fleet import RayFleet  # imports ray, which join prepares

        return RayFleet(
            self._config,
            self._hosted,
            bundle=bundle,
            own_facts=own_facts(membership.node_ip),
            placement_seconds=session.named_cluster().placement_seconds,
            num_threads=torch.get_num_threads(),
        )

    def _begin_schedule(self, fleet: "RayFleet") -> None:
        if self._schedule is not None:
            self._schedule.close(EngineFailedError("another policy was published"))
        self._count()
        self._schedule = schedule = UnitSchedule(
            fleet,
            fleet.places,
            max_resubmissions=self._config.max_resubmissions,
            unit_seconds=self._config.unit_seconds,
            describe=self._describe,
            figures=self._figures,
        )
        threading.Thread(target=schedule.run, name="units", daemon=True).start()

    def _count(self) -> None:
        """Begin new figures; say what the old ones are if that took long, or something was lost."""
        figures, self._figures = self._figures, SamplingFigures()
        self._totals.add(figures)
        tells = figures.num_lost_units > 0 or figures.seconds >= _SECONDS_WORTH_A_LINE
        _logger.log(logging.INFO if tells else logging.DEBUG, "Sampled by %s", figures.summary())

    def _prove(self, fleet: "RayFleet", policy: Policy, probe: Probe) -> None:
        from pmd_pipeline.engines.ray_fleet import Newcomers

        policy.model.eval()
        version = policy.policy_version
        arguments = self._hosted.score_arguments(probe.prompts, probe.num_tokens, version)
        tolerance = self._hosted.tolerance(policy)
        proven: list[ProbeText] = []
        for name, scored in fleet.score(arguments).items():
            texts = self._hosted.probe_texts(scored)
            self._hosted.prove_trainer(policy, texts)
            prove_weights(policy, texts, tolerance=tolerance, sampler=name)
            proven = texts

        def check(name: str, scored: Any) -> None:
            texts = self._hosted.probe_texts(scored)
            prove_like(proven, texts, version=version, tolerance=tolerance, sampler=name)

        fleet.welcome_as(Newcomers(arguments=arguments, check=check))

    def _say_who_is_there(self, fleet: "RayFleet", shortage: str) -> None:
        nodes: dict[str, list[str]] = {}
        for name, place in fleet.places.items():
            nodes.setdefault(place.node_ip, []).append(name.removeprefix("sampler "))
        words = "; ".join(f"{', '.join(names)} on {node}" for node, names in nodes.items())
        said = f"Samplers: {words}" + (f" ({shortage})" if shortage else "")
        if said != self._said:
            _logger.log(logging.WARNING if shortage else logging.INFO, "%s", said)
        self._said = said

    def _describe(self, unit: Unit) -> str:
        policy = self._published.policy
        assert policy is not None
        shown = unit.prompts[:_NUM_DESCRIBED_PROMPTS]
        lines = []
        for i, prompt in enumerate(shown):
            text = " ".join(str(policy.tokenizer.decode(list(prompt))).split())
            cut = (
                text if len(text) <= _DESCRIBED_CHARACTERS else text[:_DESCRIBED_CHARACTERS] + "..."
            )
            lines.append(f"  {i + 1}. ({len(prompt)} tokens) {cut}")
        if len(unit.prompts) > len(shown):
            lines.append(f"  and {len(unit.prompts) - len(shown)} more")
        return "\n".join(lines)

    @contextmanager
    def _closed_if_cut_short(self) -> Iterator[None]:
        """End the samplers at any error or interruption: the next policy starts new ones."""
        try:
            yield
        except ShipmentError as error:
            failed = EngineFailedError(str(error))
            self._end(failed)
            raise failed from error
        except BaseException as error:
            self._end(EngineFailedError(f"sampling was stopped: {error or type(error).__name__}"))
            raise

    def _end(self, reason: EngineFailedError) -> None:
        schedule, self._schedule = self._schedule, None
        fleet, self._fleet = self._fleet, None
        self._published.version = None
        self._said = ""
        if schedule is not None:
            schedule.close(reason)
        if fleet is not None:
            fleet.close()
        self._hosted.forget()


def check_ray_installed(config: RayEngineConfig) -> None:
    """Raise EngineUnavailableError if Ray or the samplers' engine cannot be used here."""
    if find_spec("ray") is None:
        raise EngineUnavailableError(
            "rollout_engine.backend is 'ray', but Ray is not installed here; install it with "
            "pip install 'pmd_pipeline[ray]', on every node the same versions, or choose backend: "
            "transformers or vllm"
        )
    if isinstance(config.engine, HostedVllmConfig):
        from pmd_pipeline.engines.vllm_engine import check_vllm_installed

        check_vllm_installed()


def check_room_for_one(config: RayEngineConfig) -> None:
    """Join the cluster and raise InfeasibleError if it has no room for a single sampler.

    A run asks before it computes anything; GPUs that are not stated are asked for later.
    """
    session.join()
    from pmd_pipeline.cluster.placement import check_room  # imports ray, which join prepares

    check_room([config.resources or {"CPU": 1.0}], what="a sampler (rollout_engine)")


def _hosted(config: RayEngineConfig) -> HostedEngine:
    match config.engine:
        case HostedTransformersConfig():
            from pmd_pipeline.engines.hosted_copies import HostedCopies

            return HostedCopies(config.engine)
        case HostedVllmConfig():
            from pmd_pipeline.engines.hosted_vllm import HostedVllm

            return HostedVllm(config.engine)
        case _:
            assert_never(config.engine)


def _ship(folder: Path) -> Any:
    from pmd_pipeline.cluster.shipments import ship  # imports ray, which join prepares

    return ship(folder)
