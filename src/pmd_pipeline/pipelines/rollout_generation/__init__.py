"""Stage 3: rollouts of the initial policy, and the prompts selected by them."""

from pmd_pipeline.pipelines.rollout_generation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
