"""Advantages and losses: what tells one algorithm from another, as pure functions of tensors."""

from pmd_pipeline.algorithms.advantages import compute_advantages
from pmd_pipeline.algorithms.clipped_surrogate import clipped_surrogate_loss, is_clipped
from pmd_pipeline.algorithms.dispatch import advantages_of, mini_batch_loss, rollout_weights
from pmd_pipeline.algorithms.importance_weights import (
    sequence_importance_weights,
    token_importance_weights,
)
from pmd_pipeline.algorithms.log_ratios import sequence_log_ratio, token_log_ratio
from pmd_pipeline.algorithms.loss_records import LossDenominators, LossInputs, LossOutput
from pmd_pipeline.algorithms.partition_weights import partition_weights
from pmd_pipeline.algorithms.pmd import pmd_regression_loss
from pmd_pipeline.algorithms.policy_gradient import policy_gradient_loss
from pmd_pipeline.algorithms.prompt_filter import groups_with_signal, groups_within_bounds

__all__ = [
    "LossDenominators",
    "LossInputs",
    "LossOutput",
    "advantages_of",
    "clipped_surrogate_loss",
    "compute_advantages",
    "groups_with_signal",
    "groups_within_bounds",
    "is_clipped",
    "mini_batch_loss",
    "partition_weights",
    "pmd_regression_loss",
    "policy_gradient_loss",
    "rollout_weights",
    "sequence_importance_weights",
    "sequence_log_ratio",
    "token_importance_weights",
    "token_log_ratio",
]
