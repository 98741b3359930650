"""What a phase of training hands over to Kedro after each round.

Kedro holds on to what a node has yielded, for up to 57 rounds: it unzips the outputs, and
``itertools.tee`` keeps them in blocks. So what is large is handed over as a call that leaves
nothing behind.
"""

from dataclasses import asdict
from typing import Any

import pandas as pd

from pmd_pipeline.policies.reference import TrainingState
from pmd_pipeline.rollouts.stored import rollouts_to_bytes
from pmd_pipeline.training.round import RoundResult
from pmd_pipeline.training.round_metrics import (
    mean_parts,
    refill_metrics,
    round_metrics,
    warn_unfilled,
    warn_without_signal,
)
from pmd_pipeline.training.round_table import round_to_table
from pmd_pipeline.training.setup import TrainingSetup
from pmd_pipeline.training.theory_in_the_loop import ExactUpdate, theory_metrics
from pmd_pipeline.training.trainer import Trainer


def outputs_of_round(
    trainer: Trainer,
    exact_update: ExactUpdate | None,
    setup: TrainingSetup,
    last_round: int,
    result: RoundResult,
) -> dict[str, Any]:
    """Return what is saved after a round, by output.

    Args:
        trainer: Holds the policy as it is after the round.
        exact_update: What the round aimed at, if known.
        setup: Whose round it is.
        last_round: Of the phase.
        result: The finished round.
    """
    name = f"round_{result.round_index:05d}"
    rollouts = round_to_table(result)
    metrics = round_metrics(result)
    filled = refill_metrics(result, setup)
    warn_without_signal(setup.name, metrics)
    warn_unfilled(setup, metrics, filled.get("num_missing_groups", 0))
    row = {
        "algorithm": setup.label,
        "seed": setup.seed,
        **asdict(metrics),
        **filled,
        **mean_parts(result),
        **theory_metrics(rollouts, exact_update),
    }
    # The state is saved last: with it, the round counts as done.
    return {
        "rollouts": {name: [rollouts].pop},
        "round_metrics": {name: pd.DataFrame([row])},
        "policy": TrainingState(
            policy=trainer.whole_policy(),
            optimizer_state=trainer.optimizer_state,
            round_index=result.round_index,
            is_last=result.round_index == last_round,
            rollouts_ahead=rollouts_to_bytes(result.ahead) if result.ahead else b"",
            stored=trainer.stored,
        ),
    }
