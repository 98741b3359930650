"""Kedro hooks: run state and resume, tracking, what the console shows."""
