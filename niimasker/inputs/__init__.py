"""Inputs of a run: images, confounds tables, censor files, and the file names that say which of them belong together.

Readers return checked values or raise an error that names the file. Nothing here knows about regions or cleaning.
"""
