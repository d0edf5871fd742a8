"""Atlases that nilearn fetches: the grammar of their queries, where each comes from, and how its files are read.

Only what nilearn.datasets offers belongs here; an atlas in a file is an ordinary --roi_file.
"""
