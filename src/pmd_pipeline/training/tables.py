"""Rollouts as rows of a table."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from pmd_pipeline.records import Rollout
from pmd_pipeline.training.round import RoundResult


def rollouts_to_table(rollouts: Sequence[Rollout]) -> pd.DataFrame:
    """Return one row per rollout, in order."""
    return pd.DataFrame([_row(rollout) for rollout in rollouts])


def round_to_table(result: RoundResult) -> pd.DataFrame:
    """Return one row per rollout of a round, with what its updates made of it.

    ``sequence_log_ratio`` is that of the policy after the last mini-batch of the rollout's cycle to
    the policy that sampled it, nats.
    """
    tables = []
    for cycle, measured in enumerate(result.cycles):
        table = rollouts_to_table(measured.rollouts)
        table.insert(0, "round", result.round_index)
        table.insert(1, "cycle", cycle)
        table["advantage"] = measured.advantages.astype(float)
        table["behaviour_log_prob"] = measured.behaviour_log_probs.astype(float)
        table["sequence_log_ratio"] = measured.sequence_log_ratios.astype(float)
        table["entropy"] = measured.mean_entropies.astype(float)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _row(rollout: Rollout) -> dict[str, Any]:
    completion = rollout.completion
    return {
        "problem_id": rollout.problem_id,
        "sample_index": rollout.sample_index,
        "response": rollout.response,
        "answer": rollout.answer,
        "correct": rollout.correct,
        "grade_reason": rollout.grade_reason,
        "reward": rollout.reward,
        "truncated": completion.truncated,
        "num_tokens": len(completion.token_ids),
        "sampler_log_prob": float(completion.log_probs.sum()),
    }
