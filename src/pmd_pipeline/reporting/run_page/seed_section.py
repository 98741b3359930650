"""How the training seeds differ: their scores, their middle half, and how scores are spread."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pmd_pipeline.metrics.intervals import bounds_of
from pmd_pipeline.metrics.problem_scores import FinalScores, SeedScores, final_scores
from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.drawing.spec import Axis, FigureSpec, Panel, Series
from pmd_pipeline.reporting.drawing.styles import AlgorithmStyle, algorithm_styles
from pmd_pipeline.reporting.html_tables import HtmlTable
from pmd_pipeline.reporting.run_page.coverage import Coverage

_MOST_THRESHOLDS = 40
_AXIS = {"avg_at_k": "share of right responses", "mean_reward": "mean reward"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedSection:
    """The section "How the seeds differ".

    Attributes:
        tables: One per evaluation set.
        profiles: A panel per evaluation set.
        caption: Of the figure.
        alt_text: The figure in words.
    """

    tables: tuple[HtmlTable, ...]
    profiles: FigureSpec
    caption: str
    alt_text: str


def seed_section(scores: pd.DataFrame, coverage: Coverage) -> SeedSection | None:
    """Return the section; None where no algorithm has several training seeds.

    Args:
        scores: As `metrics.problem_scores.problem_scores` returns them.
        coverage: Of their intervals.
    """
    if coverage.has_one_seed:
        return None
    finals = list(final_scores(scores))
    styles = algorithm_styles(list(coverage.seeds))
    panels = tuple(_profiles(final, styles, coverage.level) for final in finals)
    return SeedSection(
        tables=tuple(_table(final, coverage) for final in finals),
        profiles=FigureSpec(
            name="performance_profiles",
            title="Performance profiles",
            panels=panels,
            most_columns=2,
        ),
        caption="The share of all seeds and problems that score higher than the value below "
        "(Agarwal et al. 2021). Look for a line above another everywhere: it scores higher on easy "
        f"and on hard problems alike; lines that cross do not. Bands are {coverage.intervals}.",
        alt_text=_alt_text(finals),
    )


def _table(final: FinalScores, coverage: Coverage) -> HtmlTable:
    from pmd_pipeline.statistics.aggregates import interquartile_mean

    lowest, highest = bounds_of(final.metric)
    seeds = sorted({seed for seeds in coverage.seeds.values() for seed in seeds})
    rows = []
    for name, mine in final.by_algorithm.items():
        means = mine.table.mean(axis=1)
        of_seed = dict(zip(mine.seeds, means, strict=True))
        estimate = interquartile_mean(mine.table, lowest=lowest, highest=highest)
        middle = estimate.interval(coverage.level)
        rows.append(
            (
                name,
                *(formatting.share(of_seed.get(seed, np.nan)) for seed in seeds),
                formatting.share(means.std(ddof=1) if len(means) > 1 else np.nan),
                *_over_both(final.metric, mine, coverage.level),
                formatting.with_interval(*middle, between="\n"),
            )
        )
    metric = formatting.metric_name(final.metric, final.k)
    problems = formatting.counted(len(final.initial), "problem")
    return HtmlTable(
        caption=f"{final.eval_set}: final {metric} of each training seed, mean over {problems}. "
        "Beside it how much seeds differ (standard deviation), the mean with its interval over "
        "seeds and problems, the interval over seeds alone, as if these problems were all that "
        "matter, and the mean of the middle half of all seeds and problems (interquartile mean)",
        header=(
            "algorithm",
            *(f"seed {seed}" for seed in seeds),
            "seeds differ by",
            "mean, over seeds and problems",
            "over seeds alone",
            "interquartile mean",
        ),
        rows=tuple(rows),
        num_text_columns=1,
    )


def _over_both(metric: str, mine: SeedScores, level: float) -> tuple[str, str]:
    from pmd_pipeline.statistics.two_level import seeds_estimate, two_level_estimate

    lowest, highest = bounds_of(metric)
    both = two_level_estimate(mine.table, lowest=lowest, highest=highest).interval(level)
    alone = ""
    if len(mine.seeds) > 1:
        of_seeds = seeds_estimate(mine.table, lowest=lowest, highest=highest).interval(level)
        alone = formatting.interval(of_seeds.low, of_seeds.high)
    return formatting.with_interval(*both, between="\n"), alone


def _profiles(final: FinalScores, styles: dict[str, AlgorithmStyle], level: float) -> Panel:
    from pmd_pipeline.statistics.aggregates import performance_profile

    thresholds = _thresholds([mine.table for mine in final.by_algorithm.values()])
    series = []
    for name, mine in final.by_algorithm.items():
        estimates = performance_profile(mine.table, thresholds[:-1].tolist())
        ends = np.array([estimate.interval(level) for estimate in estimates])
        value, low, high = (np.repeat(column, 2) for column in ends.T)
        series.append(
            Series(
                # Each share holds until the next score that there is.
                x=np.repeat(thresholds, 2)[1:-1],
                y=value,
                low=low,
                high=high,
                label=name,
                colour=styles[name].colour,
                dash=styles[name].dash,
            )
        )
    metric = formatting.metric_name(final.metric, final.k)
    return Panel(
        name=f"profile_{final.eval_set}",
        title=f"{metric} on {final.eval_set}",
        x=Axis(label=f"{_AXIS[final.metric]} of a seed on a problem"),
        y=Axis(label="share that scores higher", range=(0.0, 1.02)),
        series=tuple(series),
    )


def _thresholds(tables: Sequence[np.ndarray]) -> np.ndarray:
    """Return where a share may change: at all scores that there are, or at evenly many of them."""
    known = np.unique(np.concatenate([table.ravel() for table in tables]))
    if len(known) > _MOST_THRESHOLDS:
        known = np.quantile(known, np.linspace(0, 1, _MOST_THRESHOLDS))
    if len(known) == 1:
        return np.array([known[0], known[0] + 1.0])
    return known


def _alt_text(finals: Sequence[FinalScores]) -> str:
    parts = []
    for final in finals:
        middle = (final.initial.min() + final.initial.max()) / 2
        shares = [
            f"{name} {formatting.share(float((mine.table > middle).mean()))}"
            for name, mine in final.by_algorithm.items()
        ]
        parts.append(f"{final.eval_set}: above {middle:.3g} score {', '.join(shares)} of all cells")
    return f"Performance profiles. {'; '.join(parts)}."
