"""HTML reports: the page of a run, the index and the group page, with their figures, templates and scripts.

Code that draws takes values and returns figures or text. It knows no paths, and no table depends on it.
"""
