"""A live rollout engine as a catalog entry: environments swap engines in the catalog alone."""

from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from pmd_pipeline.config.engines import EngineEntryError, parse_engine
from pmd_pipeline.engines.base import RolloutEngine
from pmd_pipeline.engines.choice import check_available, make_engine


class RolloutEngineDataset(AbstractDataset[NoReturn, RolloutEngine]):
    """Loading creates the engine once; it is closed after its last consumer has run."""

    def __init__(
        self,
        *,
        backend: str,
        options: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        try:
            self._config = parse_engine(backend, options)
        except EngineEntryError as error:
            raise DatasetError(str(error)) from None
        self._backend = backend
        self._engine: RolloutEngine | None = None
        self.metadata = metadata

    def check_available(self) -> None:
        """Raise an error if a run would fail for want of a library or a cluster; see `choice`."""
        check_available(self._config)

    def load(self) -> RolloutEngine:
        if self._engine is None:
            self._engine = make_engine(self._config)
        return self._engine

    def save(self, data: NoReturn) -> None:
        raise DatasetError("a rollout engine is started by loading it and cannot be saved")

    def _release(self) -> None:
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"backend": self._backend, **self._config.model_dump()}
