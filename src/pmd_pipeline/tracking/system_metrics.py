"""The load of this machine, logged every few seconds as MLflow names it.

MLflow's own thread would write to the store itself, and end with the store's first failure.
"""

import logging
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol

from mlflow.environment_variables import (
    MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING,
    MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL,
)
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

_PREFIX = "system/"  # MLflow has a page of its own for these
_DEFAULT_SECONDS = 10.0

_logger = logging.getLogger(__name__)


class LogMetrics(Protocol):
    """Takes metrics, as ``TrackedRuns.log_metrics`` does."""

    def __call__(self, metrics: Mapping[str, float], *, step: int) -> None: ...


def seconds_between(configured: float | None) -> float | None:
    """Return how often the load is wanted: as configured, else as MLflow's variables ask for it."""
    if configured is not None or not MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING.get():
        return configured
    return float(MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL.get() or _DEFAULT_SECONDS)


class SystemMetrics:
    """A thread that measures until it is told to stop.

    Args:
        seconds: Between two measurements.
        began: When the run began; a step is a second since then, in whatever session.
        log: Takes the numbers and their step; must not wait.
    """

    def __init__(self, seconds: float, began: datetime, log: LogMetrics) -> None:
        self._seconds = seconds
        self._began = began
        self._log = log
        self._is_over = threading.Event()
        # Knows what can be measured here. It is not started, and so contacts no store.
        self._monitor = SystemMetricsMonitor(run_id="")
        self._thread = threading.Thread(target=self._run, name="system-metrics", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Measure no more."""
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_over.wait(self._seconds):
            try:
                self._monitor.collect_metrics()
                metrics = self._monitor.aggregate_metrics()
                for part in self._monitor.monitors:
                    part.clear_metrics()
            except Exception:
                # A driver that fails now may work later; training has no need of either.
                _logger.debug("the machine's load cannot be measured", exc_info=True)
            else:
                step = int((datetime.now(UTC) - self._began).total_seconds())
                self._log({f"{_PREFIX}{k}": value for k, value in metrics.items()}, step=step)
