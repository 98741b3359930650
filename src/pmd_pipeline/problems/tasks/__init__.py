"""Tasks that can demonstrate: what the embedded policy's warm start imitates."""
