"""Everything that determines a training, in one record."""

from dataclasses import dataclass

from pmd_pipeline.config.algorithms import AnyAlgorithmConfig
from pmd_pipeline.config.rewards import AnyRewardConfig
from pmd_pipeline.config.training import OptimizerConfig, TrainingConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSetup:
    """One algorithm's training: shared settings and its own.

    Attributes:
        label: The algorithm's name in this experiment.
        algorithm: Its configuration, which overrides ``training``'s settings.
        training: What all algorithms share.
        rewards: Which reward, and the length penalty.
        seed: The experiment's seed; the label plays no part, so all algorithms see the same
            prompts in the same order.
    """

    label: str
    algorithm: AnyAlgorithmConfig
    training: TrainingConfig
    rewards: AnyRewardConfig
    seed: int

    @property
    def group_size(self) -> int:
        """Rollouts per prompt."""
        own = self.algorithm.group_size
        return self.training.group_size if own is None else own

    @property
    def num_mini_batches(self) -> int:
        """Optimizer updates per round."""
        own = self.algorithm.num_mini_batches
        return self.training.num_mini_batches if own is None else own

    @property
    def optimizer(self) -> OptimizerConfig:
        """The optimizer with this algorithm's learning rate."""
        own = self.algorithm.learning_rate
        shared = self.training.optimizer
        return shared if own is None else shared.model_copy(update={"learning_rate": own})

    @property
    def is_packed(self) -> bool:
        """Whether no padding is computed; False while ``auto`` is undecided: `decide_packing`."""
        return self.training.packing is True

    @property
    def num_cycles(self) -> int:
        """Sample-then-update cycles per round: one, or one per update when on policy.

        So an on-policy round sees as many prompts and makes as many updates as any other round,
        each update on fresh samples; its steps are already divided for comparison.
        """
        return self.num_mini_batches if self.algorithm.resamples_each_mini_batch else 1

    @property
    def updates_per_cycle(self) -> int:
        """Optimizer updates on the samples of one cycle."""
        return self.num_mini_batches // self.num_cycles
