"""What engines that sample in processes of their own have in common."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pmd_pipeline.engines.base import GroupFinished, RolloutEngine
from pmd_pipeline.engines.errors import EngineFailedError
from pmd_pipeline.engines.lengths import check_lengths
from pmd_pipeline.engines.probe import Probe, ProbeText, prove_weights
from pmd_pipeline.engines.published import Published
from pmd_pipeline.engines.unit_pool import ReportGroup, UnitHandle, UnitPool
from pmd_pipeline.engines.units import Unit, cut_into_units
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.processes.child import ChildProcess
from pmd_pipeline.processes.errors import ChildError
from pmd_pipeline.progress import Progress
from pmd_pipeline.records import Completion


class ProcessesEngine(RolloutEngine):
    """Samples in child processes, each with the policy's weights; they start with the first policy.

    After each change of weights a probe compares every process's log-probs with the trainer's, so
    that a sampler with old weights stops the run instead of spoiling it.

    Args:
        unit_size: See `RolloutEngine`.
        timeout_seconds: For starting, and for loading weights.
    """

    def __init__(self, *, unit_size: int | None, timeout_seconds: float) -> None:
        self.unit_size = unit_size
        self._timeout_seconds = timeout_seconds
        self._samplers: list[ChildProcess] = []
        self._pool: UnitPool[ChildProcess] | None = None
        self._published = Published()

    @abstractmethod
    def _num_samplers(self) -> int:
        """Return how many processes there are to be."""

    @abstractmethod
    def _make_sampler(self, index: int) -> ChildProcess:
        """Return a new process, which need not be ready."""

    @abstractmethod
    def _load(self, policy: Policy, *, starts: bool) -> None:
        """Give every process a policy's present weights.

        Args:
            policy: The policy; the one before it is still ``self._published.policy``.
            starts: Whether the processes are new.
        """

    @abstractmethod
    def _arguments(self, unit: Unit) -> dict[str, Any]:
        """Return the arguments of the processes' method ``generate``."""

    @abstractmethod
    def _score(self, policy: Policy, probe: Probe) -> list[list[ProbeText]]:
        """Return what each process says of the probe's prompts."""

    @abstractmethod
    def _tolerance(self, policy: Policy) -> float:
        """Return the largest mean difference of log-probs between a process and the trainer."""

    @abstractmethod
    def _length_limit(self, policy: Policy) -> tuple[int | None, str]:
        """Return the most tokens of prompt and response, and what sets that limit."""

    def publish(self, policy: Policy) -> int:
        """Give every process the policy's present weights; see :class:`RolloutEngine`.

        Raises:
            EngineFailedError: If a process fails.
            StaleSamplerError: If a process does not have the weights then.
        """
        published = self._published
        if published.is_up_to_date(policy):
            return policy.policy_version
        published.version = None
        with self._closed_if_cut_short():
            if starts := not self._samplers:
                self._samplers = [self._make_sampler(i) for i in range(self._num_samplers())]
                self._pool = UnitPool(self._samplers, self._sample, name="sampling")
            self._load(policy, starts=starts)
            published.policy, published.version = policy, policy.policy_version
            if published.probe is not None:
                self._prove(policy, published.probe)
        return policy.policy_version

    def submit(self, units: Sequence[Unit], version: int) -> list[UnitHandle]:
        """Have units sampled, by whichever process is free; see :class:`RolloutEngine`.

        Once there has been a probe, nothing here reads the policy's weights, so that any thread may
        call this while the policy is trained.

        Raises:
            EngineFailedError: If a process fails.
            StaleSamplerError: If a process does not have the policy's weights.
            WrongLogProbsError: If the trainer's log-probs are not those of the model's logits.
        """
        policy = self._published.check_version(version)
        assert self._pool is not None  # there is a version
        limit, what = self._length_limit(policy)
        check_lengths(units, limit=limit, what=what)
        if probe := self._published.first_probe(units):
            with self._closed_if_cut_short():
                self._prove(policy, probe)
        return self._pool.submit(units)

    def collect(
        self,
        handle: UnitHandle,
        *,
        progress: Progress | None = None,
        group_finished: GroupFinished | None = None,
    ) -> list[list[Completion]]:
        """Return a unit's responses; see :class:`RolloutEngine`.

        Raises:
            EngineFailedError: If its process fails.
        """
        with self._closed_if_cut_short():
            return handle.collect(progress=progress, group_finished=group_finished)

    def cut(self, lengths: Sequence[int], num_samples: int) -> list[list[int]]:
        """Return the positions of each unit's prompts; see :class:`RolloutEngine`."""
        if self.unit_size is not None:
            return cut_into_units(lengths, num_samples=num_samples, unit_size=self.unit_size)
        num_units = min(len(lengths), self._num_samplers())
        return [list(range(i, len(lengths), num_units)) for i in range(num_units)]

    def close(self) -> None:
        """End the processes."""
        self._end(EngineFailedError("the engine was closed while it sampled"))
        self._published.policy = None

    @property
    def process_ids(self) -> list[int]:
        """The operating system's ids of the processes that are running."""
        return [sampler.process_id for sampler in self._samplers]

    def _call_all(self, method: str, **arguments: Any) -> list[Any]:
        for sampler in self._samplers:
            sampler.send(method, **arguments)
        return [
            sampler.receive(timeout_seconds=self._timeout_seconds) for sampler in self._samplers
        ]

    def _sample(self, sampler: ChildProcess, unit: Unit, report: ReportGroup) -> None:
        sampler.send("generate", **self._arguments(unit))
        sampler.receive(report=report)

    def _prove(self, policy: Policy, probe: Probe) -> None:
        policy.model.eval()
        for sampler, texts in zip(self._samplers, self._score(policy, probe), strict=True):
            prove_weights(policy, texts, tolerance=self._tolerance(policy), sampler=sampler.name)

    @contextmanager
    def _closed_if_cut_short(self) -> Iterator[None]:
        """End the processes at any error or interruption.

        Units may still run in them, with answers unread: the next policy starts new ones.
        """
        try:
            yield
        except ChildError as error:
            failed = EngineFailedError(str(error))
            self._end(failed)
            raise failed from error
        except BaseException as error:
            self._end(EngineFailedError(f"sampling was stopped: {error or type(error).__name__}"))
            raise

    def _end(self, reason: EngineFailedError) -> None:
        if self._pool is not None:
            self._pool.close(reason)
            self._pool = None
        while self._samplers:
            self._samplers.pop().kill()
        self._published.version = None
