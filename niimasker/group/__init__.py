"""Connectivity over the runs of a study: mean, standard deviation, and correlation with head motion (QC-FC).

Nothing here draws; the group page is made in `reports`.
"""
