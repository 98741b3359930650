"""Stage 4: one namespace per algorithm and training seed, a chain of phases in each."""

from pmd_pipeline.pipelines.training.pipeline import create_pipeline

__all__ = ["create_pipeline"]
