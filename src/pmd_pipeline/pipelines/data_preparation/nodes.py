"""Nodes of the stage ``data_preparation``.

Building the pipelines imports this module, for `kedro viz` too: what takes long to import is
imported within the nodes that use it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from pmd_pipeline.config.data_preparation import DataPreparationConfig
from pmd_pipeline.config.policy import PolicyInitialisationConfig
from pmd_pipeline.config.rewards import RewardParameters
from pmd_pipeline.config.training import TrainingConfig
from pmd_pipeline.problems import cleaning, decontamination, prompts, report, selection, sources


def load_problems(
    config: DataPreparationConfig, seed: int, problem_files: Callable[[str], Path]
) -> pd.DataFrame:
    """Read or generate the problems of every source; files at addresses are brought here first."""
    return sources.load_problems(sources.brought_here(config, problem_files), seed=seed)


def load_tokenizer(config: PolicyInitialisationConfig) -> prompts.PromptTokenizer:
    """Return the policy's tokenizer, without loading any weights."""
    from pmd_pipeline.policies import loading

    return loading.load_tokenizer(config)


def clean_problems(
    raw_problems: pd.DataFrame, config: DataPreparationConfig, rewards: RewardParameters
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Normalise texts; drop missing values, duplicates and contradictions."""
    return cleaning.clean_problems(
        raw_problems,
        missing_rows=config.missing_rows,
        answers_required=rewards.root.needs_answer,
        verbatim_sets=config.verbatim_sets(),
    )


def drop_eval_overlaps(
    problems: pd.DataFrame, config: DataPreparationConfig
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Drop train problems that are copies of evaluation problems."""
    return decontamination.drop_eval_overlaps(
        problems,
        ngram_words=config.decontamination_ngram_words,
        overlap_fraction=config.decontamination_overlap_fraction,
        exact_sets=config.generated_sets(),
    )


def render_prompts(
    problems: pd.DataFrame, tokenizer: prompts.PromptTokenizer, config: DataPreparationConfig
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Render every problem's prompt; drop those over the token limit."""
    return prompts.render_prompts(problems, tokenizer, config)


def select_problems(
    rendered_problems: pd.DataFrame,
    config: DataPreparationConfig,
    training: TrainingConfig,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Keep the configured number of problems; return train, eval and what was left out.

    Raises:
        ProblemSourceError: If the train problems do not fill a round.
    """
    kept, dropped = selection.limit_problems(rendered_problems, config, seed=seed)
    is_eval = kept["split"] == "eval"
    selection.refuse_unfilled_round(
        int((~is_eval).sum()), config, prompts_per_round=training.prompts_per_round
    )
    return kept[~is_eval].reset_index(drop=True), kept[is_eval].reset_index(drop=True), dropped


def report_data(
    raw_problems: pd.DataFrame,
    train_problems: pd.DataFrame,
    eval_problems: pd.DataFrame,
    decontaminated_problems: pd.DataFrame,
    dropped_by_cleaning: pd.DataFrame,
    dropped_by_length: pd.DataFrame,
    dropped_by_limit: pd.DataFrame,
    config: DataPreparationConfig,
) -> dict[str, Any]:
    """Count rows in, dropped by reason and kept, per source."""
    return report.data_report(
        raw=raw_problems,
        kept=pd.concat([train_problems, eval_problems], ignore_index=True),
        dropped=pd.concat(
            [dropped_by_cleaning, dropped_by_length, dropped_by_limit], ignore_index=True
        ),
        overlaps=decontaminated_problems,
        config=config,
    )
