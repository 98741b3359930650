"""How often 95 % intervals of several kinds hold the truth, by simulation.

    python benchmarks/interval_coverage.py
    python benchmarks/interval_coverage.py --experiments 1000 --seeds 3

Prints the tables of docs/statistics.md: two minutes on one core. Experiments are drawn with known
means, so that it can be counted how many of their intervals hold it. ``seeds : problems`` is how
much of the squared error of a mean comes from seeds, in units of what comes from problems.
"""

import argparse
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import special

from pmd_pipeline.statistics.aggregates import improvement_parts, interquartile_parts
from pmd_pipeline.statistics.multiple_tests import holm
from pmd_pipeline.statistics.two_level import two_level_error
from pmd_pipeline.statistics.variance import mean_squares

FloatArray = NDArray[np.float64]
RATIOS = (0.0, 0.3, 1.0, 3.0, 10.0)
NUM_RESAMPLES = 400


def main() -> None:
    """Print the coverage of every kind of interval."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[2, 3, 5, 10])
    arguments = parser.parse_args()
    console = Console(width=110)
    console.print(means_table(arguments.experiments, arguments.seeds))
    console.print(other_table(arguments.experiments, arguments.seeds))


def means_table(num: int, all_seeds: list[int]) -> Table:
    """Return the coverage of intervals of a mean."""
    table = _table(f"95 % intervals of a mean, {num} experiments", list(KINDS))
    for num_seeds in all_seeds:
        for num_problems in (384, 60):
            for ratio in RATIOS:
                scores = draw(num, num_seeds, num_problems, ratio)
                off = np.abs(scores.mean(axis=(1, 2)))
                cells = [f"{np.mean(off <= width(scores)):.3f}" for width in KINDS.values()]
                table.add_row(str(num_seeds), str(num_problems), str(ratio), *cells)
    return table


def other_table(num: int, all_seeds: list[int]) -> Table:
    """Return the coverage of other statistics' intervals, and how often a false finding is made."""
    columns = ["graded responses", "interquartile mean", "improvement", "99.5 %", "false, 10 pairs"]
    table = _table(f"Other intervals, 128 problems, {num} experiments", columns)
    for num_seeds in all_seeds:
        for ratio in RATIOS:
            first = draw(num, num_seeds, 128, ratio, stream=1)
            second = draw(num, num_seeds, 128, ratio, stream=2)
            cells = [
                covered(graded(num, num_seeds, 128, ratio), 0.0),
                covered(interquartile_parts(first), 0.0),
                covered(improvement_parts(first, second), 0.5),
                covered(first, 0.0, level=0.995),
                false_findings(min(num, 1000), num_seeds, ratio),
            ]
            table.add_row(str(num_seeds), "128", str(ratio), *(f"{cell:.3f}" for cell in cells))
    return table


def draw(num: int, num_seeds: int, num_problems: int, ratio: float, stream: int = 0) -> FloatArray:
    """Return scores of mean 0, [num, S, P]; one variance between problems, one of the rest."""
    rng = np.random.default_rng([stream, num_seeds, num_problems, round(10 * ratio)])
    deviation = math.sqrt(ratio * num_seeds / num_problems)
    return (
        rng.normal(scale=deviation, size=(num, num_seeds, 1))
        + rng.normal(size=(num, 1, num_problems))
        + rng.normal(size=(num, num_seeds, num_problems))
    )


def graded(num: int, num_seeds: int, num_problems: int, ratio: float) -> FloatArray:
    """Return differences of accuracies of 8 responses; most problems are easy or hard."""
    rng = np.random.default_rng([3, num_seeds, num_problems, round(10 * ratio)])
    easiness = 0.1 + 0.8 * rng.beta(0.6, 0.3, size=(num, 1, num_problems))
    # What a problem does to the difference has a variance of 0.0075 alone, uniform.
    shift = rng.uniform(-0.15, 0.15, size=(num, 1, num_problems)) * (0.5 - np.abs(easiness - 0.5))
    reach = min(0.1, math.sqrt(3 * ratio * num_seeds * np.square(2 * shift).mean() / num_problems))
    sides = []
    for sign in (1, -1):
        seeds = rng.uniform(-reach, reach, size=(num, num_seeds, 1)) / math.sqrt(2)
        sides.append(rng.binomial(8, easiness + sign * shift + seeds) / 8)
    return np.asarray(sides[0] - sides[1])


def false_findings(num: int, num_seeds: int, ratio: float) -> float:
    """Return how often any of ten pairs of five equal algorithms is told, after Holm."""
    algorithms = [draw(num, num_seeds, 128, ratio, stream=10 + i) for i in range(5)]
    p_values = []
    for i, first in enumerate(algorithms):
        for second in algorithms[i + 1 :]:
            difference = first - second
            off = np.abs(difference.mean(axis=(1, 2)))
            p_values.append(2 * two_level_error(difference).upper_tail(off))
    return float(np.mean([min(holm(row)) < 0.05 for row in np.transpose(p_values).tolist()]))


def covered(values: FloatArray, truth: float, level: float = 0.95) -> float:
    """Return the share of experiments whose two-level interval holds the truth."""
    off = np.abs(values.mean(axis=(1, 2)) - truth)
    return float(np.mean(off <= two_level(values, level)))


def two_level(scores: FloatArray, level: float = 0.95) -> FloatArray:
    """Return half the width of the interval that this project reports."""
    return two_level_error(scores).half_width(level)


def satterthwaite(scores: FloatArray) -> FloatArray:
    """Return half the width of the usual interval of crossed random effects."""
    num_seeds, num_problems = scores.shape[1:]
    squares = mean_squares(scores)
    total = np.maximum(squares.seeds + squares.problems - squares.rest, 1e-12)
    freedom = total**2 / (
        squares.seeds**2 / (num_seeds - 1)
        + squares.problems**2 / (num_problems - 1)
        + squares.rest**2 / ((num_seeds - 1) * (num_problems - 1))
    )
    quantile = special.stdtrit(freedom, 0.975)
    return np.asarray(np.sqrt(total / (num_seeds * num_problems)) * quantile)


def crossed_bootstrap(scores: FloatArray) -> FloatArray:
    """Return half the width of the percentile bootstrap that draws seeds and problems anew."""
    num, num_seeds, num_problems = scores.shape
    rng = np.random.default_rng(0)
    of_seeds = rng.multinomial(num_seeds, [1 / num_seeds] * num_seeds, NUM_RESAMPLES) / num_seeds
    of_problems = (
        rng.multinomial(num_problems, [1 / num_problems] * num_problems, NUM_RESAMPLES)
        / num_problems
    )
    by_seed = scores.reshape(-1, num_problems) @ of_problems.T
    means = np.einsum("rs,nsr->nr", of_seeds, by_seed.reshape(num, num_seeds, -1))
    return half_widths(means)


def problem_bootstrap(scores: FloatArray) -> FloatArray:
    """Return half the width of the percentile bootstrap that draws problems alone anew."""
    num_problems = scores.shape[2]
    rng = np.random.default_rng(0)
    counts = rng.multinomial(num_problems, [1 / num_problems] * num_problems, NUM_RESAMPLES)
    return half_widths(scores.mean(axis=1) @ counts.T / num_problems)


def seed_means(scores: FloatArray) -> FloatArray:
    """Return half the width of the t interval of seed means."""
    num_seeds = scores.shape[1]
    error = scores.mean(axis=2).std(axis=1, ddof=1) / math.sqrt(num_seeds)
    return np.asarray(error * special.stdtrit(num_seeds - 1, 0.975))


def half_widths(means: FloatArray) -> FloatArray:
    """Return half the distance of the 2.5 % and 97.5 % quantiles of each row."""
    low, high = np.quantile(means, [0.025, 0.975], axis=1)
    return np.asarray((high - low) / 2)


KINDS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "two_level": two_level,
    "Satterthwaite": satterthwaite,
    "crossed bootstrap": crossed_bootstrap,
    "problems alone": problem_bootstrap,
    "seeds alone": seed_means,
}


def _table(title: str, columns: list[str]) -> Table:
    table = Table("seeds", "problems", "seeds : problems", *columns, title=title)
    for column in table.columns:
        column.justify = "right"
    return table


if __name__ == "__main__":
    main()
