"""Means over training seeds of tables with a row per seed."""

from collections.abc import Sequence

import pandas as pd


def mean_over_seeds(table: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return the mean over training seeds of every number of a table.

    Args:
        table: With a column ``seed``.
        by: Columns that say which rows are of the same thing, whatever the seed.

    Returns:
        The columns of ``table`` but ``seed``, in their order; whole numbers become floats where
        there are several seeds.
    """
    columns = [column for column in table.columns if column != "seed"]
    if len(table["seed"].unique()) == 1:
        return table[columns]
    return table[columns].groupby(list(by), sort=False, as_index=False).mean()[columns]
