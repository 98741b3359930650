"""A quantity over the rounds, of one algorithm and all its training seeds."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from pmd_pipeline.reporting.drawing.spec import Series
from pmd_pipeline.reporting.drawing.styles import THIN_WIDTH, AlgorithmStyle, thin_opacity


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedLines:
    """A table of values: a row per round, ascending, a column per seed; NaN where there is none."""

    table: pd.DataFrame

    @classmethod
    def of(cls, rows: pd.DataFrame, column: str, *, smoothing_rounds: int = 1) -> Self:
        """Return a column's values by round and seed; infinite ones are none.

        Args:
            rows: Of one algorithm, with columns ``seed`` and ``round``.
            column: The quantity's.
            smoothing_rounds: Each seed's values become the mean of so many rounds up to each.
        """
        rounds, values = rows["round"].to_numpy(), rows[column].to_numpy(dtype=np.float64)
        by_seed = {
            seed: pd.Series(values[places], index=rounds[places])
            for seed, places in rows.groupby("seed").indices.items()
        }
        table = pd.DataFrame(by_seed).sort_index()
        table = table.where(np.isfinite(table))
        if smoothing_rounds > 1:
            means = table.rolling(smoothing_rounds, min_periods=1).mean()
            table = means.where(table.notna())
        return cls(table=table)

    @property
    def num_seeds(self) -> int:
        """How many there are."""
        return self.table.shape[1]

    @property
    def rounds(self) -> np.ndarray:
        """Ascending, [R]."""
        return self.table.index.to_numpy(dtype=np.int64)

    @property
    def mean(self) -> np.ndarray:
        """Over the seeds, [R]; NaN where a seed has no value: a mean of the others would jump."""
        return self.table.mean(axis=1, skipna=False).to_numpy(dtype=np.float64)

    @property
    def range(self) -> tuple[np.ndarray, np.ndarray]:
        """The least and the greatest of the seeds, [R] each; NaN where a seed has no value."""
        least, greatest = self.table.min(axis=1, skipna=False), self.table.max(axis=1, skipna=False)
        return least.to_numpy(dtype=np.float64), greatest.to_numpy(dtype=np.float64)


def by_algorithm(
    table: pd.DataFrame, styles: Mapping[str, AlgorithmStyle]
) -> Iterator[tuple[str, AlgorithmStyle, pd.DataFrame]]:
    """Yield each algorithm with its look and its rows, the rounds ascending."""
    for algorithm, style in styles.items():
        yield algorithm, style, table[table["algorithm"] == algorithm].sort_values("round")


def mean_line(
    algorithm: str,
    style: AlgorithmStyle,
    x: np.ndarray,
    y: np.ndarray,
    *,
    bounds: tuple[np.ndarray, np.ndarray] | None = None,
    num_seeds: int = 1,
) -> Series:
    """Return an algorithm's line, which the legend names.

    Args:
        algorithm: Its label.
        style: Its look.
        x, y: Its points, [N].
        bounds: Edges of the band around it, [N] each.
        num_seeds: Of which it is the mean.
    """
    low, high = bounds or (None, None)
    return Series(
        x=x,
        y=y,
        low=low,
        high=high,
        label=algorithm,
        name=f"{algorithm}, mean of {num_seeds} seeds" if num_seeds > 1 else None,
        colour=style.colour,
        dash=style.dash,
        marker=style.marker,
    )


def thin_lines(
    algorithm: str, style: AlgorithmStyle, lines: SeedLines, x: pd.DataFrame | None = None
) -> tuple[Series, ...]:
    """Return the lines of an algorithm's single seeds; none where there is one seed only.

    Args:
        algorithm: Its label: a click on it hides them.
        style: Its look.
        lines: The values.
        x: Where they stand, a row per round, a column per seed; None: at their rounds.
    """
    if lines.num_seeds < 2:
        return ()
    table = lines.table
    seeds = table.columns.to_numpy(dtype=np.int64)
    if x is None:
        places = np.tile(lines.rounds, lines.num_seeds)
    else:
        places = x.reindex(index=table.index, columns=table.columns).to_numpy().T.ravel()
    return (
        Series(
            x=places,
            y=table.to_numpy().T.ravel(),
            group=algorithm,
            name=algorithm,
            strands=np.repeat(seeds, len(table)),
            strand_name="seed",
            colour=style.colour,
            width=THIN_WIDTH,
            opacity=thin_opacity(lines.num_seeds),
        ),
    )
