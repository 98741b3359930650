"""Grading saved completions again, without a model."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
from rich.console import Group

from pmd_pipeline.config.rewards import Convention
from pmd_pipeline.pipelines.evaluation.nodes import measure_completions
from pmd_pipeline.reporting.console import plain_table
from pmd_pipeline.rewards import GradingPool
from pmd_pipeline.schemas.evaluation import CompletionTable

_MAX_LISTED = 20


def regrade_file(
    path: Path, convention: Convention, timeout_seconds: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a file's completions with their saved grades, and with new ones.

    Raises:
        ValueError: If the file is missing, damaged, or no table of completions.
    """
    try:
        former = pd.read_parquet(path)
    except FileNotFoundError:
        raise ValueError(
            f"there is no file {path}; give an eval_completions.parquet, such as those below "
            "data/07_model_output"
        ) from None
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path} cannot be read ({error}); it may be cut short") from error
    missing = set(CompletionTable.to_schema().columns) - set(former.columns)
    if missing:
        raise ValueError(
            f"{path} is no table of evaluation completions: it lacks the columns "
            f"{sorted(missing)}; give an eval_completions.parquet"
        )
    with GradingPool(timeout_seconds=timeout_seconds) as pool:
        grades = pool.grade_many(former["response"].tolist(), former["gold"].tolist(), convention)
    regraded = former.assign(
        answer=pd.Series([grade.answer for grade in grades], index=former.index, dtype=object),
        correct=[grade.correct for grade in grades],
        grade_reason=[str(grade.reason) for grade in grades],
    )
    return former, regraded


def changes_table(former: pd.DataFrame, regraded: pd.DataFrame) -> Group:
    """Return what regrading changed, for a console."""
    changed = former["correct"] != regraded["correct"]
    before, after = (_metrics(completions) for completions in (former, regraded))
    table = plain_table(
        [
            [str(name), str(metric), str(k), f"{old:.4f}", f"{new:.4f}"]
            for name, metric, k, old, new in zip(
                before["eval_set"],
                before["metric"],
                before["k"],
                before["value"],
                after["value"],
                strict=True,
            )
        ],
        names=["evaluation set", "metric"],
        numbers=["k", "before", "after"],
    )
    lines = []
    for row in regraded[changed].head(_MAX_LISTED).itertuples():
        verdict = "now right" if row.correct else f"now wrong ({row.grade_reason})"
        lines.append(
            f"{row.problem_id}#{row.sample_index}: answer {row.answer!r}, reference "
            f"{row.gold!r}: {verdict}"
        )
    title = f"{len(former)} completions, {int(changed.sum())} grades changed"
    return Group(title, "", table, *lines)


def _metrics(completions: pd.DataFrame) -> pd.DataFrame:
    # The intervals are not shown, so that the number of resamples does not matter.
    return measure_completions(completions, seed=0, num_resamples=1, level=0.5)
