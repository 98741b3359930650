"""The configured number of problems per set."""

import pandas as pd

from pmd_pipeline.config.data_preparation import DataPreparationConfig, StoredSource
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
