"""From an engine's configuration to the engine."""

from pmd_pipeline.config.engines import EngineConfig, VllmEngineConfig
from pmd_pipeline.engines.base import RolloutEngine
from pmd_pipeline.engines.transformers_engine import TransformersEngine
from pmd_pipeline.engines.vllm_engine import VllmEngine, check_vllm_installed


def make_engine(config: EngineConfig) -> RolloutEngine:
    """Return the engine of a configuration; it starts when it gets a policy.

    Raises:
        EngineUnavailableError: If its library is not installed.
    """
    if isinstance(config, VllmEngineConfig):
        return VllmEngine(config)
    return TransformersEngine(config)


def check_available(config: EngineConfig) -> None:
    """Raise EngineUnavailableError if the engine's library is not installed here."""
    if isinstance(config, VllmEngineConfig):
        check_vllm_installed()
