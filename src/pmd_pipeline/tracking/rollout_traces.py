"""Rollouts as MLflow's traces: a page per response, with its prompt, grade and reward.

A trace is found again by an id that follows from its run and its rollout, so one that is sent twice
is there once.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlflow.entities import Feedback, Span, SpanType, TraceData, TraceInfo, TraceLocation
from mlflow.entities.assessment_source import AssessmentSource, AssessmentSourceType
from mlflow.entities.trace_state import TraceState
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracing.client import TracingClient
from mlflow.tracing.constant import SpanAttributeKey, TraceMetadataKey, TraceTagKey
from mlflow.tracing.utils.artifact_utils import get_artifact_uri_for_trace

from pmd_pipeline.tracking.store import TrackingStore

_NANOSECONDS = 1_000_000  # of a millisecond
_PREVIEW_LENGTH = 1000  # MLflow's table of traces shows so much
_UNKNOWN = "RESOURCE_DOES_NOT_EXIST"


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutTrace:
    """A rollout as JSON can hold it.

    Attributes:
        key: Tells it from others of its run.
        name: Of the trace, for people.
        time_ms: When it was recorded, milliseconds since 1970.
        prompt: As the policy has read it.
        response: As the policy has written it.
        details: What else is to be seen with it, by name.
        tags: What traces are searched by.
        grades: What the reward function says of it, by name: a number, or right or wrong.
        reason: Why it was graded so.
    """

    key: str
    name: str
    time_ms: int
    prompt: str
    response: str
    details: Mapping[str, Any]
    tags: Mapping[str, str]
    grades: Mapping[str, float | bool]
    reason: str


def send_trace(run_id: str, trace: RolloutTrace, store: TrackingStore) -> None:
    """Let the store have a rollout of a run as a trace."""
    client = TracingClient(store.client.tracking_uri)
    run = store.client.get_run(run_id)
    digest = hashlib.sha256(f"{run_id}/{trace.key}".encode()).hexdigest()
    info = _info(trace, digest[:32], run_id, run.info.experiment_id)
    span = _span(trace, digest[:32], digest[32:48])
    try:
        client.log_spans(run.info.experiment_id, [span])
        keeps_spans = True
    except NotImplementedError:  # a store in files
        keeps_spans = False
    if not _is_known(client, info.trace_id):
        info = client.start_trace(info)
    if not keeps_spans:
        place = get_artifact_repository(get_artifact_uri_for_trace(info))
        place.upload_trace_data(json.dumps(TraceData(spans=[span]).to_dict()))


def _is_known(client: TracingClient, trace_id: str) -> bool:
    """Return True for a trace that has its grades: spans alone make one without them."""
    try:
        return bool(client.get_trace_info(trace_id).assessments)
    except MlflowException as error:
        if error.error_code == _UNKNOWN:
            return False
        raise


def _info(trace: RolloutTrace, trace_hex: str, run_id: str, experiment_id: str) -> TraceInfo:
    source = AssessmentSource(source_type=AssessmentSourceType.CODE, source_id="reward function")
    return TraceInfo(
        trace_id=f"tr-{trace_hex}",
        trace_location=TraceLocation.from_experiment_id(experiment_id),
        request_time=trace.time_ms,
        execution_duration=0,
        state=TraceState.OK,
        request_preview=trace.prompt[:_PREVIEW_LENGTH],
        response_preview=trace.response[:_PREVIEW_LENGTH],
        trace_metadata={TraceMetadataKey.SOURCE_RUN: run_id},
        tags={TraceTagKey.TRACE_NAME: trace.name, **trace.tags},
        assessments=[
            Feedback(name=name, value=value, source=source, rationale=trace.reason)
            for name, value in trace.grades.items()
        ],
    )


def _span(trace: RolloutTrace, trace_hex: str, span_hex: str) -> Span:
    time = trace.time_ms * _NANOSECONDS
    attributes = {
        SpanAttributeKey.REQUEST_ID: f"tr-{trace_hex}",
        SpanAttributeKey.SPAN_TYPE: SpanType.LLM,
        SpanAttributeKey.INPUTS: {"prompt": trace.prompt},
        SpanAttributeKey.OUTPUTS: {"response": trace.response},
        **trace.details,
    }
    return Span.from_dict(
        {
            "name": trace.name,
            "context": {"trace_id": f"0x{trace_hex}", "span_id": f"0x{span_hex}"},
            "parent_id": None,
            "start_time": time,
            "end_time": time,
            "status_code": "OK",
            "status_message": "",
            "attributes": {key: json.dumps(value) for key, value in attributes.items()},
            "events": [],
        }
    )
