"""Regions: their definitions as given by the user, their names, nilearn's atlases, and their weights on a space.

Nothing here reads a run's values; signals are extracted in `niimasker.signals`.
"""
