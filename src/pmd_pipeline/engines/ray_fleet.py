"""Samplers on a Ray cluster, one engine each: started, given weights, asked for units, lost.

Imported only after the cluster has been joined.
"""

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pmd_pipeline.cluster.errors import HostCallError, HostError, HostLostError, InfeasibleError
from pmd_pipeline.cluster.facts import NodeFacts, check_same
from pmd_pipeline.cluster.hosts import Call, Host, WhereItRuns, finished
from pmd_pipeline.cluster.node_choice import choose_nodes
from pmd_pipeline.cluster.placement import free_resources, node_resources
from pmd_pipeline.config.engines import RayEngineConfig
from pmd_pipeline.engines.errors import EngineFailedError
from pmd_pipeline.engines.hosted import HostedEngine, Order, Publication
from pmd_pipeline.engines.unit_schedule import (
    Event,
    SamplerLost,
    SamplersJoined,
    SamplingFailed,
    UnitSampled,
)
from pmd_pipeline.engines.units import Unit
from pmd_pipeline.wording import counted

_logger = logging.getLogger(__name__)

# For a place that was free a moment before.
_SECONDS_FOR_A_FREE_PLACE = 10.0
_SECONDS_BETWEEN_LOOKS_AT_NODES = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomers:
    """What proves that a sampler that joins has the weights of the others.

    Attributes:
        arguments: Of the hosted object's ``score``.
        check: Takes the sampler's name and what ``score`` has returned; raises where it differs.
    """

    arguments: Mapping[str, Any]
    check: Callable[[str, Any], object]


@dataclass(frozen=True, slots=True)
class _Sampler:
    host: Host
    where: WhereItRuns


class RayFleet:
    """The samplers of one engine; see :class:`~pmd_pipeline.engines.unit_schedule.Fleet`.

    Samplers are started and given weights by one thread at a time, while another may wait for
    units.

    Args:
        config: The engine's.
        hosted: What each sampler hosts.
        bundle: Resources of each.
        own_facts: What all nodes must have in common with this process.
        placement_seconds: How long to wait for resources that others hold.
        num_threads: CPU threads of each sampler; other numbers give other last bits.
    """

    def __init__(
        self,
        config: RayEngineConfig,
        hosted: HostedEngine,
        *,
        bundle: Mapping[str, float],
        own_facts: NodeFacts,
        placement_seconds: float,
        num_threads: int,
    ) -> None:
        self._config = config
        self._hosted = hosted
        self._bundle = bundle
        self._own_facts = own_facts
        self._placement_seconds = placement_seconds
        self._num_threads = num_threads
        self._samplers: dict[str, _Sampler] = {}
        self._starting: set[Host] = set()
        self._num_named = 0
        self._publication: Publication | None = None
        self._newcomers: Newcomers | None = None
        self._arguments: Callable[[Unit], Mapping[str, Any]] = lambda unit: {}
        self._under_way: dict[Call, str] = {}
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._looked_at_nodes = time.monotonic()
        self._one_at_a_time = threading.Lock()
        self._closing = threading.Lock()
        self._is_closed = False

    @property
    def places(self) -> dict[str, WhereItRuns]:
        """Where each sampler runs, by its name."""
        return {name: sampler.where for name, sampler in list(self._samplers.items())}

    def publish(
        self, publication: Publication, arguments: Callable[[Unit], Mapping[str, Any]]
    ) -> str:
        """Give all samplers new weights, and start those that are missing.

        Args:
            publication: The weights.
            arguments: Returns those with which the hosted object samples a unit.

        Returns:
            Why there are not as many samplers as wanted; empty if there are.

        Raises:
            InfeasibleError: If there is no sampler, and no room for one.
            EngineFailedError: If there is no sampler left.
            DifferentNodesError: If a node would compute other bits.
        """
        with self._one_at_a_time:
            self._newcomers = None
            self._publication = publication
            self._arguments = arguments
            for event in self._happened():  # who joined before is known by now
                if isinstance(event, SamplingFailed):
                    raise event.error
            self._drop_those_on_lost_nodes()
            calls = {
                name: self._begin(sampler.host, publication.for_others)
                for name, sampler in list(self._samplers.items())
            }
            for name, reason in self._await(calls).items():
                self.end(name, reason)
            shortage = self._grow()
            self._discard(publication.for_others)
            return shortage

    def score(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return what each sampler's ``score`` returns; those that are lost meanwhile are dropped.

        Raises:
            EngineFailedError: If there is no sampler left.
        """
        return self._ask_all("score", arguments)

    def ask(self, method: str) -> list[Any]:
        """Return what each sampler's method of that name returns; raises as :meth:`score`."""
        return list(self._ask_all(method, {}).values())

    def welcome_as(self, newcomers: Newcomers) -> None:
        """Have samplers that join before the next publication proven."""
        self._newcomers = newcomers

    def begin(self, sampler: str, unit: Unit) -> None:
        """Have a free sampler sample a unit."""
        known = self._samplers.get(sampler)
        if known is None:
            self._events.put(SamplerLost(sampler=sampler, reason="it was lost before"))
            return
        self._under_way[known.host.call("sample", **self._arguments(unit))] = sampler

    def wait(self, seconds: float) -> Sequence[Event]:
        """Return what has happened; see :class:`~pmd_pipeline.engines.unit_schedule.Fleet`."""
        events = list(self._happened())
        if events:
            return events
        if not self._under_way:
            try:
                return [self._events.get(timeout=seconds)]
            except queue.Empty:
                return []
        events = [self._outcome(call) for call in finished(list(self._under_way), seconds)]
        return [*events, *self._lost_with_their_nodes(), *self._happened()]

    def end(self, sampler: str, reason: str) -> None:
        """End a sampler; a no-op if there is none of that name."""
        known = self._samplers.pop(sampler, None)
        if known is not None:
            _logger.warning("%s on %s was lost: %s", sampler, known.where.node_ip, reason)
            known.host.kill()
        for call, name in list(self._under_way.items()):
            if name == sampler:
                del self._under_way[call]

    def call_for_more(self) -> bool:
        """Start what is missing in a thread of its own; see `Fleet`."""
        if self._is_closed or len(self._samplers) >= self._config.num_samplers:
            return False
        threading.Thread(target=self._start_more, name="more samplers", daemon=True).start()
        return True

    def close(self) -> None:
        """End all samplers, those included that are starting; for any thread."""
        with self._closing:
            self._is_closed = True
            hosts = [*self._starting, *(sampler.host for sampler in self._samplers.values())]
            self._starting.clear()
            self._samplers.clear()
        for host in hosts:
            host.kill()

    def _start_more(self) -> None:
        with self._one_at_a_time:
            before = set(self._samplers)
            try:
                shortage = self._grow()
                assert self._publication is not None
                self._discard(self._publication.for_new)
            except InfeasibleError as error:
                shortage = str(error)
            except Exception as error:
                _logger.debug("samplers could not be started", exc_info=True)
                failure = (
                    error if isinstance(error, RuntimeError) else EngineFailedError(str(error))
                )
                self._events.put(SamplingFailed(error=failure))
                return
            joined = [name for name in self._samplers if name not in before]
            if shortage:
                _logger.warning("%s", shortage)
            self._events.put(SamplersJoined(samplers=joined, shortage=shortage))

    def _grow(self) -> str:
        """Start what is missing, as far as there is room; return why that is not all."""
        missing = self._config.num_samplers - len(self._samplers)
        if missing <= 0:
            return ""
        nodes: list[str | None] = [
            *choose_nodes(
                self._bundle,
                wanted=missing,
                free=free_resources(),
                placed=Counter(place.node_id for place in self.places.values()),
                spread=self._config.placement == "spread",
            )
        ]
        shortage = "" if len(nodes) == missing else "the Ray cluster has no room for more"
        if not nodes and not self._samplers:
            nodes = [None]  # waits for what others hold, and says what is missing
        hosts: dict[str, Host] = {}
        for node in nodes:
            self._num_named += 1
            name = f"sampler {self._num_named}"
            try:
                hosts[name] = self._start(name, node)
            except InfeasibleError as error:
                if not hosts and not self._samplers:
                    raise
                shortage = str(error)
                break
        lost = self._join(hosts)
        reasons = [f"{name}: {reason}" for name, reason in lost.items()] + (
            [shortage] * bool(shortage)
        )
        if not self._samplers:
            raise EngineFailedError(f"no sampler could be started: {'; '.join(reasons)}")
        if len(self._samplers) == self._config.num_samplers:
            return ""
        there = counted(len(self._samplers), "sampler")
        return f"{there} of {self._config.num_samplers} wanted: {'; '.join(reasons)}"

    def _start(self, name: str, node: str | None) -> Host:
        host = Host(
            self._hosted.target,
            bundle=self._bundle,
            node_id=node,
            seconds=self._placement_seconds if node is None else _SECONDS_FOR_A_FREE_PLACE,
            num_threads=self._num_threads,
            name=name,
        )
        with self._closing:
            self._starting.add(host)
        self._refuse_if_closed(host)
        return host

    def _refuse_if_closed(self, host: Host) -> None:
        if self._is_closed:
            host.kill()
            raise EngineFailedError("the engine was closed while its samplers started")

    def _join(self, hosts: Mapping[str, Host]) -> dict[str, str]:
        """Give new samplers their weights and let them join; return why some have not."""
        assert self._publication is not None
        orders = list(self._publication.for_new)
        calls = {name: self._begin(host, orders) for name, host in hosts.items()}
        lost = self._await(calls)
        for name, host in hosts.items():
            if name not in lost:
                try:
                    self._let_join(name, host)
                except HostError as error:
                    lost[name] = str(error)
            with self._closing:
                self._starting.discard(host)
            if name in lost:
                _logger.warning("%s could not be started: %s", name, lost[name])
                host.kill()
        return lost

    def _let_join(self, name: str, host: Host) -> None:
        seconds = self._hosted.timeout_seconds
        where = host.where(seconds)
        facts: NodeFacts = host.call("facts", node=where.node_ip).result(seconds)
        if self._bundle.get("GPU"):  # what is computed there does not depend on the CPU
            facts = replace(facts, cpu_capability=self._own_facts.cpu_capability)
        check_same(self._own_facts, [facts])
        if self._newcomers is not None:
            scored = host.call("score", **self._newcomers.arguments).result(seconds)
            self._newcomers.check(name, scored)
        with self._closing:
            self._refuse_if_closed(host)
            self._samplers[name] = _Sampler(host, where)
        _logger.info("%s runs on %s (process %s)", name, where.node_ip, where.process_id)

    def _begin(self, host: Host, orders: Sequence[Order]) -> list[Call]:
        return [host.call(order.method, files=order.files, **order.arguments) for order in orders]

    def _await(self, calls: Mapping[str, Sequence[Call]]) -> dict[str, str]:
        """Wait for calls of samplers; return the reasons of those that have failed, by name."""
        deadline = time.monotonic() + self._hosted.timeout_seconds
        failed: dict[str, str] = {}
        for name, of_sampler in calls.items():
            try:
                for call in of_sampler:
                    call.result(max(0.0, deadline - time.monotonic()))
            except HostError as error:
                failed[name] = str(error)
        return failed

    def _ask_all(self, method: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        calls = {
            name: sampler.host.call(method, **arguments)
            for name, sampler in list(self._samplers.items())
        }
        answers: dict[str, Any] = {}
        reasons = []
        for name, call in calls.items():
            try:
                answers[name] = call.result(self._hosted.timeout_seconds)
            except HostLostError as error:
                reasons.append(f"{name}: {error}")
                self.end(name, str(error))
            except HostCallError as error:
                raise EngineFailedError(f"{name}: {error}") from error
        if not answers:
            raise EngineFailedError(f"no sampler is left: {'; '.join(reasons)}")
        return answers

    def _discard(self, orders: Sequence[Order]) -> None:
        """Free the memory of files that every sampler has read."""
        for sampler in list(self._samplers.values()):
            for order in orders:
                for shipment in order.files.values():
                    sampler.host.discard(shipment)

    def _outcome(self, call: Call) -> Event:
        sampler = self._under_way.pop(call)
        try:
            return UnitSampled(sampler=sampler, groups=call.result())
        except HostCallError as error:
            return SamplingFailed(error=EngineFailedError(f"{sampler}: {error}"))
        except HostLostError as error:
            self.end(sampler, str(error))
            return SamplerLost(sampler=sampler, reason=str(error))

    def _drop_those_on_lost_nodes(self) -> None:
        self._looked_at_nodes = float("-inf")
        list(self._lost_with_their_nodes())

    def _lost_with_their_nodes(self) -> Iterator[Event]:
        """Yield the samplers whose nodes are gone: calls there may stay without an answer."""
        if time.monotonic() < self._looked_at_nodes + _SECONDS_BETWEEN_LOOKS_AT_NODES:
            return
        alive = node_resources()
        for name, place in self.places.items():
            if place.node_id not in alive:
                reason = f"its node {place.node_ip} is gone"
                self.end(name, reason)
                yield SamplerLost(sampler=name, reason=reason)
        self._looked_at_nodes = time.monotonic()

    def _happened(self) -> Iterator[Event]:
        while not self._events.empty():
            yield self._events.get()
