"""Hyperparameter studies with Optuna: what a trial is, where trials are kept, how they are run."""
