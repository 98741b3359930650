"""What policies scored on held-out problems, and its lines."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pmd_pipeline.metrics.comparison import headline_metric
from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.curves.seed_lines import SeedLines, by_algorithm, mean_line, thin_lines
from pmd_pipeline.reporting.drawing.spec import Series
from pmd_pipeline.reporting.drawing.styles import AlgorithmStyle

_UNITS = {"avg_at_k": "share of right responses", "mean_reward": "reward"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Policies' scores by the headline metric, on an evaluation set or on all of them together.

    Attributes:
        name: For files and pages, such as ``avg_at_k_addition``.
        title: Such as ``avg@4 on addition``.
        units: Of the scores.
        num_sets: How many evaluation sets they are the mean of, each counted once.
        means: Over training seeds: columns ``algorithm, round, value`` and, where there are
            intervals, ``ci_low, ci_high``.
        of_seeds: Columns ``algorithm, seed, round, value``.
    """

    name: str
    title: str
    units: str
    num_sets: int
    means: pd.DataFrame
    of_seeds: pd.DataFrame

    @property
    def num_seeds(self) -> int:
        """How many seeds are known apart."""
        return int(self.of_seeds["seed"].nunique())

    @property
    def metric(self) -> str:
        """The name that people read."""
        return self.title.partition(" ")[0]

    def covered(self) -> str:
        """Return what intervals cover, in words."""
        return "over seeds and problems" if self.num_seeds > 1 else "over problems"


def scores_by_set(comparison: pd.DataFrame, by_seed: pd.DataFrame | None) -> list[Scores]:
    """Return the scores on each evaluation set; then, of several of equal k, their mean.

    Args:
        comparison: The comparison table.
        by_seed: The same for each training seed; None: no seeds are known apart.
    """
    metric = headline_metric(comparison)
    means = comparison[comparison["metric"] == metric]
    of_seeds = means.assign(seed=0) if by_seed is None else by_seed[by_seed["metric"] == metric]
    found = [
        Scores(
            name=f"{metric}_{eval_set}",
            title=f"{_named(metric, rows)} on {eval_set}",
            units=_UNITS[metric],
            num_sets=1,
            means=rows,
            of_seeds=of_seeds[of_seeds["eval_set"] == eval_set],
        )
        for eval_set, rows in means.groupby("eval_set", sort=False)
    ]
    if len(found) > 1 and len(means["k"].unique()) == 1:
        whole, whole_of_seeds = (
            table.groupby([*key, "round"], sort=False)["value"].mean().reset_index()
            for table, key in ((means, ["algorithm"]), (of_seeds, ["algorithm", "seed"]))
        )
        found.append(
            Scores(
                name=f"mean_{metric}",
                title=f"{_named(metric, means)}, mean of {len(found)} sets",
                units=_UNITS[metric],
                num_sets=len(found),
                means=whole,
                of_seeds=whole_of_seeds,
            )
        )
    return found


def score_lines(
    scores: Scores,
    styles: Mapping[str, AlgorithmStyle],
    places: Mapping[str, pd.DataFrame] | None = None,
) -> list[Series]:
    """Return the lines of single seeds, then those of means with their intervals as bands.

    Args:
        scores: To be drawn.
        styles: By algorithm, in the order of the lines.
        places: Along x, by algorithm: a row per round, a column per seed; a mean stands at the
            mean of its seeds. None: the rounds.
    """
    thin: list[Series] = []
    means = []
    seeds = {algorithm: rows for algorithm, _, rows in by_algorithm(scores.of_seeds, styles)}
    for algorithm, style, rows in by_algorithm(scores.means, styles):
        lines = SeedLines.of(seeds[algorithm], "value")
        own = None if places is None else places[algorithm].reindex(index=rows["round"])
        thin += thin_lines(algorithm, style, lines, own)
        bounds = None
        if "ci_low" in rows:
            bounds = (rows["ci_low"].to_numpy(float), rows["ci_high"].to_numpy(float))
        x = rows["round"].to_numpy(np.int64) if own is None else own.mean(axis=1).to_numpy(float)
        y = rows["value"].to_numpy(float)
        means.append(mean_line(algorithm, style, x, y, bounds=bounds, num_seeds=lines.num_seeds))
    return [*thin, *means]


def _named(metric: str, rows: pd.DataFrame) -> str:
    return formatting.metric_name(metric, int(rows["k"].max()))
