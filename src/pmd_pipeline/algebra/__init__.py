"""Equality of what SymPy can hold: values, relations, sets; loads SymPy, so for a process apart."""
