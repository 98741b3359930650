"""The page of models that were evaluated without training."""
