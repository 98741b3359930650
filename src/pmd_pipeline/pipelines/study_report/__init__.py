"""Figures and page of the hyperparameter studies, a namespace per study."""

from pmd_pipeline.pipelines.study_report.pipeline import FIGURES, create_pipeline

__all__ = ["FIGURES", "create_pipeline"]
