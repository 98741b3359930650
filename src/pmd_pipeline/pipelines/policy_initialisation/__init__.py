"""Stage 2: the initial policy."""

from pmd_pipeline.pipelines.policy_initialisation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
