"""From a response to a reward: reward functions, answer extraction, equivalence."""

from pmd_pipeline.records import Score
from pmd_pipeline.rewards.answers.extraction import extract_answer
from pmd_pipeline.rewards.answers.grading import Grade, GradeReason, GradingPool, grade
from pmd_pipeline.rewards.answers.voting import vote_label, with_vote_labels
from pmd_pipeline.rewards.answers.workers import GradingWorkerError
from pmd_pipeline.rewards.reward_function import RewardFunction

__all__ = [
    "Grade",
    "GradeReason",
    "GradingPool",
    "GradingWorkerError",
    "RewardFunction",
    "Score",
    "extract_answer",
    "grade",
    "vote_label",
    "with_vote_labels",
]
