"""Several rewards, weighted and added up."""

from collections.abc import Mapping, Sequence

from pmd_pipeline.records import Prompt, Score
from pmd_pipeline.rewards.reward_function import RewardFunction, get_ready


class WeightedSum:
    """Adds up the rewards of its parts.

    Right or wrong, the answer and the reason are those of the first part that tells right from
    wrong.

    Args:
        parts: Each part's weight and reward function, by name.
    """

    two_values = None

    def __init__(self, parts: Mapping[str, tuple[float, RewardFunction]]) -> None:
        self._parts = dict(parts)

    def __call__(self, prompts: Sequence[Prompt], responses: Sequence[str]) -> list[Score]:
        """Return one score per response; see :class:`RewardFunction`."""
        by_part = [reward(prompts, responses) for _, reward in self._parts.values()]
        return [self._add(scores) for scores in zip(*by_part, strict=True)]

    def get_ready(self, prompts: Sequence[Prompt]) -> None:
        """Have the parts start their processes."""
        for _, reward in self._parts.values():
            get_ready(reward, prompts)

    def close(self) -> None:
        """Close the parts."""
        for _, reward in self._parts.values():
            reward.close()

    def _add(self, scores: Sequence[Score]) -> Score:
        judge = next((score for score in scores if score.correct is not None), scores[0])
        weights = [weight for weight, _ in self._parts.values()]
        return Score(
            reward=sum(w * score.reward for w, score in zip(weights, scores, strict=True)),
            correct=judge.correct,
            answer=judge.answer,
            reason=judge.reason,
            parts=self._named(scores),
        )

    def _named(self, scores: Sequence[Score]) -> dict[str, float]:
        """Return each part's reward, and what it is made of itself, by name."""
        named: dict[str, float] = {}
        for name, score in zip(self._parts, scores, strict=True):
            named[name] = score.reward
            named |= {f"{name}_{inner}": value for inner, value in score.parts.items()}
        return named
