"""What the intervals of a run cover, in words to stand beside them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import pandas as pd

from pmd_pipeline.config.experiment import ExperimentConfig
from pmd_pipeline.metrics.problem_scores import INITIAL_POLICY
from pmd_pipeline.reporting import formatting


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Which training seeds a run has, and of which level its intervals are.

    Attributes:
        seeds: Of each algorithm.
        level: Of every interval, in (0, 1).
    """

    seeds: Mapping[str, tuple[int, ...]]
    level: float

    @classmethod
    def of(cls, scores: pd.DataFrame, *, level: float) -> Self:
        """Return the coverage of a run.

        Args:
            scores: As `metrics.problem_scores.problem_scores` returns them.
            level: Of its intervals.
        """
        trained = scores[scores["algorithm"] != INITIAL_POLICY]
        seeds = trained.groupby("algorithm", sort=False)["seed"].unique()
        return cls(
            seeds={str(name): tuple(int(seed) for seed in own) for name, own in seeds.items()},
            level=level,
        )

    @classmethod
    def of_experiment(cls, experiment: ExperimentConfig) -> Self:
        """Return the coverage of a run of these parameters."""
        runs = experiment.training_runs()
        return cls(
            seeds={
                run.algorithm: tuple(r.seed for r in runs if r.algorithm == run.algorithm)
                for run in runs
            },
            level=experiment.evaluation.interval_level,
        )

    @property
    def has_one_seed(self) -> bool:
        """Whether nothing can be said of other training seeds."""
        return max(map(len, self.seeds.values())) == 1

    @property
    def has_equal_seeds(self) -> bool:
        """Whether all algorithms were trained with the same seeds."""
        return len({frozenset(seeds) for seeds in self.seeds.values()}) == 1

    @property
    def seeds_in_words(self) -> str:
        """``3 training seeds``, or ``2 to 3 training seeds``."""
        numbers = [len(seeds) for seeds in self.seeds.values()]
        return formatting.counted_from_to(min(numbers), max(numbers), "training seed")

    @property
    def over(self) -> str:
        """What intervals are over: ``3 training seeds and problems``."""
        if self.has_one_seed:
            return "problems alone, of one training seed"
        return f"{self.seeds_in_words} and problems"

    @property
    def intervals(self) -> str:
        """``95 % intervals over 3 training seeds and problems``."""
        return f"{formatting.percent(self.level)} intervals over {self.over}"
