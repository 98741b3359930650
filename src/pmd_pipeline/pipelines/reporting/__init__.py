"""Stage 6: comparison, figures, report."""

from pmd_pipeline.pipelines.reporting.pipeline import create_pipeline

__all__ = ["create_pipeline"]
