"""A journal file with heartbeats, which Optuna's own lacks.

Every running trial has a small file beside the journal that its worker touches; machines that
share the journal share these files too.
"""

import time
from collections.abc import Callable
from pathlib import Path

from optuna.storages import JournalStorage
from optuna.storages._heartbeat import BaseHeartbeat
from optuna.storages.journal import JournalFileBackend
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from pmd_pipeline.config.study import StorageConfig


class HeartbeatJournalStorage(JournalStorage, BaseHeartbeat):
    """Journal storage whose trials are reclaimed when their worker has died.

    Args:
        backend: The journal.
        folder: For the heartbeat files.
        config: Heartbeat interval and grace.
        on_stale: Called with a trial that was reclaimed.
    """

    def __init__(
        self,
        backend: JournalFileBackend,
        folder: Path,
        config: StorageConfig,
        on_stale: Callable[[Study, FrozenTrial], None],
    ) -> None:
        super().__init__(backend)
        self._folder = folder
        self._config = config
        self._on_stale = on_stale
        folder.mkdir(exist_ok=True)

    def record_heartbeat(self, trial_id: int) -> None:
        self._file(trial_id).touch()

    def _get_stale_trial_ids(self, study_id: int) -> list[int]:
        # By the file system's clock: the clocks of two machines may differ.
        clock = self._folder / f".{time.time_ns()}"
        clock.touch()
        now = clock.stat().st_mtime
        clock.unlink()
        running = self.get_all_trials(study_id, deepcopy=False, states=(TrialState.RUNNING,))
        return [
            trial._trial_id
            for trial in running
            if now - self._last_sign(trial) > self._config.grace_seconds
        ]

    def get_heartbeat_interval(self) -> int:
        return self._config.heartbeat_seconds

    def get_heartbeat_stale_trial_callback(self) -> Callable[[Study, FrozenTrial], None]:
        return self._on_stale

    def _last_sign(self, trial: FrozenTrial) -> float:
        try:
            return self._file(trial._trial_id).stat().st_mtime
        except FileNotFoundError:
            # Its worker has not sent its first heartbeat yet, or died before.
            return 0.0 if trial.datetime_start is None else trial.datetime_start.timestamp()

    def _file(self, trial_id: int) -> Path:
        return self._folder / str(trial_id)
