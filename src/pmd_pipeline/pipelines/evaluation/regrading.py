"""Scoring saved completions again, without a model."""

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
from rich.console import Group

from pmd_pipeline.config.evaluation import EvaluationConfig
from pmd_pipeline.config.rewards import AnyRewardConfig
from pmd_pipeline.pipelines.evaluation.nodes import measure_completions
from pmd_pipeline.records import Prompt
from pmd_pipeline.reporting.console import plain_table
from pmd_pipeline.reporting.formatting import MISSING
from pmd_pipeline.rewards.choice import make_reward
from pmd_pipeline.rewards.length_penalty import length_penalty_of
from pmd_pipeline.schemas.evaluation import CompletionTable

_MAX_LISTED = 20


def regrade_file(
    path: Path, rewards: AnyRewardConfig, evaluation: EvaluationConfig
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a file's completions with their saved scores, and with new ones.

    Args:
        path: A parquet file of evaluation completions.
        rewards: Which reward scores them.
        evaluation: Its length limit is the length penalty's.

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
            f"{sorted(missing)}; give an eval_completions.parquet of this version"
        )
    reward = make_reward(rewards)
    try:
        scores = reward(_prompts(former), former["response"].tolist())
    finally:
        reward.close()
    regraded = former.assign(
        answer=pd.Series([score.answer for score in scores], index=former.index, dtype=object),
        correct=pd.array([score.correct for score in scores], dtype="boolean"),
        grade_reason=[score.reason for score in scores],
        reward=[score.reward for score in scores],
    )
    penalty = length_penalty_of(rewards)
    if penalty is not None:
        regraded["reward"] -= penalty.of(former["num_tokens"], evaluation.sampling.max_new_tokens)
    return former, regraded


def changes_table(former: pd.DataFrame, regraded: pd.DataFrame, *, has_answers: bool) -> Group:
    """Return what scoring again changed, for a console.

    Args:
        former: With the saved scores.
        regraded: With the new ones.
        has_answers: Whether maj@k is among the metrics.
    """
    changed = _differs(former["correct"], regraded["correct"]) | _differs(
        former["reward"], regraded["reward"]
    )
    before, after = (_metrics(table, has_answers) for table in (former, regraded))
    both = before.merge(after, on=["eval_set", "metric", "k"], how="outer", sort=False)
    table = plain_table(
        [
            [str(name), str(metric), str(k), _number(old), _number(new)]
            for name, metric, k, old, new in zip(
                both["eval_set"],
                both["metric"],
                both["k"],
                both["value_x"],
                both["value_y"],
                strict=True,
            )
        ],
        names=["evaluation set", "metric"],
        numbers=["k", "before", "after"],
    )
    positions = [position for position, differs in enumerate(changed) if differs]
    lines = [_change(former.iloc[i], regraded.iloc[i]) for i in positions[:_MAX_LISTED]]
    return Group(f"{len(former)} completions, {len(positions)} scores changed", "", table, *lines)


def _number(value: float) -> str:
    return MISSING if pd.isna(value) else f"{value:.4f}"


def _prompts(completions: pd.DataFrame) -> list[Prompt]:
    columns = ["problem_id", "gold", "problem", "metadata"]
    return [
        Prompt(
            problem_id=problem_id,
            token_ids=(),
            answer=None if pd.isna(gold) else gold,
            problem=problem,
            metadata=json.loads(metadata),
        )
        for problem_id, gold, problem, metadata in completions[columns].itertuples(index=False)
    ]


def _differs(before: pd.Series, after: pd.Series) -> pd.Series:
    """Return where two columns differ; two missing values do not."""
    same = (before == after).fillna(False).astype(bool) | (before.isna() & after.isna())
    return ~same


def _change(before: pd.Series, after: pd.Series) -> str:
    if pd.isna(after["correct"]) or before["correct"] is after["correct"]:
        verdict = f"reward {before['reward']:.4g}, now {after['reward']:.4g}"
    else:
        verdict = "now right" if after["correct"] else f"now wrong ({after['grade_reason']})"
    return (
        f"{after['problem_id']}#{after['sample_index']}: answer {after['answer']!r}, reference "
        f"{after['gold']!r}: {verdict}"
    )


def _metrics(completions: pd.DataFrame, has_answers: bool) -> pd.DataFrame:
    # The intervals are not shown.
    return measure_completions(completions, level=0.95, has_answers=has_answers)
