"""Names of regions: reading tables of labels, and matching names to an atlas's indices.

Nothing here reads an image; of an atlas only the indices are known.
"""
