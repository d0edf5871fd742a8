"""Runs under way: one after the other in this process, in others or on a cluster, with progress, resume and shards.

Tasks get paths and settings and return small values; what a run computes and what its files hold is decided below.
"""
