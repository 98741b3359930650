"""From an engine's configuration to the engine, which is imported when it is made."""

from typing import assert_never

from pmd_pipeline.config.engines import (
    EngineConfig,
    RayEngineConfig,
    TransformersEngineConfig,
    VllmEngineConfig,
)
from pmd_pipeline.engines.base import RolloutEngine


def make_engine(config: EngineConfig) -> RolloutEngine:
    """Return the engine of a configuration; it starts when it gets a policy.

    Raises:
        EngineUnavailableError: If its library is not installed.
    """
    match config:
        case VllmEngineConfig():
            from pmd_pipeline.engines.vllm_engine import VllmEngine

            return VllmEngine(config)
        case TransformersEngineConfig(num_processes=0):
            from pmd_pipeline.engines.transformers_engine import TransformersEngine

            return TransformersEngine(config)
        case TransformersEngineConfig():
            from pmd_pipeline.engines.copies_engine import CopiesEngine

            return CopiesEngine(config)
        case RayEngineConfig():
            from pmd_pipeline.engines.ray_engine import RayEngine

            return RayEngine(config)
        case _:
            assert_never(config)


def check_available(config: EngineConfig) -> None:
    """Raise an error if a run with this engine would fail for what is known before it starts.

    Raises:
        EngineUnavailableError: If the engine's library is not installed here.
        ClusterError: If there is no cluster, or no room on it for a single sampler.
    """
    match config:
        case VllmEngineConfig():
            from pmd_pipeline.engines.vllm_engine import check_vllm_installed

            check_vllm_installed()
        case TransformersEngineConfig():
            pass  # this project needs transformers itself
        case RayEngineConfig():
            from pmd_pipeline.engines.ray_engine import check_ray_installed, check_room_for_one

            check_ray_installed(config)
            check_room_for_one(config)
        case _:
            assert_never(config)
