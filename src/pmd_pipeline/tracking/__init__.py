"""MLflow: what is logged and under which names."""
