"""Everything that is drawn: the page of a run, the index, the group page, their figures, templates and scripts.

Drawing code takes values and returns figures or text; it sees no path, and no table depends on it.
"""
