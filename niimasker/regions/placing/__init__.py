"""Placing regions on a space: the weights of each region's points, and the operator that extracts the regions' values.

Whatever depends on the kind of space belongs here. No file is read.
"""
