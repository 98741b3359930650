"""Policy mirror descent for language models as a tracked, reproducible experiment pipeline."""

__version__ = "0.1.0"
