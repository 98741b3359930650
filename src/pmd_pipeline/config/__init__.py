"""Configuration: pydantic models, one file per section of the parameters."""
