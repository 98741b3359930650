"""Policies as MLflow's logged models, by reference: nothing of them is copied.

MLflow knows such a model as one whose files lie elsewhere. A policy of a training run is one model,
however often it is sent: it is looked for by that run and its checksum before it is made, and a
model that a killed process has left half made is completed.
"""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus, Metric, Run
from mlflow.models.model import MLMODEL_FILE_NAME
from mlflow.models.utils import get_external_mlflow_model_spec
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_IS_EXTERNAL

from pmd_pipeline.tracking.errors import RefusedError
from pmd_pipeline.tracking.store import TrackingStore

BEST = "best"
"""The tag of an algorithm's best policy: ``true``, or ``false`` once another has done better."""

CHECKSUM = "sha256"
"""The tag with the policy's checksum."""

# MLflow's kinds are of its own flavours and of agents; any word is allowed.
_MODEL_TYPE = "policy"
# MLflow refuses more in one request.
_MAX_BATCH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetKey:
    """What MLflow tells data sets apart by."""

    name: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A metric of a policy on an evaluation set; without ``dataset``, MLflow does not know it."""

    name: str
    value: float
    dataset: DatasetKey | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BestModel:
    """An algorithm's best policy.

    Attributes:
        name: For people; a run's checksum tells models apart.
        checksum: SHA-256 of the policy.
        step: Rounds that it was trained.
        tags: What else is to be known of it.
        parameters: Of the run, flat.
        measurements: What it scored.
        evaluated_by: The run that measured so: its id or key.
        siblings: Runs of the same algorithm, whose policies it has outdone.
    """

    name: str
    checksum: str
    step: int
    tags: Mapping[str, str]
    parameters: Mapping[str, Any]
    measurements: tuple[Measurement, ...]
    evaluated_by: str
    siblings: tuple[str, ...] = ()


def send_best_model(
    run_id: str,
    values: Mapping[str, Any],
    store: TrackingStore,
    id_of: Callable[[str], str],
) -> None:
    """Let the store have an algorithm's best policy as a logged model.

    Args:
        run_id: Of the run that trained it.
        values: Those of a :class:`BestModel` as JSON, and ``time``.
        store: Where to.
        id_of: Gives the id of a run by id or key.

    Raises:
        RefusedError: If the store does not know a run, or would write outside the project.
    """
    evaluated_by = id_of(values["evaluated_by"])
    run = store.client.get_run(run_id)
    model = _find(run, values["checksum"], store) or _make(run, values, store)
    tags = {**values["tags"], CHECKSUM: values["checksum"], BEST: "true"}
    store.client.set_logged_model_tags(model.model_id, tags)
    _complete(model, values["parameters"], store)
    if run.outputs is None or model.model_id not in {m.model_id for m in run.outputs.model_outputs}:
        # The run's page then shows the model.
        output = LoggedModelOutput(model.model_id, values["step"])
        store.client.log_outputs(run_id, [output])
    _measure(evaluated_by, model, values, store)
    _outdo(model, [run_id, *values["siblings"]], store, id_of)


def _find(run: Run, checksum: str, store: TrackingStore) -> LoggedModel | None:
    wanted = f"source_run_id = '{run.info.run_id}' AND tags.{CHECKSUM} = '{checksum}'"
    found = store.client.search_logged_models([run.info.experiment_id], wanted, max_results=1)
    return found[0] if found else None


def _make(run: Run, values: Mapping[str, Any], store: TrackingStore) -> LoggedModel:
    foreign = store.foreign_folder()
    if foreign is not None:
        raise RefusedError(f"it would be written to {foreign}, outside the project")
    return store.client.create_logged_model(
        run.info.experiment_id,
        name=values["name"],
        source_run_id=run.info.run_id,
        tags={MLFLOW_MODEL_IS_EXTERNAL: "true", CHECKSUM: values["checksum"]},
        model_type=_MODEL_TYPE,
    )


def _complete(model: LoggedModel, parameters: Mapping[str, str], store: TrackingStore) -> None:
    # A parameter that the store has cannot be sent again.
    missing = [key for key in parameters if key not in model.params]
    for start in range(0, len(missing), _MAX_BATCH):
        batch = {key: parameters[key] for key in missing[start : start + _MAX_BATCH]}
        store.client.log_model_params(model.model_id, batch)
    if model.status == LoggedModelStatus.READY:
        return
    with tempfile.TemporaryDirectory() as folder:
        # What MLflow's registry reads of a model whose files lie elsewhere.
        path = Path(folder) / MLMODEL_FILE_NAME
        get_external_mlflow_model_spec(model).save(path)
        repository = get_artifact_repository(model.artifact_location, store.client.tracking_uri)
        repository.log_artifact(str(path))
    store.client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)


def _measure(
    run_id: str, model: LoggedModel, values: Mapping[str, Any], store: TrackingStore
) -> None:
    metrics = []
    for measured in values["measurements"]:
        name, value, step = measured["name"], measured["value"], values["step"]
        # A metric of a model is one of its run too, which has it already: it is the same one only
        # with the same time.
        times = [
            known.timestamp
            for known in store.client.get_metric_history(run_id, name)
            if (known.step, known.value) == (step, value)
        ]
        data = measured["dataset"] or {}
        metrics.append(
            Metric(
                name,
                value,
                max(times, default=values["time"]),
                step,
                model_id=model.model_id,
                dataset_name=data.get("name"),
                dataset_digest=data.get("digest"),
            )
        )
    for start in range(0, len(metrics), _MAX_BATCH):
        store.client.log_batch(run_id, metrics=metrics[start : start + _MAX_BATCH])


def _outdo(
    model: LoggedModel, runs: list[str], store: TrackingStore, id_of: Callable[[str], str]
) -> None:
    """Mark former best policies of the same algorithm as what they are now."""
    for run in dict.fromkeys(runs):
        try:
            run_id = id_of(run)
        except RefusedError:  # it was deleted, with its models
            continue
        wanted = f"source_run_id = '{run_id}' AND tags.{BEST} = 'true'"
        for former in store.client.search_logged_models([model.experiment_id], wanted):
            if former.model_id != model.model_id:
                store.client.set_logged_model_tags(former.model_id, {BEST: "false"})
