"""Ray: a cluster joined or started, and what is placed on it. No other room imports ray.

Nothing here knows of engines, training or studies: they say what is to run, as functions by import
path, and import this room when they use it. ``session`` imports ray only when it joins; the other
modules import it at their top.
"""
