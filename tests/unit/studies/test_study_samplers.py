"""Samplers and pruners: the same seed, the same trials, in whatever process."""

from pathlib import Path

import optuna
import pytest
from optuna.trial import Trial
from study_helpers import make_experiment, make_study, memory_study

from pmd_pipeline.config.study import PrunerConfig, SamplerConfig, StudyConfig
from pmd_pipeline.studies.samplers import build_pruner, build_sampler
from pmd_pipeline.studies.search_space import grid, is_conditional, suggest


def _params(study: optuna.Study) -> list[dict[str, object]]:
    return [trial.params for trial in study.get_trials()]


def _sampler(config: StudyConfig) -> optuna.samplers.BaseSampler:
    _, experiment = make_experiment()
    return build_sampler(
        config.sampler,
        grid=grid(config) if config.sampler.kind == "grid" else None,
        is_conditional=is_conditional(config, experiment),
    )


def _objective(config: StudyConfig):  # type: ignore[no-untyped-def]
    _, experiment = make_experiment()

    def value(trial: Trial) -> float:
        values = suggest(trial, config, experiment)
        return -abs(float(values.get("algorithm.tau", 1.0)) - 0.3)

    return value


@pytest.mark.parametrize("kind", ["tpe", "gp", "random"])
def test_the_same_seed_gives_the_same_trials_and_another_does_not(kind: str) -> None:
    def run(seed: int) -> list[dict[str, object]]:
        config = make_study(sampler={"kind": kind, "seed": seed, "num_startup_trials": 3})
        return _params(memory_study(_objective(config), 5, sampler=_sampler(config)))

    assert run(0) == run(0)
    assert run(0) != run(1)


def test_a_continued_study_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    config = make_study(sampler={"num_startup_trials": 3})
    whole = memory_study(_objective(config), 6, sampler=_sampler(config))
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    memory_study(_objective(config), 3, sampler=_sampler(config), storage=storage, study_name="a")
    resumed = optuna.load_study(study_name="a", storage=storage, sampler=_sampler(config))
    resumed.optimize(_objective(config), n_trials=3)
    assert _params(resumed) == _params(whole)


def test_the_grid_visits_every_combination_once() -> None:
    config = make_study(
        sampler={"kind": "grid"},
        search_space={
            "algorithm.tau": {
                "kind": "float",
                "low": 0.01,
                "high": 1,
                "log": True,
                "num_points": 3,
            },
            "training.group_size": {"kind": "choice", "choices": [4, 8]},
        },
    )
    study = memory_study(_objective(config), 6, sampler=_sampler(config))
    visited = {(round(p["algorithm.tau"], 6), p["training.group_size"]) for p in _params(study)}  # type: ignore[call-overload]
    assert visited == {(tau, n) for tau in (0.01, 0.1, 1.0) for n in (4, 8)}


def test_an_algorithm_is_a_dimension_and_brings_its_own() -> None:
    config = make_study(algorithms=["pmd_mean", "grpo"], sampler={"kind": "random", "seed": 3})
    study = memory_study(_objective(config), 12, sampler=_sampler(config))
    kinds = {params["algorithm"]: "algorithm.tau" in params for params in _params(study)}
    assert kinds == {"pmd_mean": True, "grpo": False}


def test_nsga2_searches_two_objectives() -> None:
    config = make_study(
        sampler={"kind": "nsga2", "population_size": 4},
        objective="accuracy_and_seconds",
        pruner={"kind": "none"},
    )
    _, experiment = make_experiment()
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=_sampler(config))

    def values(trial: Trial) -> tuple[float, float]:
        tau = float(suggest(trial, config, experiment)["algorithm.tau"])
        return tau, tau**2

    study.optimize(values, n_trials=10)
    assert len(study.get_trials()) == 10
    assert study.best_trials


def test_the_median_pruner_ends_what_is_worse_than_half_the_others() -> None:
    pruner = build_pruner(PrunerConfig(kind="median", num_startup_trials=2), num_steps=3)
    study = memory_study(pruner=pruner)

    def objective(trial: Trial) -> float:
        value = [0.5, 0.7, 0.1][trial.number]
        trial.report(value, 1)
        if trial.should_prune():
            raise optuna.TrialPruned
        return value

    study.optimize(objective, n_trials=3)
    assert [trial.state.name for trial in study.get_trials()] == ["COMPLETE", "COMPLETE", "PRUNED"]


def test_hyperband_and_none_can_be_built() -> None:
    assert isinstance(
        build_pruner(PrunerConfig(kind="hyperband"), num_steps=9), optuna.pruners.HyperbandPruner
    )
    assert isinstance(
        build_pruner(PrunerConfig(kind="none"), num_steps=9), optuna.pruners.NopPruner
    )
    assert SamplerConfig().kind == "tpe"
