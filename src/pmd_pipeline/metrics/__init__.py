"""avg@k, pass@k, maj@k, intervals over problems, and diagnostics of a round."""

from pmd_pipeline.metrics.estimators import average_at_k, pass_at_k
from pmd_pipeline.metrics.evaluation import evaluate_completions, evaluate_problems
from pmd_pipeline.metrics.intervals import Interval, bootstrap_interval, paired_difference_interval
from pmd_pipeline.metrics.majority import majority_at_k

__all__ = [
    "Interval",
    "average_at_k",
    "bootstrap_interval",
    "evaluate_completions",
    "evaluate_problems",
    "majority_at_k",
    "paired_difference_interval",
    "pass_at_k",
]
