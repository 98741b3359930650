"""Rollouts as rows of a table."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from pmd_pipeline.records import Rollout

PART_PREFIX = "reward_"


def rollouts_to_table(rollouts: Sequence[Rollout]) -> pd.DataFrame:
    """Return one row per rollout, in order."""
    table = pd.DataFrame([_row(rollout) for rollout in rollouts])
    return table.astype({"correct": "boolean"})


def part_columns(parts: Mapping[str, float]) -> dict[str, float]:
    """Return the values of a reward's parts by the names of their columns."""
    return {f"{PART_PREFIX}{name}": value for name, value in parts.items()}


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
        **part_columns(rollout.parts),
        "truncated": completion.truncated,
        "num_tokens": len(completion.token_ids),
        "sampler_log_prob": float(completion.log_probs.sum()),
    }
