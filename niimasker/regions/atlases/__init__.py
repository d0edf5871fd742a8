"""Atlases that nilearn fetches: the queries for them, their sources, and the readers of what nilearn returns.

Only atlases of nilearn.datasets belong here; an atlas in a file is an ordinary --roi_file.
"""
