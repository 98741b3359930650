"""Nodes of the stage ``training``.

Building the pipelines imports this module, for `kedro viz` too: what takes long to import is
imported within the nodes that use it.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import Any

import pandas as pd

from pmd_pipeline.config.algorithms import AlgorithmParameters
from pmd_pipeline.config.compute import ComputeConfig
from pmd_pipeline.config.rewards import RewardParameters
from pmd_pipeline.config.training import TrainingConfig
from pmd_pipeline.config.training_runs import TrainingRun
from pmd_pipeline.engines.base import RolloutEngine
from pmd_pipeline.policies.reference import PolicyReference
from pmd_pipeline.problems.prompts import table_to_prompts
from pmd_pipeline.rewards.choice import reward_for, two_values_of
from pmd_pipeline.training.setup import TrainingSetup


def phase_name(phase: int) -> str:
    """Return the name of a phase (from 1): its namespace and its folder."""
    return f"phase_{phase}"


def make_train_phase(run: TrainingRun, phase: int) -> Callable[..., Iterator[dict[str, Any]]]:
    """Return the node function of a training run's phase ``phase`` (from 1)."""

    def train_phase(
        selected_prompts: pd.DataFrame,
        previous_policy: PolicyReference,
        resume_points: dict[str, PolicyReference],
        engine: RolloutEngine,
        training: TrainingConfig,
        algorithm: AlgorithmParameters,
        rewards: RewardParameters,
        compute: ComputeConfig,
        seed: int,
    ) -> Iterator[dict[str, Any]]:
        """Run the phase's rounds; yield state, rollouts and metrics after each."""
        from pmd_pipeline.pipelines.training.outputs import outputs_of_round
        from pmd_pipeline.rollouts.stored import rollouts_from_bytes
        from pmd_pipeline.training.rounds import run_rounds
        from pmd_pipeline.training.theory_in_the_loop import exact_update_of
        from pmd_pipeline.training.trainer import start_trainer

        setup = TrainingSetup(
            label=run.algorithm,
            algorithm=algorithm.root,
            training=training,
            rewards=rewards.root,
            seed=run.seed,
            adapter_seed=seed,
        )
        exact_update = exact_update_of(
            setup.algorithm,
            two_values_of(rewards.root),
            weighs_stale_rollouts=training.weighs_stale_rollouts,
        )
        start = resume_points.get(f"{run.namespace}.{phase_name(phase)}", previous_policy)
        last_round = phase * training.rounds_per_phase
        with closing(start_trainer(start, setup, compute, engine)) as trainer:
            tokenizer = trainer.whole_policy().tokenizer
            rounds = run_rounds(
                trainer,
                engine,
                table_to_prompts(selected_prompts, tokenizer),
                setup,
                reward_for(rewards.root),
                first_round=start.round_index,
                last_round=last_round,
                ahead=rollouts_from_bytes(start.load_rollouts_ahead()),
            )
            yield from map(
                partial(outputs_of_round, trainer, exact_update, setup, last_round), rounds
            )

    return train_phase
