"""Regions placed on a space: the weights of each region's points, and what turns a volume into the regions' values.

All that differs between a grid, meshes and grayordinates is decided here; no file is read.
"""
