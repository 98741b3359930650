"""Figures of the theory, and of training held against it."""
