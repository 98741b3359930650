"""What every rollout engine does."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines.units import Unit, cut_into_units
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.progress import Progress
from pmd_pipeline.records import Completion

GroupFinished = Callable[[int, list[Completion]], object]


class RolloutEngine(Protocol):
    """Samples responses; a catalog entry, closed when its last consumer has run.

    A policy is published, prompts are submitted in units, and each unit's responses are collected.
    While units are under way nothing is published.

    Attributes:
        runs_policy_model: True if it samples with the policy's own model, which must then be on
            the sampling device; False if it copies the weights to its own model.
        unit_size: Most responses of a unit; None: all that are submitted together are one.
    """

    runs_policy_model: bool
    unit_size: int | None = None

    def publish(self, policy: Policy) -> int:
        """Make the engine sample from ``policy`` as it is now; call after each update.

        An engine with weights of its own has them when this returns. One that runs the policy's
        model samples from that, so the policy must stay as it is until the units are collected.

        Returns:
            The version that is now sampled from: the policy's.
        """

    def submit(self, units: Sequence[Unit], version: int) -> list[Any]:
        """Take units to be sampled from the published ``version``.

        The first units after the engine's start are submitted by the thread that has published, as
        they may be probed with. Later ones may come from the thread that collects, while the policy
        is trained on: an engine that samples beside training does not look at its weights then.

        Returns:
            A handle for each, to :meth:`collect` it by.

        Raises:
            ValueError: If ``version`` is not what was published last, a prompt is empty or too
                long.
        """

    def collect(
        self,
        handle: Any,
        *,
        progress: Progress | None = None,
        group_finished: GroupFinished | None = None,
    ) -> list[list[Completion]]:
        """Return the responses to each of a unit's prompts; waits for them.

        Args:
            handle: Of the unit; it is collected once.
            progress: Called after each finished response.
            group_finished: Called with a prompt's position in the unit and its responses as soon
                as they are finished, in any order, while others are still being sampled; an engine
                need not call it.
        """

    def beside_training(self) -> "RolloutEngine":
        """Return an engine that samples while its published policy is trained on.

        It has weights of its own; this engine closes it.
        """

    def close(self) -> None:
        """Free what the engine holds; it cannot be used afterwards."""

    def cut(self, lengths: Sequence[int], num_samples: int) -> list[list[int]]:
        """Return the positions of each unit's prompts, given their lengths in tokens."""
        return cut_into_units(lengths, num_samples=num_samples, unit_size=self.unit_size)

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        version: int,
        num_samples: int,
        sampling: SamplingConfig,
        seeds: Sequence[int],
        progress: Progress | None = None,
        group_finished: GroupFinished | None = None,
    ) -> list[list[Completion]]:
        """Return ``num_samples`` responses per prompt: submit units and collect them.

        Args:
            prompts: Token ids, special tokens included.
            version: What :meth:`publish` has returned.
            num_samples: Responses per prompt.
            sampling: Distribution and length limit.
            seeds: One per prompt; the same seed, policy and batch give the same responses.
            progress: Called after each finished response.
            group_finished: As in :meth:`collect`, with a prompt's position among all.

        Raises:
            ValueError: If there are not as many seeds as prompts, or as :meth:`submit`.
        """
        return submit_prompts(
            self, prompts, version=version, num_samples=num_samples, sampling=sampling, seeds=seeds
        ).collect(progress=progress, group_finished=group_finished)


class SubmittedPrompts:
    """Prompts that an engine is sampling from; :func:`submit_prompts` makes it."""

    def __init__(
        self, engine: RolloutEngine, positions: list[list[int]], handles: Sequence[Any]
    ) -> None:
        self._engine = engine
        self._units = list(zip(positions, handles, strict=True))

    def collect(
        self, *, progress: Progress | None = None, group_finished: GroupFinished | None = None
    ) -> list[list[Completion]]:
        """Return the responses to each prompt, in the prompts' order; waits for them."""
        groups: list[list[Completion]] = [[] for unit, _ in self._units for _ in unit]
        for unit, handle in self._units:
            found = self._engine.collect(
                handle,
                progress=progress,
                group_finished=None if group_finished is None else _passed_on(unit, group_finished),
            )
            for position, group in zip(unit, found, strict=True):
                groups[position] = group
        return groups


def submit_prompts(
    engine: RolloutEngine,
    prompts: Sequence[Sequence[int]],
    *,
    version: int,
    num_samples: int,
    sampling: SamplingConfig,
    seeds: Sequence[int],
) -> SubmittedPrompts:
    """Cut prompts into units by the engine's rule and submit them; see `RolloutEngine.generate`."""
    if len(seeds) != len(prompts):
        raise ValueError(f"one seed per prompt: {len(prompts)} prompts, {len(seeds)} seeds")
    positions = engine.cut([len(prompt) for prompt in prompts], num_samples)
    units = [
        Unit(
            prompts=[prompts[i] for i in unit],
            seeds=[seeds[i] for i in unit],
            num_samples=num_samples,
            sampling=sampling,
        )
        for unit in positions
    ]
    return SubmittedPrompts(engine, positions, engine.submit(units, version))


def _passed_on(unit: Sequence[int], group_finished: GroupFinished) -> GroupFinished:
    """Return a call that names a group by its position among all prompts."""
    return lambda position, group: group_finished(unit[position], group)
