"""The problems of a unit: what it trains on and what it is evaluated on."""

from dataclasses import dataclass

import pandas as pd

from pmd_pipeline.config.claims import ClaimsError
from pmd_pipeline.config.experiment import ExperimentConfig
from pmd_pipeline.config.study import VALIDATION_SET
from pmd_pipeline.problems import cleaning, decontamination, prompts, selection, sources
from pmd_pipeline.problems.text import duplicate_key


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemSets:
    """Problem tables with rendered prompts: one to train on, one to evaluate on."""

    train: pd.DataFrame
    evaluation: pd.DataFrame


def problem_sets(
    experiment: ExperimentConfig, tokenizer: prompts.PromptTokenizer, *, on_validation: bool
) -> ProblemSets:
    """Return the problems that `kedro run` would make, in the same steps.

    Args:
        experiment: Whose ``seed`` draws them.
        tokenizer: The policy's.
        on_validation: Whether to evaluate on the set ``validation``, less what another set has.

    Raises:
        ClaimsError: If no problem is left to evaluate on.
        ProblemSourceError: If a source cannot be read, or train problems do not fill a round.
    """
    data = experiment.data_preparation
    raw = sources.load_problems(data, seed=experiment.seed)
    cleaned, _ = cleaning.clean_problems(
        raw,
        missing_rows=data.missing_rows,
        answers_required=experiment.rewards.needs_answer,
        verbatim_sets=data.verbatim_sets(),
    )
    distinct, _ = decontamination.drop_eval_overlaps(
        cleaned,
        ngram_words=data.decontamination_ngram_words,
        overlap_fraction=data.decontamination_overlap_fraction,
        exact_sets=data.generated_sets(),
    )
    rendered, _ = prompts.render_prompts(distinct, tokenizer, data)
    kept, _ = selection.limit_problems(rendered, data, seed=experiment.seed)
    is_eval = kept["split"] == "eval"
    train = kept[~is_eval].reset_index(drop=True)
    selection.refuse_unfilled_round(
        len(train), data, prompts_per_round=experiment.training.prompts_per_round
    )
    evaluation = _evaluated(kept[is_eval], on_validation=on_validation)
    if evaluation.empty:
        raise ClaimsError(
            "no problem is left to evaluate on: "
            + (
                "all those of tuning.validation are also in an evaluation set; choose another "
                "source"
                if on_validation
                else "give data_preparation.evals a set"
            )
        )
    return ProblemSets(train=train, evaluation=evaluation)


def _evaluated(problems: pd.DataFrame, *, on_validation: bool) -> pd.DataFrame:
    is_validation = problems["source"] == VALIDATION_SET
    if not on_validation:
        return problems[~is_validation].reset_index(drop=True)
    keys = problems["problem"].map(duplicate_key)
    reported = set(keys[~is_validation])
    return problems[is_validation & ~keys.isin(reported)].reset_index(drop=True)
