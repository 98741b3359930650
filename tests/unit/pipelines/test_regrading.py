"""Saved completions are scored again, by any reward, without a model."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pmd_pipeline.config.evaluation import EvaluationConfig
from pmd_pipeline.config.rewards import AnyRewardConfig, RewardParameters
from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.pipelines.evaluation.regrading import changes_table, regrade_file
from pmd_pipeline.reporting.console import as_text
from pmd_pipeline.schemas.evaluation import CompletionTable

EVALUATION = EvaluationConfig(num_samples=2, sampling=SamplingConfig(max_new_tokens=10))
MATH = {"kind": "math", "incorrect_reward": 0.0}


def completions(**columns: Any) -> pd.DataFrame:
    """Return two problems with two samples each; only the first was graded right."""
    table = pd.DataFrame(
        {
            "eval_set": "sums",
            "problem_id": ["a", "a", "b", "b"],
            "sample_index": [0, 1, 0, 1],
            "problem": ["2 + 3", "2 + 3", "2 + 2", "2 + 2"],
            "gold": ["5", "5", "4", "4"],
            "metadata": '{"wanted":"Answer"}',
            "response": [r"\boxed{5}", r"\boxed{6}", "Answer: 4", r"\boxed{4}"],
            "answer": ["5", "6", None, None],
            "correct": pd.array([True, False, False, False], dtype="boolean"),
            "grade_reason": ["correct", "wrong", "no_answer", "no_answer"],
            "reward": [1.0, 0.0, 0.0, 0.0],
            "truncated": False,
            "num_tokens": [4, 4, 10, 4],
        }
    )
    return table.assign(**columns)


def reward_of(**values: Any) -> AnyRewardConfig:
    return RewardParameters.model_validate(values).root


def regrade(folder: Path, rewards: AnyRewardConfig, **columns: Any) -> Any:
    path = folder / "eval_completions.parquet"
    completions(**columns).to_parquet(path)
    return regrade_file(path, rewards, EVALUATION)


def test_what_is_graded_otherwise_is_changed_and_told(tmp_path: Path) -> None:
    former, regraded = regrade(tmp_path, reward_of(**MATH))
    CompletionTable.validate(regraded)
    assert former["correct"].tolist() == [True, False, False, False]
    assert regraded["correct"].tolist() == [True, False, False, True]
    assert regraded["reward"].tolist() == [1.0, 0.0, 0.0, 1.0]
    assert regraded["answer"].tolist() == ["5", "6", None, "4"]
    text = as_text(changes_table(former, regraded, has_answers=True))
    assert "4 completions, 1 scores changed" in text
    assert "b#1: answer '4', reference '4': now right" in text
    (average,) = [line for line in text.splitlines() if "avg_at_k" in line]
    assert average.split() == ["sums", "avg_at_k", "2", "0.2500", "0.5000"]


def test_another_convention_reads_other_answers(tmp_path: Path) -> None:
    _, regraded = regrade(tmp_path, reward_of(**MATH, convention="answer_line"))
    assert regraded["correct"].tolist() == [False, False, True, False]


def test_the_length_penalty_is_taken_off(tmp_path: Path) -> None:
    _, regraded = regrade(tmp_path, reward_of(**MATH, overlong_buffer_tokens=4))
    assert regraded["reward"].tolist() == [1.0, 0.0, -1.0, 1.0]


def test_a_users_own_reward_sees_problem_and_metadata_and_the_mean_is_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "regraders.py").write_text(
        "def make():\n"
        "    return lambda prompts, responses: [\n"
        "        float(prompt.metadata['wanted'] in response) + len(prompt.problem)\n"
        "        for prompt, response in zip(prompts, responses)\n"
        "    ]\n"
    )
    monkeypatch.chdir(tmp_path)
    former, regraded = regrade(tmp_path, reward_of(kind="import", import_path="regraders:make"))
    assert regraded["reward"].tolist() == [5.0, 5.0, 6.0, 5.0]
    assert regraded["correct"].isna().all()
    text = as_text(changes_table(former, regraded, has_answers=False))
    assert "a#0: answer None, reference '5': reward 1, now 5" in text
    (mean,) = [line for line in text.splitlines() if "mean_reward" in line]
    assert mean.split() == ["sums", "mean_reward", "2", "–", "5.2500"]


def test_what_is_no_table_of_completions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no file"):
        regrade_file(tmp_path / "missing.parquet", reward_of(**MATH), EVALUATION)
    path = tmp_path / "other.parquet"
    completions().drop(columns="reward").to_parquet(path)
    with pytest.raises(ValueError, match=r"lacks the columns \['reward'\]"):
        regrade_file(path, reward_of(**MATH), EVALUATION)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="cannot be read"):
        regrade_file(path, reward_of(**MATH), EVALUATION)
