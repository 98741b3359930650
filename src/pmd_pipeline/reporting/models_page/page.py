"""The page of models that were evaluated without training: one file, no script, no network."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pmd_pipeline.config.evaluate_models import EvaluateModelsConfig, OpenAIEndpointConfig
from pmd_pipeline.config.reporting import ReportingConfig
from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.html_pages import template
from pmd_pipeline.reporting.models_page import words
from pmd_pipeline.reporting.nested import name_value_table
from pmd_pipeline.reporting.side_by_side import side_by_side

_TITLE = "Models compared without training"
# What decides an evaluation; the rest of the parameters is of trainings.
_SECTIONS = ("seed", "data_preparation", "evaluation", "rewards", "comparison", "compute")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPageInputs:
    """What the page is made of.

    Attributes:
        scores: As `metrics.models.model_scores` returns them.
        differences: As `metrics.models.model_differences` returns them.
        completions: Graded, by model.
        about: What is known of each model, by name.
        parameters: Of the run, as plain values.
        provenance: Commit and versions, nested.
    """

    scores: pd.DataFrame
    differences: pd.DataFrame
    completions: Mapping[str, pd.DataFrame]
    about: Mapping[str, Mapping[str, Any]]
    parameters: Mapping[str, Any]
    provenance: Mapping[str, Any]


def render_model_page(inputs: ModelPageInputs) -> str:
    """Return the page; the same inputs give the same text."""
    parameters = inputs.parameters
    interval = f"{formatting.percent(parameters['evaluation']['interval_level'])} interval"
    config = EvaluateModelsConfig.model_validate(parameters["evaluate_models"])
    shown = ReportingConfig.model_validate(parameters["reporting"]).num_sample_completions
    return template("models.html.j2").render(
        title=_TITLE,
        first_looks=words.first_looks(inputs.scores, inputs.differences, interval=interval),
        score_tables=[
            words.score_table(inputs.scores, str(eval_set), interval=interval)
            for eval_set in inputs.scores["eval_set"].unique()
        ],
        difference_table=words.difference_table(inputs.differences, interval=interval)
        if len(inputs.differences) > 0
        else None,
        about_table=words.about_table(
            {name: {**_place(config, name), **inputs.about[name]} for name in inputs.completions}
        ),
        served=sorted(config.endpoints().keys() & inputs.completions.keys()),
        models=list(inputs.completions),
        problems=side_by_side(inputs.completions, num_problems=shown),
        metrics=set(inputs.scores["metric"]),
        parameters=name_value_table(
            {name: parameters[name] for name in _SECTIONS if name in parameters},
            caption="Parameters of the evaluation",
            collapsed=True,
        ),
        provenance=name_value_table(inputs.provenance, caption="Where this page comes from"),
    )


def _place(config: EvaluateModelsConfig, name: str) -> dict[str, str]:
    model = config.models[name]
    if isinstance(model, OpenAIEndpointConfig):
        return {"kind": model.kind, "model": model.model}
    path = getattr(model, "path", None)
    return {"kind": model.kind, "model": str(path or getattr(model, "hub_name", ""))}
