"""Records on their way to the store.

Each may be sent twice, since a process can die, or a request time out, after the store has taken a
record and before anybody has noted so. Nothing follows from it: a metric has the time at which it
was recorded, and the store keeps one of equal metrics; parameters, tags, statuses, data sets and
artifacts replace their equals; a run is looked for by its key before it is made, a model by its run
and checksum, a trace by an id that follows from its rollout.
"""

import json
import logging
from collections.abc import Callable
from pathlib import PurePosixPath

from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils.mlflow_tags import (
    MLFLOW_LOGGED_ARTIFACTS,
    MLFLOW_PARENT_RUN_ID,
    MLFLOW_RUN_NOTE,
)

from pmd_pipeline.tracking.chart_views import VIEW_TAG, packed_view, placed
from pmd_pipeline.tracking.data_inputs import DataInput
from pmd_pipeline.tracking.errors import OutageError, RefusedError, reason_of, sorted_error
from pmd_pipeline.tracking.outbox import Outbox, Record
from pmd_pipeline.tracking.policy_models import send_best_model
from pmd_pipeline.tracking.rollout_traces import RolloutTrace, send_trace
from pmd_pipeline.tracking.store import TrackingStore

# MLflow refuses more entries in one request.
_MAX_BATCH = 100
# Former versions of MLflow refuse longer ones.
_MAX_TAG_LENGTH = 5000

_logger = logging.getLogger(__name__)


def send_waiting(
    outbox: Outbox, store: TrackingStore, refused: set[int], progress: Callable[[], None]
) -> None:
    """Send an outbox's records in order.

    Args:
        outbox: What is sent.
        store: Where to.
        refused: Numbers that are passed over; those that the store refuses are added.
        progress: Called whenever a record has arrived.

    Raises:
        OutageError: If the store does not work; what is not sent stays in the outbox.
    """
    for record in outbox.waiting():
        if record.number in refused:
            continue
        try:
            _send(record, outbox, store)
        except Exception as error:
            sorted_ = sorted_error(error)
            if isinstance(sorted_, OutageError):
                raise sorted_ from error
            _logger.warning(
                "MLflow does not take record %d (%s of run %s) of %s: %s; it stays there",
                record.number,
                record.kind,
                record.run,
                outbox.folder,
                sorted_,
            )
            refused.add(record.number)
        else:
            outbox.mark_sent(record)
            progress()


def _send(record: Record, outbox: Outbox, store: TrackingStore) -> None:
    if record.kind == "create":
        outbox.run_ids[record.run] = _create(record, outbox, store)
        return
    run_id = _run_id(record.run, outbox, store)
    client, values = store.client, record.values
    match record.kind:
        case "metrics":
            time, step = values["time"], values["step"]
            metrics = [Metric(k, v, time, step) for k, v in values["metrics"].items()]
            for start in range(0, len(metrics), _MAX_BATCH):
                client.log_batch(run_id, metrics=metrics[start : start + _MAX_BATCH])
        case "parameters":
            _send_parameters(run_id, values, store)
        case "tags":
            _send_tags(run_id, values, store)
        case "description":
            experiment_id = client.get_run(run_id).info.experiment_id
            text = placed(values["text"], experiment_id=experiment_id, run_id=run_id)
            client.set_tag(run_id, MLFLOW_RUN_NOTE, text)
        case "chart_view":
            experiment_id = client.get_run(run_id).info.experiment_id
            state = packed_view(values["view"], run_id)
            client.set_experiment_tag(experiment_id, f"{VIEW_TAG}{run_id}", state)
        case "inputs":
            datasets = [DataInput(**data).to_mlflow() for data in values["datasets"]]
            client.log_inputs(run_id, datasets)
        case "best_model":
            send_best_model(run_id, values, store, lambda run: _run_id(run, outbox, store))
        case "traces":
            for trace in values["traces"]:
                send_trace(run_id, RolloutTrace(**trace), store)
        case "artifact":
            _send_artifact(run_id, record, outbox, store)
        case "status" if values["status"] == "RUNNING":
            client.update_run(run_id, status="RUNNING")
        case "status":
            client.set_terminated(run_id, values["status"], values["time"])


def _send_artifact(run_id: str, record: Record, outbox: Outbox, store: TrackingStore) -> None:
    path = outbox.artifact(record)
    if not path.is_file():
        raise RefusedError(f"its file {path} is gone")
    foreign = store.foreign_folder(run_id)
    if foreign is not None:
        raise RefusedError(f"it would be written to {foreign}, outside the project")
    place = str(record.values["path"])
    folder = str(PurePosixPath(place).parent)
    run = store.client.get_run(run_id)
    # Not by the client, which remembers a run's folder whatever the store.
    repository = get_artifact_repository(run.info.artifact_uri, store.client.tracking_uri)
    repository.log_artifact(str(path), None if folder == "." else folder)
    if record.values.get("is_table"):
        known = json.loads(run.data.tags.get(MLFLOW_LOGGED_ARTIFACTS, "[]"))
        listed = with_table(known, place)
        if listed != known:
            store.client.set_tag(run_id, MLFLOW_LOGGED_ARTIFACTS, json.dumps(listed))


def with_table(listed: list[dict[str, str]], path: str) -> list[dict[str, str]]:
    """Return MLflow's list of a run's tables with one more.

    Where the list grows too long for a tag, the first table and the latest ones stay.
    """
    entry = {"path": path, "type": "table"}
    result = listed if entry in listed else [*listed, entry]
    while len(json.dumps(result)) > _MAX_TAG_LENGTH and len(result) > 2:
        result = [result[0], *result[2:]]
    return result


def _run_id(run: str, outbox: Outbox, store: TrackingStore) -> str:
    run_id = outbox.run_ids.get(run) or store.find_run(run)
    if run_id is None:
        raise RefusedError("the store does not know this run")
    outbox.run_ids[run] = run_id
    return run_id


def _create(record: Record, outbox: Outbox, store: TrackingStore) -> str:
    found = store.find_run(record.run)
    if found is not None:
        return found
    values = record.values
    experiment = store.client.get_experiment_by_name(values["experiment"])
    if experiment is None:
        raise RefusedError(f"the store has no experiment {values['experiment']!r}")
    tags = dict(values["tags"])
    if MLFLOW_PARENT_RUN_ID in tags:
        tags[MLFLOW_PARENT_RUN_ID] = _run_id(tags[MLFLOW_PARENT_RUN_ID], outbox, store)
    run = store.client.create_run(experiment.experiment_id, values["time"], tags, values["name"])
    return str(run.info.run_id)


def _send_parameters(run_id: str, found: dict[str, str | None], store: TrackingStore) -> None:
    values = {key: value for key, value in found.items() if value is not None}
    unset = found.keys() - values.keys()
    if unset:
        # What had a value when the run began has none now; nothing else is worth a line.
        params = store.client.get_run(run_id).data.params
        values |= {key: "None" for key in unset if key in params}
    try:
        _log_parameters(run_id, values, store)
    except MlflowException as error:
        if error.error_code != "INVALID_PARAMETER_VALUE":
            raise
        # A parameter never changes in MLflow. Some may change when a run is continued.
        known = store.client.get_run(run_id).data.params
        changed = {k: v for k, v in values.items() if known.get(k, v) != v}
        if not changed:
            raise RefusedError(reason_of(error)) from error
        _log_parameters(run_id, {k: v for k, v in values.items() if k not in changed}, store)
        _send_tags(run_id, {f"resumed.{k}": v for k, v in changed.items()}, store)


def _log_parameters(run_id: str, values: dict[str, str], store: TrackingStore) -> None:
    params = [Param(k, v) for k, v in values.items()]
    for start in range(0, len(params), _MAX_BATCH):
        store.client.log_batch(run_id, params=params[start : start + _MAX_BATCH])


def _send_tags(run_id: str, values: dict[str, str], store: TrackingStore) -> None:
    tags = [RunTag(k, v) for k, v in values.items()]
    for start in range(0, len(tags), _MAX_BATCH):
        store.client.log_batch(run_id, tags=tags[start : start + _MAX_BATCH])
