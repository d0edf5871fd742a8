"""The made-up data sets of --example: small fMRIPrep derivatives, simulated voxel by voxel; nobody was scanned.

The same call writes the same bytes. What processes the data is in the wings below; nothing here reads an image.
"""
