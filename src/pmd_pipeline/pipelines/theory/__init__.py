"""Exact solutions and the paper's figures; depends on its own parameters alone."""

from pmd_pipeline.pipelines.theory.pipeline import create_pipeline

__all__ = ["create_pipeline"]
