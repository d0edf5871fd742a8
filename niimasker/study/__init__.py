"""Checks before the first run starts: the runs and regions of a study, a plan per run, fingerprints of its inputs.

Code that extracts signals or writes files belongs in the wings beside and above.
"""
