"""Training: one round, the loop over rounds, mini-batches and the optimizer."""
