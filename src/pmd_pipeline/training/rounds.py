"""The loop over rounds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from pmd_pipeline.engines.base import RolloutEngine
from pmd_pipeline.progress import progress_bar
from pmd_pipeline.records import Prompt
from pmd_pipeline.rewards import RewardFunction
from pmd_pipeline.rollouts.collect import Collected
from pmd_pipeline.training.prompt_order import other_prompts, prompts_of_round
from pmd_pipeline.training.round import RoundResult, run_round
from pmd_pipeline.training.round_sampling import SubmittedRound, submit_round
from pmd_pipeline.training.sampling_ahead import SamplingAhead
from pmd_pipeline.training.setup import TrainingSetup
from pmd_pipeline.training.trainer import Trainer


def run_rounds(
    trainer: Trainer,
    engine: RolloutEngine,
    prompts: Sequence[Prompt],
    setup: TrainingSetup,
    reward: RewardFunction,
    *,
    first_round: int,
    last_round: int,
    ahead: Mapping[int, Collected] | None = None,
) -> Iterator[RoundResult]:
    """Run rounds ``first_round`` to ``last_round`` (from 0, the last excluded) and yield each.

    After each, the trainer's policy and optimizer state and the rollouts ahead can be stored and
    continued from, because every random choice depends only on seeds and the round.

    Args:
        trainer: Holds the policy.
        engine: What samples.
        prompts: All train prompts.
        setup: Algorithm and training.
        reward: Scores the responses.
        first_round: The first round of a phase, or the one after the stored state.
        last_round: The last one of a phase.
        ahead: Of the stored state: see `RoundResult`.

    Raises:
        ValueError: If there are fewer prompts than a round needs.
        NonFiniteUpdateError: If a loss or gradient is NaN or infinite.
    """
    loop = _Loop(trainer, engine, prompts, setup, reward, first_round, last_round)
    rounds = (
        loop.each_from_fresh() if setup.training.lag == 0 else loop.each_from_ahead(ahead or {})
    )
    num_rounds = last_round - first_round
    # What a run logs of each round says it better.
    with progress_bar(f"training {setup.name}", num_rounds, "rounds", has_lines=False) as bar:
        for result in rounds:
            yield result
            bar.update()


@dataclass(frozen=True, slots=True)
class _Loop:
    trainer: Trainer
    engine: RolloutEngine
    prompts: Sequence[Prompt]
    setup: TrainingSetup
    reward: RewardFunction
    first_round: int
    last_round: int

    def each_from_fresh(self) -> Iterator[RoundResult]:
        for round_index in range(self.first_round, self.last_round):
            yield self._run(round_index)

    def each_from_ahead(self, ready: Mapping[int, Collected]) -> Iterator[RoundResult]:
        engine = self.engine.beside_training()
        with SamplingAhead(
            partial(self._submit, engine),
            engine,
            self.trainer,
            setup=self.setup,
            ready=ready,
        ) as ahead:
            for round_index in range(self.first_round, self.last_round):
                collected, waited = ahead.begin(round_index)
                result = self._run(round_index, collected)
                waited += ahead.finish()
                yield replace(result, waiting_seconds=waited, ahead=ahead.ready)

    def _run(self, round_index: int, collected: Collected | None = None) -> RoundResult:
        reset_every = self.setup.optimizer.reset_every_rounds
        if reset_every is not None and round_index > 0 and round_index % reset_every == 0:
            self.trainer.reset_optimizer()
        return run_round(
            self.trainer,
            self.engine,
            self._prompts_of(round_index),
            self.setup,
            self.reward,
            others=self._others_than(round_index),
            round_index=round_index,
            collected=collected,
        )

    def _submit(self, engine: RolloutEngine, round_index: int, version: int) -> SubmittedRound:
        return submit_round(
            engine,
            self._prompts_of(round_index),
            self.setup,
            self.reward,
            others=self._others_than(round_index),
            round_index=round_index,
            version=version,
            tokenizer=self.trainer.whole_policy().tokenizer,
        )

    def _prompts_of(self, round_index: int) -> list[Prompt]:
        return prompts_of_round(
            self.prompts,
            round_index=round_index,
            prompts_per_round=self.setup.training.prompts_per_round,
            seed=self.setup.seed,
        )

    def _others_than(self, round_index: int) -> Iterator[Prompt]:
        return other_prompts(
            self.prompts,
            self._prompts_of(round_index),
            round_index=round_index,
            seed=self.setup.seed,
        )
