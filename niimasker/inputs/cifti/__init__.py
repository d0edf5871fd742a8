"""CIFTI-2 files: series and maps of grayordinates, and parcels.

The header is checked against the standard and the size of the file before any value is read.
"""
