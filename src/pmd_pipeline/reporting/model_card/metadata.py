"""The first lines of a model card: what the hub reads of it."""

from typing import TYPE_CHECKING

import pandas as pd

from pmd_pipeline.config.data_preparation import TRAIN_SET, ProblemSource, StoredSource
from pmd_pipeline.config.policy import PretrainedPolicyConfig
from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.model_card.facts import CardFacts
from pmd_pipeline.reporting.model_card.results import headline_rows

if TYPE_CHECKING:
    from huggingface_hub import EvalResult


def metadata(facts: CardFacts) -> str:
    """Return the card's metadata as YAML; a licence is not among it."""
    from huggingface_hub import ModelCardData

    experiment = facts.experiment
    policy = experiment.policy_initialisation.policy
    base = policy.hub_name if isinstance(policy, PretrainedPolicyConfig) else None
    trained_on = _hub_name(experiment.data_preparation.source_of(TRAIN_SET))
    kind = experiment.algorithms[facts.run.algorithm].kind
    data = ModelCardData(
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["pmd_pipeline", "reinforcement-learning", kind.replace("_", "-")],
        base_model=base,
        base_model_relation=None if base is None else "finetune",
        datasets=None if trained_on is None else [trained_on],
        model_name=facts.name,
        eval_results=[_result(row, facts) for row in headline_rows(facts)],
    )
    return str(data.to_yaml())


def _result(row: pd.Series, facts: CardFacts) -> "EvalResult":
    from huggingface_hub import EvalResult

    source = facts.experiment.data_preparation.source_of(str(row["eval_set"]))
    place = source if isinstance(source, StoredSource) and source.hub_name is not None else None
    return EvalResult(
        task_type="text-generation",
        dataset_type=_hub_name(source) or source.kind,
        dataset_name=str(row["eval_set"]),
        metric_type="accuracy" if row["metric"] == "avg_at_k" else "reward",
        metric_name=_metric_name(row, facts),
        metric_value=round(float(row["value"]), 6),
        dataset_config=None if place is None else place.hub_config,
        dataset_split=None if place is None else place.hub_split,
        dataset_revision=None if place is None else place.revision,
    )


def _hub_name(source: ProblemSource) -> str | None:
    return source.hub_name if isinstance(source, StoredSource) else None


def _metric_name(row: pd.Series, facts: CardFacts) -> str:
    """Return the metric's name; it says so where the number is the highest of several."""
    name = formatting.metric_name(row["metric"], row["k"])
    if not facts.num_rivals or row["eval_set"] not in facts.chosen_by:
        return name
    return f"{name}, of the best of {facts.num_rivals + 1} policies by this evaluation"
