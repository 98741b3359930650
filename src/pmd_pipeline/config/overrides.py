"""What an algorithm trains with: its own settings where it has them, those of all otherwise."""

from pmd_pipeline.config.algorithms import AnyAlgorithmConfig
from pmd_pipeline.config.training import OptimizerConfig, TrainingConfig


def group_size_of(training: TrainingConfig, algorithm: AnyAlgorithmConfig) -> int:
    """Return the rollouts per prompt."""
    return training.group_size if algorithm.group_size is None else algorithm.group_size


def most_prompts_of(training: TrainingConfig, algorithm: AnyAlgorithmConfig) -> int:
    """Return the most prompts that a round draws: with a refill more than it trains on."""
    bounds = algorithm.prompt_filter
    refill = None if bounds is None else bounds.refill
    num_rounds = 1 if refill is None else 1 + refill.max_extra_rounds
    return training.prompts_per_round * num_rounds


def num_mini_batches_of(training: TrainingConfig, algorithm: AnyAlgorithmConfig) -> int:
    """Return the updates per round."""
    own = algorithm.num_mini_batches
    return training.num_mini_batches if own is None else own


def optimizer_of(training: TrainingConfig, algorithm: AnyAlgorithmConfig) -> OptimizerConfig:
    """Return the optimizer with the algorithm's learning rate."""
    own, shared = algorithm.learning_rate, training.optimizer
    return shared if own is None else shared.model_copy(update={"learning_rate": own})
