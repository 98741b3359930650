"""A few completions worth reading: right and wrong ones, the same in every report of a run."""

import hashlib

import pandas as pd


def choose_samples(completions: pd.DataFrame, *, num_samples: int) -> pd.DataFrame:
    """Return ``num_samples`` completions: half right, half wrong, as far as there are such.

    Where it is not known which are right, half are above and half not above the median reward.

    They are drawn by a hash of their problems' names, so that the choice depends on no order and
    algorithms share problems where they can; no problem is shown twice while another is left.

    Args:
        completions: Columns ``eval_set, problem_id, sample_index, correct`` and others.
        num_samples: Not negative.

    Returns:
        Rows of the input: wrong ones first, each kind in drawing order.
    """
    good = completions["correct"]
    if good.isna().any():
        good = completions["reward"] > completions["reward"].median()
    ranked = _ranked(completions, good.astype(bool))
    is_good = good.astype(bool).loc[ranked.index]
    right, wrong = ranked[is_good], ranked[~is_good]
    num_right = min(num_samples // 2, len(right))
    num_wrong = min(num_samples - num_right, len(wrong))
    num_right = min(num_samples - num_wrong, len(right))
    return pd.concat([wrong.head(num_wrong), right.head(num_right)])


def _ranked(completions: pd.DataFrame, good: pd.Series) -> pd.DataFrame:
    problems = completions["eval_set"].astype(str) + "/" + completions["problem_id"].astype(str)
    drawn = completions.assign(
        _problem=[_hash(problem) for problem in problems], _good=good
    ).sort_values(["_problem", "sample_index"], kind="stable")
    repeats = drawn.groupby(["_problem", "_good"]).cumcount()
    return drawn.assign(_repeat=repeats).sort_values(["_repeat", "_problem"], kind="stable")[
        completions.columns
    ]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
