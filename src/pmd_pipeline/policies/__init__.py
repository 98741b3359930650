"""Policies: models and tokenizers, their log-probs, and how they lie on disk."""
