"""Stage 1: from problem sources to clean train and evaluation prompts."""

from pmd_pipeline.pipelines.data_preparation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
