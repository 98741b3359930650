"""Rollouts as rows of a table."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from pmd_pipeline.records import Rollout


def rollouts_to_table(rollouts: Sequence[Rollout]) -> pd.DataFrame:
    """Return one row per rollout, in order."""
    return pd.DataFrame([_row(rollout) for rollout in rollouts])


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
