"""One folder per stage: nodes.py has pure functions, pipeline.py says how they connect."""
