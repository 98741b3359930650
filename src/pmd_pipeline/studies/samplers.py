"""Samplers and pruners, rebuilt from the configuration by every worker."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal, assert_never

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import (
    BaseSampler,
    GPSampler,
    GridSampler,
    NSGAIISampler,
    RandomSampler,
    TPESampler,
)
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from pmd_pipeline.config.study import PrunerConfig, SamplerConfig
from pmd_pipeline.seeds import derive_seed

Grid = dict[str, list[Any]]


class SeededPerTrial(BaseSampler):
    """Seeds a sampler anew for every trial, from the study's seed and the trial's number.

    A sampler with one seed would restart its random numbers in every process: a continued study
    would repeat its first trials, and two workers would make the same ones.
    """

    def __init__(self, build: Callable[[int], BaseSampler], seed: int) -> None:
        self._build = build
        self._seed = seed
        self._current = build(seed)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        # Optuna's generators take 32 bits.
        self._current = self._build(derive_seed(self._seed, "trial", trial.number) % 2**32)
        self._current.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._current.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._current.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self._current.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        self._current.after_trial(study, trial, state, values)


def build_sampler(config: SamplerConfig, *, grid: Grid | None, is_conditional: bool) -> BaseSampler:
    """Return the sampler.

    Args:
        config: Which one, and its seed.
        grid: Points by dimension, for the sampler ``grid``.
        is_conditional: True if a dimension applies to some algorithms only.
    """
    kind = config.kind
    if kind == "grid":
        assert grid is not None
        # A trial's number decides its point, and the seed the order: that must not change.
        return GridSampler(grid, seed=config.seed)
    return SeededPerTrial(lambda seed: _build(kind, config, seed, is_conditional), config.seed)


def build_pruner(config: PrunerConfig, *, num_steps: int) -> BasePruner:
    """Return the pruner of trials with ``num_steps`` evaluations."""
    match config.kind:
        case "median":
            return MedianPruner(
                n_startup_trials=config.num_startup_trials, n_warmup_steps=config.num_warmup_phases
            )
        case "hyperband":
            return HyperbandPruner(
                min_resource=1, max_resource=num_steps, reduction_factor=config.reduction_factor
            )
        case "none":
            return NopPruner()
        case _:
            assert_never(config.kind)


def _build(
    kind: Literal["tpe", "gp", "nsga2", "random"],
    config: SamplerConfig,
    seed: int,
    is_conditional: bool,
) -> BaseSampler:
    with warnings.catch_warnings():
        # multivariate and group are called experimental, and are Optuna's own recommendation.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        match kind:
            case "tpe":
                return TPESampler(
                    seed=seed,
                    multivariate=True,
                    group=is_conditional,
                    n_startup_trials=config.num_startup_trials,
                )
            case "gp":
                return GPSampler(
                    seed=seed,
                    n_startup_trials=config.num_startup_trials,
                )
            case "nsga2":
                return NSGAIISampler(seed=seed, population_size=config.population_size)
            case "random":
                return RandomSampler(seed=seed)
            case _:
                assert_never(kind)
