"""The reward for an answer that equals the reference answer."""

from collections.abc import Sequence

from pmd_pipeline.config.rewards import MathRewardConfig
from pmd_pipeline.records import Prompt, Score
from pmd_pipeline.rewards.answers.grading import GradingPool
from pmd_pipeline.rewards.answers.numerals import integer_key


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

    def get_ready(self, prompts: Sequence[Prompt]) -> None:
        """Start the processes, unless all reference answers are integers: few answers to such need
        computer algebra, and theirs start when the first one comes.
        """
        answers = {prompt.answer for prompt in prompts if prompt.answer is not None}
        num_hard = sum(integer_key(answer) is None for answer in answers)
        self._pool.start(num_hard)

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
