"""The reward of Reasoning Gym's problems: each family's own verifier."""

from collections.abc import Sequence

from pmd_pipeline.config.reasoning_gym import ReasoningGymRewardConfig
from pmd_pipeline.config.rewards import ImportRewardConfig
from pmd_pipeline.problems.gym.draw import is_gym_prompt
from pmd_pipeline.records import Prompt, Score
from pmd_pipeline.rewards.imported import ImportedReward

_MAKE_SCORER = "pmd_pipeline.rewards.gym_scorer:make_scorer"


class ReasoningGymReward:
    """Scores responses by their problem's family, 0 to 1.

    The verifiers are the families' own code and read what the policy wrote: some evaluate it as
    an expression, and ``9**9**9**9`` takes for ever. So they run in processes that are killed when
    they take too long; such a response is a wrong one, and so is one that makes a verifier raise.

    Args:
        config: Convention, partial credit and limits.
        parameter: The section that holds it, for messages.
    """

    def __init__(self, config: ReasoningGymRewardConfig, *, parameter: str = "rewards") -> None:
        self._config = config
        self._parameter = parameter
        self._scorer = ImportedReward(
            ImportRewardConfig(
                kind="import",
                import_path=_MAKE_SCORER,
                options={
                    "convention": config.convention,
                    "partial_credit": config.partial_credit,
                },
                timeout_seconds=config.timeout_seconds,
                num_workers=config.num_workers,
                on_error="incorrect",
            ),
            parameter=parameter,
        )

    @property
    def two_values(self) -> tuple[float, float] | None:
        """(0, 1) without partial credit; None with it."""
        return None if self._config.partial_credit else (0.0, 1.0)

    def __call__(self, prompts: Sequence[Prompt], responses: Sequence[str]) -> list[Score]:
        """Return one score per response; see :class:`RewardFunction`.

        Raises:
            ValueError: If a problem was not made by ``kind: reasoning_gym``.
            RewardError: If Reasoning Gym is not installed.
        """
        for prompt in prompts:
            if not is_gym_prompt(prompt.metadata):
                raise ValueError(
                    f"{self._parameter}.kind reasoning_gym scores problems of kind reasoning_gym "
                    f"alone, but {prompt.problem_id!r} is of another kind; choose the reward that "
                    "fits the data"
                )
        return self._scorer(prompts, responses)

    def get_ready(self, prompts: Sequence[Prompt]) -> None:
        """Start the processes; return before they are ready."""
        self._scorer.get_ready(prompts)

    def close(self) -> None:
        """End the processes."""
        self._scorer.close()
