"""Regions: what was given (definitions), their names, the atlases that nilearn fetches, and their placing on a space.

Everything here knows atlases and spaces, never a run's values: signals are extracted in the wing above.
"""
