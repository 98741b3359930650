"""Policies: models and tokenizers, their log-probs, and how they are stored on disk."""
