"""A few problems with what each policy or model has answered, the same for the same results."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from pmd_pipeline.reporting import formatting

_PROBLEM = ["eval_set", "problem_id"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The first response of a policy or model to a problem.

    Attributes:
        verdict: "right", "wrong", or the reward where that is not known.
        kind: Class of the element: "right", "wrong" or "muted".
        answer: What it answers.
        length: In tokens, and whether the limit ended it.
        of_all: How many of all its responses to the problem are right; empty where that is not
            known or there is no other.
        response: The text, with the working that led to the answer.
    """

    verdict: str
    kind: str
    answer: str
    length: str
    of_all: str
    response: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownProblem:
    """A problem and what each policy or model has answered.

    Attributes:
        name: Its id, with the evaluation set.
        problem: The text.
        gold: The reference answer.
        answers: One for each, in their order.
    """

    name: str
    problem: str
    gold: str
    answers: tuple[Answered, ...]


def side_by_side(
    completions: Mapping[str, pd.DataFrame], *, num_problems: int
) -> list[ShownProblem]:
    """Return so many problems: those first of which the first responses differ in reward.

    Within both kinds they are drawn by a hash of their names, so that the choice depends on no
    order.

    Args:
        completions: By policy or model, of the same problems.
        num_problems: Not negative.
    """
    if not completions:
        return []
    by_problem = {
        name: table.set_index(_PROBLEM).sort_values("sample_index", kind="stable")
        for name, table in completions.items()
    }
    rewards = pd.DataFrame(
        {
            name: table.loc[table["sample_index"] == 0, "reward"]
            for name, table in by_problem.items()
        }
    )
    differ = rewards.max(axis=1) > rewards.min(axis=1)
    keys = sorted(rewards.index, key=lambda key: (not differ[key], _hash("/".join(key))))
    shown = keys[:num_problems]
    responses = {
        name: table[table.index.isin(shown)].sort_index(kind="stable")
        for name, table in by_problem.items()
    }
    return [_shown(key, [table.loc[[key]] for table in responses.values()]) for key in shown]


def _shown(key: tuple[str, str], responses: list[pd.DataFrame]) -> ShownProblem:
    eval_set, problem_id = key
    first = responses[0].iloc[0]
    return ShownProblem(
        name=problem_id if problem_id.startswith(eval_set) else f"{eval_set} {problem_id}",
        problem=str(first["problem"]),
        gold=formatting.number(first["gold"]),
        answers=tuple(map(_answered, responses)),
    )


def _answered(responses: pd.DataFrame) -> Answered:
    row = responses.iloc[0]
    verdict, kind = f"reward {formatting.number(row['reward'])}", "muted"
    if not pd.isna(row["correct"]):
        verdict, kind = ("✓ right", "right") if row["correct"] else ("✗ wrong", "wrong")
    return Answered(
        verdict=verdict,
        kind=kind,
        answer=formatting.number(row["answer"]),
        length=f"{row['num_tokens']} tokens{', truncated' if row['truncated'] else ''}",
        of_all=_of_all(responses["correct"]),
        response=str(row["response"]),
    )


def _of_all(correct: pd.Series) -> str:
    if len(correct) < 2 or correct.isna().any():
        return ""
    return f"{int(correct.astype(bool).sum())} of {len(correct)} right"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
