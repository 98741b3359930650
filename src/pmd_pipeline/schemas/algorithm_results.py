"""The schemas of what the report takes of one algorithm, a table of each kind."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import pandera.pandas as pa
from pandera.typing.pandas import Series

from pmd_pipeline.schemas.comparison import ProblemScoreTable
from pmd_pipeline.schemas.evaluation import RoundCompletionTable, SeedComparisonTable
from pmd_pipeline.schemas.rollouts import RoundMetricsTable
from pmd_pipeline.schemas.theory import ComparedGroupTable


class SeedCompletionTable(RoundCompletionTable):
    """Completions of one policy, with the training seed of its training run."""

    seed: Series[int] = pa.Field(ge=0)


class AlgorithmResults:
    """Validates each table of an algorithm's results: at once, or when it is loaded."""

    schemas: Mapping[str, type[pa.DataFrameModel]] = {
        "round_metrics": RoundMetricsTable,
        "comparison": SeedComparisonTable,
        "problem_scores": ProblemScoreTable,
        "theory_groups": ComparedGroupTable,
        "last_completions": SeedCompletionTable,
    }

    def validate(self, data: Mapping[str, pd.DataFrame | Callable[[], pd.DataFrame]]) -> Any:
        """Return the tables as their schemas have read them."""
        return {name: self._validate_table(name, table) for name, table in data.items()}

    def _validate_table(
        self, name: str, table: pd.DataFrame | Callable[[], pd.DataFrame]
    ) -> pd.DataFrame | Callable[[], pd.DataFrame]:
        schema = self.schemas[name]
        if isinstance(table, pd.DataFrame):
            return schema.validate(table)
        return lambda: schema.validate(table())
