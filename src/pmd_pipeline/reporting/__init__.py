"""The comparison of a run: tables, figures and the report."""
