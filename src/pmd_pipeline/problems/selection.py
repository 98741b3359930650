"""The configured number of problems per set."""

import pandas as pd

from pmd_pipeline.config.data_preparation import (
    DataPreparationConfig,
    StoredSource,
    origin_of,
)
from pmd_pipeline.problems.errors import ProblemSourceError
from pmd_pipeline.problems.sources import set_generator
from pmd_pipeline.problems.tables import dropped_rows, set_names_of

OVER_LIMIT = "over_limit"


def limit_problems(
    table: pd.DataFrame, config: DataPreparationConfig, *, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return at most ``limit`` problems of each set, drawn without replacement, and the rest.

    The problems kept stay in their order.
    """
    is_kept = pd.Series(True, index=table.index)
    set_names = set_names_of(table)
    for name in config.set_names():
        source = config.source_of(name)
        rows = table.index[set_names == name]
        if not isinstance(source, StoredSource) or source.limit is None:
            continue
        if len(rows) > source.limit:
            order = set_generator(seed, name).permutation(len(rows))
            is_kept.loc[rows[order[source.limit :]]] = False
    return table[is_kept].reset_index(drop=True), dropped_rows(table[~is_kept], OVER_LIMIT)


def refuse_unfilled_round(
    num_train: int, config: DataPreparationConfig, *, prompts_per_round: int
) -> None:
    """Raise ProblemSourceError if the train problems that are left do not fill a round."""
    if num_train < prompts_per_round:
        raise ProblemSourceError(
            f"data_preparation.train ({origin_of(config.train)}): {num_train} problems are left "
            "once missing values, repetitions, copies of evaluation problems and prompts over "
            f"max_prompt_tokens are dropped, but training.prompts_per_round is {prompts_per_round}"
            "; lower it, or give more problems"
        )
