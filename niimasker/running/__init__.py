"""Execution of the runs: in this process, in worker processes or on a Dask cluster, with progress, resume and shards.

Tasks get paths and settings and return small values. What a run computes belongs in `signals`, what its files contain
in `outputs`.
"""
