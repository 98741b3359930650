"""The loop over rounds."""

from collections.abc import Iterator, Sequence

from pmd_pipeline.engines.base import RolloutEngine
from pmd_pipeline.progress import progress_bar
from pmd_pipeline.records import Prompt
from pmd_pipeline.rewards import RewardFunction
from pmd_pipeline.training.prompt_order import prompts_of_round
from pmd_pipeline.training.round import RoundResult, run_round
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
) -> Iterator[RoundResult]:
    """Run rounds ``first_round`` to ``last_round`` (from 0, the last excluded) and yield each.

    After each, the trainer's policy and optimizer state can be stored and continued from, because
    every random choice depends only on seeds and the round.

    Raises:
        ValueError: If there are fewer prompts than a round needs.
        NonFiniteUpdateError: If a loss or gradient is NaN or infinite.
    """
    reset_every = setup.optimizer.reset_every_rounds
    with progress_bar(f"training {setup.name}", last_round - first_round, "rounds") as bar:
        for round_index in range(first_round, last_round):
            if reset_every is not None and round_index > 0 and round_index % reset_every == 0:
                trainer.reset_optimizer()
            yield run_round(
                trainer,
                engine,
                prompts_of_round(
                    prompts,
                    round_index=round_index,
                    prompts_per_round=setup.training.prompts_per_round,
                    seed=setup.seed,
                ),
                setup,
                reward,
                round_index=round_index,
            )
            bar.update()
