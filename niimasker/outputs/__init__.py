"""Tables and sidecars of a run: their names, layouts, content and provenance, and how a file is written whole.

Nothing here draws or speaks HTML, and nothing computes a signal.
"""
