"""The model card of an exported policy."""
