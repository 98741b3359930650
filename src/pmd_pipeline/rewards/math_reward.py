"""The reward for an answer that equals the reference answer."""

from collections.abc import Sequence

from pmd_pipeline.config.rewards import MathRewardConfig
from pmd_pipeline.records import Prompt, Score
from pmd_pipeline.rewards.answers.grading import GradingPool


class MathReward:
    """Grades answers as mathematics, in processes of its own where that needs computer algebra.

    Args:
        config: Convention, reward values and limits.
    """

    def __init__(self, config: MathRewardConfig) -> None:
        self._config = config
        self._pool = GradingPool(
            num_workers=config.num_workers, timeout_seconds=config.timeout_seconds
        )

    @property
    def two_values(self) -> tuple[float, float]:
        """The rewards of a wrong and of a right answer."""
        return self._config.incorrect_reward, self._config.correct_reward

    def __call__(self, prompts: Sequence[Prompt], responses: Sequence[str]) -> list[Score]:
        """Return one score per response; see :class:`RewardFunction`.

        Raises:
            ValueError: If a prompt has no reference answer.
            GradingWorkerError: If a process is needed and none can be started.
        """
        grades = self._pool.grade_many(
            responses, [_reference(prompt) for prompt in prompts], self._config.convention
        )
        incorrect, correct = self.two_values
        return [
            Score(
                reward=correct if grade.correct else incorrect,
                correct=grade.correct,
                answer=grade.answer,
                reason=str(grade.reason),
            )
            for grade in grades
        ]

    def close(self) -> None:
        """End the processes."""
        self._pool.close()


def _reference(prompt: Prompt) -> str:
    if prompt.answer is None:
        raise ValueError(
            f"problem {prompt.problem_id!r} has no reference answer, and rewards.kind math "
            "compares with one; set data_preparation.missing_rows: drop, or choose another reward"
        )
    return prompt.answer
