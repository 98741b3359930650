"""A few problems with what each model has answered, the same in every page of the same results."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pmd_pipeline.reporting import formatting


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A model's first response to a problem.

    Attributes:
        verdict: "right", "wrong", or the reward where that is not known.
        kind: Class of the element: "right", "wrong" or "muted".
        answer: What it answers.
        length: In tokens, and whether the limit ended it.
        response: The text.
    """

    verdict: str
    kind: str
    answer: str
    length: str
    response: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownProblem:
    """A problem and what each model has answered.

    Attributes:
        name: Its id, with the evaluation set.
        problem: The text.
        gold: The reference answer.
        answers: One for each model, in their order.
    """

    name: str
    problem: str
    gold: str
    answers: tuple[Answered, ...]


def side_by_side(
    completions: Mapping[str, pd.DataFrame], *, num_problems: int
) -> list[ShownProblem]:
    """Return so many problems: those first of which models' first responses differ in reward.

    Within both kinds they are drawn by a hash of their names, so that the choice depends on no
    order.

    Args:
        completions: By model, of the same problems.
        num_problems: Not negative.
    """
    first = {
        name: table[table["sample_index"] == 0].set_index(["eval_set", "problem_id"])
        for name, table in completions.items()
    }
    rewards = pd.DataFrame({name: table["reward"] for name, table in first.items()})
    differ = rewards.max(axis=1) > rewards.min(axis=1)
    keys = sorted(rewards.index, key=lambda key: (not differ[key], _hash("/".join(key))))
    return [
        ShownProblem(
            name=key[1] if key[1].startswith(key[0]) else " ".join(key),
            problem=str(rows[0]["problem"]),
            gold=formatting.number(rows[0]["gold"]),
            answers=tuple(map(_answered, rows)),
        )
        for key in keys[:num_problems]
        if (rows := [table.loc[key].to_dict() for table in first.values()])
    ]


def _answered(row: Mapping[Any, Any]) -> Answered:
    verdict, kind = f"reward {formatting.number(row['reward'])}", "muted"
    if not pd.isna(row["correct"]):
        verdict, kind = ("✓ right", "right") if row["correct"] else ("✗ wrong", "wrong")
    return Answered(
        verdict=verdict,
        kind=kind,
        answer=formatting.number(row["answer"]),
        length=f"{row['num_tokens']} tokens{', truncated' if row['truncated'] else ''}",
        response=str(row["response"]),
    )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
