"""Each algorithm's best policy, described for MLflow."""

import logging
import os
from collections.abc import Iterator, Mapping

import pandas as pd

from pmd_pipeline.config.policy import AnyPolicyConfig, EmbeddedPolicyConfig
from pmd_pipeline.config.training_runs import TrainingRun
from pmd_pipeline.context import ExperimentContext
from pmd_pipeline.hooks.run_state import RunState
from pmd_pipeline.hooks.tracked_facts import (
    training_run_name,
    training_run_parameters,
    training_run_tags,
)
from pmd_pipeline.metrics.best_policy import BestPolicy, best_evaluated
from pmd_pipeline.pipelines.training.nodes import phase_name
from pmd_pipeline.policies.manifest import read_manifest
from pmd_pipeline.reporting.formatting import metric_name
from pmd_pipeline.tracking.metrics import evaluation_metrics
from pmd_pipeline.tracking.policy_models import BestModel, DatasetKey, Measurement

# MLflow shows it as the model's description.
_DESCRIPTION = "mlflow.note.content"

_logger = logging.getLogger(__name__)


def best_models(
    comparison_by_seed: pd.DataFrame,
    context: ExperimentContext,
    state: RunState,
    digests: Mapping[str, str],
) -> Iterator[tuple[str, BestModel]]:
    """Yield each algorithm's best policy, and the MLflow run in which it was trained.

    Args:
        comparison_by_seed: Of every evaluated policy.
        context: Of the run that compares them.
        state: Knows where policies are and in which runs they were trained.
        digests: Of the evaluation problems, by evaluation set, where they are known.
    """
    # MLflow's page lists what was made last first.
    for label in reversed(comparison_by_seed["algorithm"].unique()):
        best = best_evaluated(comparison_by_seed, algorithm=label)
        run = TrainingRun(best.algorithm, best.seed)
        tags = _policy_tags(best, run, context, state)
        if tags is None:
            continue
        trained_by = state.mlflow_trained.get(run.namespace) or state.mlflow_runs[""]
        rows = comparison_by_seed[
            (comparison_by_seed["algorithm"] == best.algorithm)
            & (comparison_by_seed["seed"] == best.seed)
            & (comparison_by_seed["round"] == best.round_index)
        ]
        model = BestModel(
            name=f"{training_run_name(run)}, round {best.round_index}",
            checksum=tags.pop("sha256"),
            step=best.round_index,
            tags=tags,
            parameters=training_run_parameters(run, context.experiment),
            measurements=tuple(_measurements(rows, digests)),
            evaluated_by=state.mlflow_runs.get(run.namespace) or trained_by,
            siblings=tuple(
                state.mlflow_trained[other.namespace]
                for other in context.experiment.training_runs()
                if other.algorithm == run.algorithm and other.namespace in state.mlflow_trained
            ),
        )
        yield trained_by, model


def _policy_tags(
    best: BestPolicy, run: TrainingRun, context: ExperimentContext, state: RunState
) -> dict[str, str] | None:
    experiment = context.experiment
    phase = best.round_index // experiment.training.rounds_per_phase
    name = f"{run.namespace}.{phase_name(phase)}.policy"
    records = state.files.get(name, {})
    paths = [context.data_root / key for key in records]
    if not paths or not paths[-1].is_file():
        _logger.warning("MLflow gets no model of %s: it is not there any more", name)
        return None
    folder = paths[-1].parent
    manifest = read_manifest(folder)
    shown = os.path.relpath(folder, context.project_path)
    initial = experiment.policy_initialisation.policy
    tags = {
        **training_run_tags(run, experiment),
        "phase": str(phase),
        "round": str(best.round_index),
        "num_updates": str(manifest.policy_version),
        "num_parameters": str(manifest.num_parameters),
        "policy_folder": shown,
        "policy_kind": "adapter" if manifest.base_path is not None else "all weights",
        "initial_policy": _place(initial),
        "chosen_by": _choice(best),
        "data_version": state.version,
        _DESCRIPTION: _description(best, run, shown),
        "sha256": list(records.values())[-1][0],
    }
    if initial_files := state.files.get("initial_policy"):
        tags["initial_policy_sha256"] = next(iter(initial_files.values()))[0]
    return tags


def _measurements(rows: pd.DataFrame, digests: Mapping[str, str]) -> Iterator[Measurement]:
    for eval_set, metrics in rows.groupby("eval_set", sort=False):
        name = str(eval_set)
        key = DatasetKey(name=name, digest=digests[name]) if name in digests else None
        for metric, value in evaluation_metrics(metrics).items():
            yield Measurement(name=metric, value=value, dataset=key)


def _place(config: AnyPolicyConfig) -> str:
    if isinstance(config, EmbeddedPolicyConfig):
        return "embedded"
    return f"{config.hub_name}@{config.revision}" if config.hub_name else str(config.path)


def _choice(best: BestPolicy) -> str:
    return (
        f"highest {best.metric} of {best.num_candidates} evaluated policies, every training seed "
        "and phase; by the evaluation shown, so its scores are optimistic"
    )


def _description(best: BestPolicy, run: TrainingRun, folder: str) -> str:
    metric = metric_name(best.metric, "k")
    initial = (
        "" if best.initial_score is None else f" (the initial policy has {best.initial_score:.3f})"
    )
    return (
        f"The best policy of {run.algorithm}: {metric} {best.score:.3f}{initial}, the highest of "
        f"{best.num_candidates} policies, evaluated after every phase of every training seed.\n\n"
        "**Its scores are optimistic**: it was chosen by the evaluation that is shown here, and of "
        "many policies the luckiest is chosen too. Evaluate it on other problems before you rely "
        "on them.\n\n"
        f"It lies in `{folder}`, below the project's folder; MLflow has no copy. "
        f"`kedro export-policy {folder} FOLDER` writes what transformers and `vllm serve` load."
    )
