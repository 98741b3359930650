"""From results to verdicts: pure functions, one file per kind of test. Import from the modules."""
