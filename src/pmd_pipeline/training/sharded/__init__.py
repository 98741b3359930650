"""A training that several processes share."""
