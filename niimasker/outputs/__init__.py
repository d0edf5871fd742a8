"""Tables and sidecars of a run: file names, layouts, content and provenance, and atomic writing of files.

Nothing here draws, writes HTML or computes a signal.
"""
