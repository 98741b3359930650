"""A few charts that say how a run went, as a view that MLflow's page opens by a link.

MLflow keeps no choice of charts on its server, but for views that people share: a tag of the
experiment that holds what the page's state is. With this one a run's algorithms are lines, each the
mean over its training seeds with a band from the lowest to the highest, and all other metrics are
folded below. Another version of MLflow may know fewer of these keys, and then shows its own choice.
"""

import base64
import json
import zlib
from collections.abc import Sequence
from typing import Any

VIEW_TAG = "mlflow.sharedViewState."
"""Of an experiment; the view's key follows, which here is the id of the run that it shows."""

RUN_ID, EXPERIMENT_ID = "{run_id}", "{experiment_id}"
"""What descriptions and views hold in place of ids that only the store knows."""

CHARTS_PLACE = (
    f"#/experiments/{EXPERIMENT_ID}/runs?workflowType=machine_learning"
    f"&viewStateShareKey={RUN_ID}&compareRunsMode=CHART"
)
"""The view of :func:`chart_view`, as a link from within MLflow's pages."""

# How MLflow marks a packed state; written out it would fill a tag, which holds 5000 characters.
_PACKED = "deflate;"

_TRAINING = (
    "sampling/mean_reward",
    "update/kl",
    "sampling/entropy",
    "sampling/mean_response_tokens",
    "sampling/truncated_fraction",
    "sampling/no_signal_fraction",
    "update/gradient_norm",
    "update/log_ratio_min",
)
_FOLDED = ("sampling", "update", "theory", "time")


def artifact_place(path: str) -> str:
    """Return the place of a run's artifact, as a link from within MLflow's pages."""
    page = f"#/experiments/{EXPERIMENT_ID}/runs/{RUN_ID}/artifacts"
    return f"{page}/{path}?workflowType=machine_learning"


def chart_view(eval_sets: Sequence[str], num_samples: int) -> dict[str, Any]:
    """Return the page's state for the training runs below one run.

    Args:
        eval_sets: Names of the evaluation sets.
        num_samples: Of an evaluation, per problem.
    """
    evaluated = [
        f"eval/{name}/{metric}"
        for name in eval_sets
        # Where nobody knows what is right there is the reward alone; charts without data hide.
        for metric in (f"avg_at_{num_samples}", "mean_reward")
    ]
    folded = [*(f"eval/{name}" for name in eval_sets), *_FOLDED]
    return {
        "searchFilter": f"tags.`mlflow.parentRunId` = '{RUN_ID}'",
        "groupBy": {
            "aggregateFunction": "average",
            "groupByKeys": [{"mode": "param", "groupByData": "algorithm"}],
        },
        "isAccordionReordered": True,  # else MLflow sorts the groups by name
        "compareRunSections": [
            _section("Overview", is_open=True),
            *(_section(name, is_open=False) for name in folded),
        ],
        "compareRunCharts": [_line(name) for name in (*evaluated, *_TRAINING)],
    }


def packed_view(state: dict[str, Any], run_id: str) -> str:
    """Return the text of the view's tag, for the run that it shows."""
    text = json.dumps(state, separators=(",", ":")).replace(RUN_ID, run_id)
    return _PACKED + base64.b64encode(zlib.compress(text.encode(), 9)).decode("ascii")


def placed(text: str, *, experiment_id: str, run_id: str) -> str:
    """Return a description with the ids that the store has given."""
    return text.replace(EXPERIMENT_ID, experiment_id).replace(RUN_ID, run_id)


def _section(name: str, *, is_open: bool) -> dict[str, Any]:
    return {
        "uuid": f"section:{name}",
        "name": name,
        "display": is_open,
        "isReordered": True,
        "deleted": False,
        "isGenerated": False,
    }


def _line(metric: str) -> dict[str, Any]:
    return {
        "type": "LINE",
        "uuid": f"chart:{metric}",
        "metricSectionId": "section:Overview",
        "metricKey": metric,
        "selectedMetricKeys": [metric],
        "runsCountToCompare": 10,
        "deleted": False,
        "isGenerated": False,
        "lineSmoothness": 0,
        "xAxisKey": "step",
        "selectedXAxisMetricKey": "",
        "xAxisScaleType": "linear",
        "scaleType": "linear",
        "range": {},
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "ignoreOutliers": False,
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
    }
