"""avg@k, pass@k, maj@k, and diagnostics of a round."""

from pmd_pipeline.metrics.estimators import average_at_k, pass_at_k
from pmd_pipeline.metrics.evaluation import evaluate_completions, evaluate_problems
from pmd_pipeline.metrics.majority import majority_at_k

__all__ = [
    "average_at_k",
    "evaluate_completions",
    "evaluate_problems",
    "majority_at_k",
    "pass_at_k",
]
