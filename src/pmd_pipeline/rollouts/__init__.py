"""Rollouts: collected from an engine and graded, as tensors, as tables."""
