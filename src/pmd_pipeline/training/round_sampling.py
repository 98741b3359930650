"""What is sampled for a round: its prompts' seeds, its group size, and more prompts to fill it."""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

from pmd_pipeline.engines.base import RolloutEngine
from pmd_pipeline.records import Prompt
from pmd_pipeline.rewards import RewardFunction
from pmd_pipeline.rewards.length_penalty import length_penalty_of
from pmd_pipeline.rollouts.collect import (
    Collected,
    SubmittedRollouts,
    publish_and_collect,
    put_together,
    submit_rollouts,
)
from pmd_pipeline.seeds import derive_seed
from pmd_pipeline.training.refill import num_kept_groups, num_prompts_to_draw
from pmd_pipeline.training.setup import TrainingSetup
from pmd_pipeline.training.trainer import Trainer


class SubmittedRound:
    """Rollouts of a round, or of a cycle, that an engine samples; `submit_round` makes it."""

    def __init__(
        self,
        submit: Callable[[Sequence[Prompt]], SubmittedRollouts],
        prompts: Sequence[Prompt],
        others: Iterable[Prompt],
        setup: TrainingSetup,
    ) -> None:
        self._submit = submit
        self._submitted = submit(prompts)
        self._num_prompts = len(prompts)
        self._others = iter(others)
        self._setup = setup

    def collect(self) -> Collected:
        """Return the rollouts when they are sampled and scored; any thread may wait for them.

        With a refill, more prompts are submitted from that thread, until there are enough groups
        within the prompt filter's bounds.
        """
        collected = self._submitted.collect()
        while more := list(islice(self._others, self._num_more(collected))):
            collected = put_together(collected, self._submit(more).collect())
        return collected

    def _num_more(self, collected: Collected) -> int:
        bounds, group_size = self._setup.algorithm.prompt_filter, self._setup.group_size
        if bounds is None or bounds.refill is None:
            return 0
        rollouts = collected.rollouts
        return num_prompts_to_draw(
            num_wanted=self._num_prompts,
            num_kept=num_kept_groups(rollouts, bounds, group_size=group_size),
            num_drawn=len(rollouts) // group_size,
            num_extra=bounds.refill.max_extra_rounds * self._num_prompts,
        )


def submit_round(
    engine: RolloutEngine,
    prompts: Sequence[Prompt],
    setup: TrainingSetup,
    reward: RewardFunction,
    *,
    others: Iterable[Prompt] = (),
    round_index: int,
    version: int,
    tokenizer: Any,
) -> SubmittedRound:
    """Have the rollouts of a round (from 0), or of some of its prompts, sampled.

    Args:
        engine: What samples.
        prompts: Of the round.
        setup: Algorithm and training.
        reward: Scores the responses.
        others: Further prompts, taken one after the other where the prompt filter has a refill.
        round_index: Decides the seeds, with the training seed and the prompt.
        version: Of the policy that the engine has published.
        tokenizer: The policy's.
    """

    def submit(these: Sequence[Prompt]) -> SubmittedRollouts:
        return submit_rollouts(
            engine,
            these,
            version=version,
            num_samples=setup.group_size,
            sampling=setup.training.sampling,
            seeds=[
                derive_seed(setup.seed, "rollout", round_index, prompt.problem_id)
                for prompt in these
            ],
            tokenizer=tokenizer,
            reward=reward,
            length_penalty=length_penalty_of(setup.rewards),
        )

    return SubmittedRound(submit, prompts, others, setup)


def sample_now(
    trainer: Trainer,
    engine: RolloutEngine,
    prompts: Sequence[Prompt],
    setup: TrainingSetup,
    reward: RewardFunction,
    *,
    others: Iterable[Prompt] = (),
    round_index: int,
) -> Collected:
    """Return graded rollouts of the trainer's policy as it is now; see :func:`submit_round`."""
    return publish_and_collect(
        engine,
        trainer.whole_policy,
        lambda policy, version: submit_round(
            engine,
            prompts,
            setup,
            reward,
            others=others,
            round_index=round_index,
            version=version,
            tokenizer=policy.tokenizer,
        ),
    )
