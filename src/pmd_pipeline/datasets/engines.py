"""A live rollout engine as a catalog entry: an environment swaps engines in its catalog alone."""

from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError
from pydantic import ValidationError

from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.engines.base import RolloutEngine
from pmd_pipeline.engines.transformers_engine import TransformersEngine

_BACKENDS = ("transformers",)


class RolloutEngineDataset(AbstractDataset[NoReturn, RolloutEngine]):
    """Loading starts the engine once; it is closed after its last consumer has run."""

    def __init__(
        self,
        *,
        backend: str,
        options: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        if backend not in _BACKENDS:
            raise DatasetError(
                f"rollout_engine.backend: no engine is called {backend!r}; choose one of "
                f"{', '.join(_BACKENDS)}"
            )
        try:
            self._options = TransformersEngineConfig.model_validate(options or {})
        except ValidationError as error:
            raise DatasetError(f"rollout_engine.options: {error}") from None
        self._backend = backend
        self._engine: RolloutEngine | None = None
        self.metadata = metadata

    def load(self) -> RolloutEngine:
        if self._engine is None:
            self._engine = TransformersEngine(self._options)
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
        return {"backend": self._backend, **self._options.model_dump()}
