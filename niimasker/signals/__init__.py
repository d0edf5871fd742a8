"""Timelines, extraction of region signals, cleaning and connectivity.

Everything here computes on arrays in memory or on blocks of volumes that `inputs` reads; nothing is written.
"""
