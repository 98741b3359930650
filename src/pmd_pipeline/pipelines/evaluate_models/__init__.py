"""Models compared without training: policies, model folders, hub names, servers."""

from pmd_pipeline.pipelines.evaluate_models.pipeline import create_pipeline

__all__ = ["create_pipeline"]
