"""Calls of another process, which may be killed: its start, deadlines, end and last words.

``child`` is the caller's side, ``worker`` replaces a process that was lost, ``server`` is what the
other process runs. Nothing is imported here: a server starts fast and has what it needs alone.
"""
