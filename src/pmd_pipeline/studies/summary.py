"""A study's results as plain values, for figures, page and MLflow."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from optuna import Study

from pmd_pipeline.config.study import ALGORITHM, Choices, StudyConfig
from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.study.results import StudySummary
from pmd_pipeline.studies.findings import STATES, find_optimum, importances, pareto_trials
from pmd_pipeline.studies.retries import count_trials

# System or user attribute of the trial that has the experiment's own values.
CURRENT = "current"


def summarise_study(
    study: Study,
    config: StudyConfig,
    *,
    num_samples: int,
    interval_level: float,
    known: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> StudySummary:
    """Return what is known about a study apart from its trials.

    Args:
        study: The study.
        config: Its configuration.
        num_samples: Responses per validation problem.
        interval_level: Of the intervals.
        known: ``metric``, ``initial_value``, ``num_validation_problems`` and ``num_overlaps``.
        settings: For the page.
    """
    trials = study.get_trials(deepcopy=False)
    counts: dict[str, int] = {}
    for trial in trials:
        counts[STATES[trial.state]] = counts.get(STATES[trial.state], 0) + 1
    optimum = find_optimum(study, level=interval_level)
    current = next((t.number for t in trials if t.user_attrs.get(CURRENT)), None)
    return StudySummary(
        name=study.study_name,
        metric=formatting.metric_name(known["metric"], num_samples),
        dimensions=_dimensions(config),
        settings={**settings, "finished trials": count_trials(trials)[0]},
        counts=counts,
        initial_value=float(known["initial_value"]),
        current_trial=current,
        optimum=None if optimum is None else asdict(optimum),
        importances=importances(study, seed=config.sampler.seed),
        pareto=sorted(pareto_trials(study)),
        num_validation_problems=int(known["num_validation_problems"]),
        num_overlaps=int(known["num_overlaps"]),
        interval_level=interval_level,
    )


def _dimensions(config: StudyConfig) -> dict[str, dict[str, Any]]:
    dimensions: dict[str, dict[str, Any]] = {}
    if len(config.algorithms) > 1:
        dimensions[ALGORITHM] = {"kind": "choice", "choices": list(config.algorithms)}
    for name, dimension in config.search_space.items():
        if isinstance(dimension, Choices):
            dimensions[name] = {"kind": "choice", "choices": list(dimension.choices)}
        else:
            dimensions[name] = {"kind": dimension.kind, "log": dimension.log}
    return dimensions
