"""A few completions worth reading: right and wrong ones, the same in every report of a run."""

import hashlib

import pandas as pd


def choose_samples(completions: pd.DataFrame, *, num_samples: int) -> pd.DataFrame:
    """Return ``num_samples`` completions: half right, half wrong, as far as there are such.

    They are drawn by a hash of their problems' names, so that the choice depends on no order and
    algorithms share problems where they can; no problem is shown twice while another is left.

    Args:
        completions: Columns ``eval_set, problem_id, sample_index, correct`` and others.
        num_samples: Not negative.

    Returns:
        Rows of the input: wrong ones first, each kind in drawing order.
    """
    ranked = _ranked(completions)
    right, wrong = ranked[ranked["correct"].astype(bool)], ranked[~ranked["correct"].astype(bool)]
    num_right = min(num_samples // 2, len(right))
    num_wrong = min(num_samples - num_right, len(wrong))
    num_right = min(num_samples - num_wrong, len(right))
    return pd.concat([wrong.head(num_wrong), right.head(num_right)])


def _ranked(completions: pd.DataFrame) -> pd.DataFrame:
    problems = completions["eval_set"].astype(str) + "/" + completions["problem_id"].astype(str)
    drawn = completions.assign(_problem=[_hash(problem) for problem in problems]).sort_values(
        ["_problem", "sample_index"], kind="stable"
    )
    repeats = drawn.groupby(["_problem", "correct"]).cumcount()
    return drawn.assign(_repeat=repeats).sort_values(["_repeat", "_problem"], kind="stable")[
        completions.columns
    ]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
