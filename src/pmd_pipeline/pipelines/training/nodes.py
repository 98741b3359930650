"""Nodes of the stage ``training``.

Building the pipelines imports this module, for `kedro viz` too: what takes long to import is
imported within the nodes that use it.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict
from typing import Any

import pandas as pd

from pmd_pipeline.config.algorithms import AlgorithmParameters
from pmd_pipeline.config.compute import ComputeConfig
from pmd_pipeline.config.rewards import RewardParameters
from pmd_pipeline.config.training import TrainingConfig
from pmd_pipeline.engines.base import RolloutEngine
from pmd_pipeline.policies.reference import PolicyReference, TrainingState
from pmd_pipeline.problems.prompts import table_to_prompts
from pmd_pipeline.rewards.choice import reward_for, two_values_of
from pmd_pipeline.training.setup import TrainingSetup


def phase_name(phase: int) -> str:
    """Return the name of a phase (from 1): its namespace and its folder."""
    return f"phase_{phase}"


def make_train_phase(label: str, phase: int) -> Callable[..., Iterator[dict[str, Any]]]:
    """Return the node function that trains ``label`` through phase ``phase`` (from 1)."""

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
        from pmd_pipeline.training.round_metrics import (
            mean_parts,
            round_metrics,
            warn_without_signal,
        )
        from pmd_pipeline.training.round_table import round_to_table
        from pmd_pipeline.training.rounds import run_rounds
        from pmd_pipeline.training.theory_in_the_loop import exact_update_of, theory_metrics
        from pmd_pipeline.training.trainer import start_trainer

        setup = TrainingSetup(
            label=label,
            algorithm=algorithm.root,
            training=training,
            rewards=rewards.root,
            seed=seed,
        )
        exact_update = exact_update_of(setup.algorithm, two_values_of(rewards.root))
        start = resume_points.get(phase_name(phase), previous_policy)
        last_round = phase * training.rounds_per_phase
        with closing(start_trainer(start, setup, compute, engine)) as trainer:
            tokenizer = trainer.whole_policy().tokenizer
            for result in run_rounds(
                trainer,
                engine,
                table_to_prompts(selected_prompts, tokenizer),
                setup,
                reward_for(rewards.root),
                first_round=start.round_index,
                last_round=last_round,
            ):
                name = f"round_{result.round_index:05d}"
                rollouts = round_to_table(result)
                metrics = round_metrics(result)
                warn_without_signal(label, metrics)
                row = {
                    "algorithm": label,
                    **asdict(metrics),
                    **mean_parts(result),
                    **theory_metrics(rollouts, exact_update),
                }
                # The state is saved last: with it, the round counts as done.
                yield {
                    "rollouts": {name: rollouts},
                    "round_metrics": {name: pd.DataFrame([row])},
                    "policy": TrainingState(
                        policy=trainer.whole_policy(),
                        optimizer_state=trainer.optimizer_state(),
                        round_index=result.round_index,
                        is_last=result.round_index == last_round,
                    ),
                }

    return train_phase
