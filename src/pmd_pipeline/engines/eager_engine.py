"""Sampling ahead of training without another process: first all is sampled, then trained."""

from collections.abc import Sequence

from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.engines.base import GroupFinished, RolloutEngine
from pmd_pipeline.engines.transformers_engine import TransformersEngine
from pmd_pipeline.engines.units import Unit
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.progress import Progress
from pmd_pipeline.records import Completion


class EagerEngine(RolloutEngine):
    """Samples a unit as soon as it is submitted, from the trainer's own model.

    So the model may be updated before the unit is collected, and no copy of it is needed. Sampling
    and training take turns, which costs nothing where there is one core for both; the responses are
    those of an engine that samples beside training.
    """

    runs_policy_model = True

    def __init__(self, config: TransformersEngineConfig) -> None:
        self._engine = TransformersEngine(config)
        self.unit_size = config.unit_size

    def publish(self, policy: Policy) -> int:
        """Sample from ``policy`` itself; see :class:`RolloutEngine`."""
        return self._engine.publish(policy)

    def submit(self, units: Sequence[Unit], version: int) -> list[list[list[Completion]]]:
        """Sample units; see :meth:`TransformersEngine.submit`."""
        return [self._engine.collect(handle) for handle in self._engine.submit(units, version)]

    def collect(
        self,
        handle: list[list[Completion]],
        *,
        progress: Progress | None = None,
        group_finished: GroupFinished | None = None,
    ) -> list[list[Completion]]:
        """Return a unit's responses; see :class:`RolloutEngine`."""
        if progress is not None:
            progress.update(sum(map(len, handle)))
        return handle

    def beside_training(self) -> RolloutEngine:
        """Return this engine: what it has sampled needs the policy no longer."""
        return self

    def close(self) -> None:
        """Release the policy."""
        self._engine.close()
