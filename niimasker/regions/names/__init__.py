"""From tables of labels to one name per region.

Readers here know formats of tables and how names join an atlas's indices; they see no image beyond its indices.
"""
