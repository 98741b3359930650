"""Models compared on the same problems, without any training."""

from collections.abc import Mapping

import pandas as pd

from pmd_pipeline.metrics.comparison import headline_metric
from pmd_pipeline.metrics.evaluation import evaluate_problems
from pmd_pipeline.metrics.intervals import bounds_of, interval_over_problems

MODEL_SCORE_COLUMNS = ("model", "eval_set", "metric", "k", "value", "ci_low", "ci_high")
MODEL_PROBLEM_SCORE_COLUMNS = ("model", "eval_set", "metric", "k", "problem_id", "value")
MODEL_DIFFERENCE_COLUMNS = (
    "eval_set",
    "metric",
    "k",
    "first",
    "second",
    "difference",
    "ci_low",
    "ci_high",
    "p_value",
    "p_value_holm",
    "equivalence_p_value",
    "equivalence_p_value_holm",
    "verdict",
    "margin",
    "alpha",
    "num_problems",
)
_MEASURED = ["eval_set", "metric", "k"]


def model_problem_scores(
    completions: Mapping[str, pd.DataFrame], *, has_answers: bool
) -> pd.DataFrame:
    """Return a row per model, evaluation set, metric, k and problem.

    Args:
        completions: By model, graded, with a column ``eval_set`` beside those of
            `evaluation.evaluate_completions`; answers are what they vote for.
        has_answers: As for ``evaluate_completions``.

    Returns:
        A table of ``MODEL_PROBLEM_SCORE_COLUMNS``; models and evaluation sets in their order,
        problems in sorted order.

    Raises:
        ValueError: If models answered different problems, or with other numbers of samples.
    """
    parts = [
        evaluate_problems(rows, has_answers=has_answers).assign(model=model, eval_set=eval_set)
        for model, table in completions.items()
        for eval_set, rows in table.groupby("eval_set", sort=False)
    ]
    scores = pd.concat(parts, ignore_index=True)[list(MODEL_PROBLEM_SCORE_COLUMNS)]
    _refuse_other_problems(scores)
    return scores.astype({"k": "int64"})


def model_scores(scores: pd.DataFrame, *, level: float) -> pd.DataFrame:
    """Return each model's mean over problems with its interval: ``MODEL_SCORE_COLUMNS``.

    Args:
        scores: As `model_problem_scores` returns them.
        level: Of the intervals, in (0, 1).
    """
    rows = []
    for (model, *measured), values in scores.groupby(["model", *_MEASURED], sort=False)["value"]:
        interval = interval_over_problems(str(measured[1]), values.to_numpy(), level)
        rows.append((model, *measured, *interval))
    return pd.DataFrame(rows, columns=list(MODEL_SCORE_COLUMNS))


def model_differences(
    scores: pd.DataFrame, *, margin: float, alpha: float, level: float
) -> pd.DataFrame:
    """Return every pair of models compared, problem by problem, on each evaluation set.

    They are compared by avg@k or, where it is not known which responses are right, by mean reward.
    Intervals and p-values are over problems; p-values of a set are corrected for its number of
    pairs.

    Args:
        scores: As `model_problem_scores` returns them.
        margin: The difference from which on one matters, in units of the scores.
        alpha: Level of the verdicts.
        level: Of the intervals, in (0, 1).

    Returns:
        A table of ``MODEL_DIFFERENCE_COLUMNS``, each pair once, in the order of the models; no row
        where there is one. ``verdict`` speaks of the first model: with other problems of the kind,
        and other draws of its responses, it would be better, worse, equivalent, or that cannot be
        told.
    """
    # They import scipy, which what names the pipelines' nodes must not.
    from pmd_pipeline.statistics.pairs import compare_algorithms

    rows = []
    for eval_set, here in scores.groupby("eval_set", sort=False):
        compared = here[here["metric"] == headline_metric(here)]
        metric, k = str(compared["metric"].iloc[0]), int(compared["k"].iloc[0])
        tables = {
            str(model): values.to_numpy()[None, :]
            for model, values in compared.groupby("model", sort=False)["value"]
        }
        if len(tables) < 2:
            continue
        lowest, highest = bounds_of(metric)
        found = compare_algorithms(
            tables, margin=margin, alpha=alpha, lowest=lowest, highest=highest
        )
        num_problems = next(iter(tables.values())).shape[1]
        for pair in found.pairs:
            difference = pair.difference.interval(level)
            rows.append(
                {
                    "eval_set": eval_set,
                    "metric": metric,
                    "k": k,
                    "first": pair.first,
                    "second": pair.second,
                    "difference": difference.value,
                    "ci_low": difference.low,
                    "ci_high": difference.high,
                    "p_value": pair.p_value.raw,
                    "p_value_holm": pair.p_value.holm,
                    "equivalence_p_value": pair.equivalence_p_value.raw,
                    "equivalence_p_value_holm": pair.equivalence_p_value.holm,
                    "verdict": str(pair.verdict),
                    "margin": margin,
                    "alpha": alpha,
                    "num_problems": num_problems,
                }
            )
    table = pd.DataFrame(rows, columns=list(MODEL_DIFFERENCE_COLUMNS))
    return table.astype({"k": "int64", "num_problems": "int64"})


def _refuse_other_problems(scores: pd.DataFrame) -> None:
    keys = {
        str(model): set(rows[[*_MEASURED, "problem_id"]].itertuples(index=False, name=None))
        for model, rows in scores.groupby("model", sort=False)
    }
    first, *others = keys
    for other in others:
        different = keys[first] ^ keys[other]
        if different:
            eval_set, metric, k, problem = min(different)
            raise ValueError(
                f"{first} and {other} were not scored alike, for example {metric} at k = {k} on "
                f"problem {problem!r} of {eval_set}; evaluate both on the same data with the same "
                "parameters"
            )
