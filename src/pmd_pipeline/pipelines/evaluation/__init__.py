"""Stage 5: every policy on the evaluation problems."""

from pmd_pipeline.pipelines.evaluation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
