"""From volumes and weights to cleaned signals: timelines, extraction, cleaning, connectivity.

Everything here computes on arrays in memory or on blocks that `inputs` reads; nothing is written.
"""
