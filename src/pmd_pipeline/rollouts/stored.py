"""Graded rollouts as the bytes of a Parquet file, with all that training needs of them."""

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pmd_pipeline.records import Completion, Rollout
from pmd_pipeline.rollouts.collect import Collected

_SCHEMA = pa.schema(
    {
        "round": pa.int64(),
        "sampled_version": pa.int64(),
        "num_generation_calls": pa.int64(),
        "problem_id": pa.string(),
        "sample_index": pa.int64(),
        "prompt_token_ids": pa.list_(pa.int64()),
        "token_ids": pa.list_(pa.int64()),
        "log_probs": pa.list_(pa.float32()),
        "truncated": pa.bool_(),
        "response": pa.string(),
        "answer": pa.string(),
        "correct": pa.bool_(),
        "grade_reason": pa.string(),
        "reward": pa.float64(),
        "parts": pa.string(),
    }
)


def rollouts_to_bytes(rounds: Mapping[int, Collected]) -> bytes:
    """Return the rollouts of rounds, by the round's index; their seconds are not kept."""
    rows = [
        {
            "round": index,
            "sampled_version": collected.sampled_version,
            "num_generation_calls": collected.num_generation_calls,
            "problem_id": rollout.problem_id,
            "sample_index": rollout.sample_index,
            "prompt_token_ids": list(rollout.prompt_token_ids),
            "token_ids": list(rollout.completion.token_ids),
            "log_probs": rollout.completion.log_probs,
            "truncated": rollout.completion.truncated,
            "response": rollout.response,
            "answer": rollout.answer,
            "correct": rollout.correct,
            "grade_reason": rollout.grade_reason,
            "reward": rollout.reward,
            "parts": json.dumps(dict(rollout.parts)),
        }
        for index, collected in rounds.items()
        for rollout in collected.rollouts
    ]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), buffer)
    return buffer.getvalue()


def rollouts_from_bytes(content: bytes) -> dict[int, Collected]:
    """Return what :func:`rollouts_to_bytes` was given, bit for bit; nothing for no bytes."""
    rounds: dict[int, Collected] = {}
    if not content:
        return rounds
    for row in pq.read_table(io.BytesIO(content)).to_pylist():
        collected = rounds.setdefault(
            row["round"],
            Collected(
                rollouts=[],
                sampled_version=row["sampled_version"],
                num_generation_calls=row["num_generation_calls"],
            ),
        )
        collected.rollouts.append(_rollout(row))
    return rounds


def _rollout(row: dict[str, Any]) -> Rollout:
    return Rollout(
        problem_id=row["problem_id"],
        sample_index=row["sample_index"],
        prompt_token_ids=tuple(row["prompt_token_ids"]),
        completion=Completion(
            token_ids=tuple(row["token_ids"]),
            log_probs=np.array(row["log_probs"], dtype=np.float32),
            truncated=row["truncated"],
        ),
        response=row["response"],
        answer=row["answer"],
        correct=row["correct"],
        grade_reason=row["grade_reason"],
        reward=row["reward"],
        parts=json.loads(row["parts"]),
    )
