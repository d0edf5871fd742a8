"""Numbers over the runs of a study: mean connectivity, its spread, and how it goes with motion (QC-FC).

Nothing here draws; the pages are made in `reports`.
"""
