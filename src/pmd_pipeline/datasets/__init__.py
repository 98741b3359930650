"""Kedro datasets: atomic files, policies by reference, round tables, live engines."""
