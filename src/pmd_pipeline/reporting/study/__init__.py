"""A hyperparameter study as a page."""
