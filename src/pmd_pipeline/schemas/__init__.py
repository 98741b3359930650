"""Pandera schemas of the tables in the catalog."""
