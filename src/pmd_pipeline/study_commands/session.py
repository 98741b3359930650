"""A Kedro session whose parameters and data folders are a study's, not the project's."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from kedro.config import AbstractConfigLoader
from kedro.framework.hooks import _create_hook_manager
from kedro.framework.hooks.manager import _register_hooks
from kedro.framework.session import KedroSession
from kedro.pipeline import Pipeline
from kedro.runner import SequentialRunner
from pluggy import PluginManager

from pmd_pipeline.pipelines import data_preparation, policy_initialisation, rollout_generation

VALIDATION_FILE = Path("03_primary") / "validation_problems.parquet"


class StudySession(KedroSession):
    """A session for one run within a study.

    The project's own hooks are not used: they open an MLflow run, keep a run state and print a
    comparison, all for the single run that owns the project's data folder.
    """

    _parameters: Mapping[str, Any]
    _data_root: Path
    _shared_root: Path | None

    @classmethod
    def begin(
        cls,
        project_path: Path,
        *,
        env: str | None,
        parameters: Mapping[str, Any],
        data_root: Path,
        shared_root: Path | None = None,
        hooks: Iterable[Any] = (),
    ) -> Self:
        """Return a session that has not run yet.

        Args:
            project_path: The project's folder.
            env: Its environment, for the catalog.
            parameters: Of the run, complete.
            data_root: Where the run writes.
            shared_root: Where the results of the shared stages are; the evaluation problems are
                then the study's validation problems. None: in ``data_root``.
            hooks: The run's hooks.
        """
        session = cls.create(project_path, env=env, save_on_close=False)
        assert isinstance(session, cls)
        session._parameters = parameters
        session._data_root = data_root
        session._shared_root = shared_root
        session._hook_manager = _create_hook_manager()
        _register_hooks(session._hook_manager, tuple(hooks))
        return session

    def __enter__(self) -> Self:
        return self

    def _get_config_loader(self) -> AbstractConfigLoader:
        shared: dict[str, Any] = {}
        if self._shared_root is not None:
            shared = self._shared_entries(self._shared_root)
            shared["eval_problems"] = {
                "type": "pmd_pipeline.datasets.atomic.AtomicParquetDataset",
                "filepath": str(self._shared_root / VALIDATION_FILE),
                "validator": "pmd_pipeline.schemas.problems.EvalPromptTable",
            }
        # Created last: the loader created last resolves ${globals:...} for all.
        loader = self._loader(self._data_root)
        loader["catalog"] = {**loader["catalog"], **shared}
        loader["parameters"] = dict(self._parameters)
        return loader

    def _shared_entries(self, root: Path) -> dict[str, Any]:
        """Return the catalog entries that trials share; read once, not for every trial."""
        key = (self._conf_source, self.store.get("env"), root)
        if key not in _shared_entries:
            entries = self._loader(root)["catalog"]
            _shared_entries[key] = {
                name: entries[name] for name in shared_datasets() if name in entries
            }
        return dict(_shared_entries[key])

    def _loader(self, data_root: Path) -> AbstractConfigLoader:
        """Return a loader of the project's configuration for another data folder."""
        loader = super()._get_config_loader()
        loader["globals"] = {**loader["globals"], "data_root": self._relative(data_root)}
        return loader

    def _relative(self, folder: Path) -> str:
        # As in conf/base/globals.yml: below the project's folder.
        return folder.relative_to(self._project_path).as_posix()


_shared_entries: dict[tuple[str, str | None, Path], dict[str, Any]] = {}


class PhaseRunner(SequentialRunner):
    """Runs groups of nodes one after another, finishing each group first.

    Kedro's own order would train the next phase before the evaluation of this one can prune.
    """

    def __init__(self, groups: Sequence[Sequence[str]]) -> None:
        super().__init__()
        self._groups = groups

    @property
    def _logger(self) -> logging.Logger:
        # Kedro uses the class's module, but conf/logging.yml configures Kedro's own.
        return logging.getLogger("kedro.runner")

    def run(
        self,
        pipeline: Pipeline,
        catalog: Any,
        hook_manager: PluginManager | None = None,
        run_id: str | None = None,
        only_missing_outputs: bool = False,
    ) -> dict[str, Any]:
        outputs: dict[str, Any] = {}
        for names in self._groups:
            part = pipeline.only_nodes(*names)
            outputs |= super().run(part, catalog, hook_manager, run_id, only_missing_outputs)
        return outputs


def shared_datasets() -> set[str]:
    """Return the names of what the stages before training produce."""
    stages = (data_preparation, policy_initialisation, rollout_generation)
    pipelines = [stage.create_pipeline() for stage in stages]
    return set().union(*(pipeline.all_outputs() for pipeline in pipelines))
