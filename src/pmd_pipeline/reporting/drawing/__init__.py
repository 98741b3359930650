"""Figure specs, and their renderers."""
