"""GIFTI files: series, labels and maps on the surface of a hemisphere, and meshes.

Files are parsed piece by piece, so that a series of any length is read with one volume in memory.
"""
