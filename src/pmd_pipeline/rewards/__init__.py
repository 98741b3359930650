"""From a response to a reward: answer extraction, equivalence, and shaping."""

from pmd_pipeline.rewards.equivalence import vote_label
from pmd_pipeline.rewards.extraction import extract_answer
from pmd_pipeline.rewards.grading import Grade, GradeReason, GradingPool, grade
from pmd_pipeline.rewards.shaping import shape_rewards
from pmd_pipeline.rewards.workers import GradingWorkerError

__all__ = [
    "Grade",
    "GradeReason",
    "GradingPool",
    "GradingWorkerError",
    "extract_answer",
    "grade",
    "shape_rewards",
    "vote_label",
]
