"""What is known before the first run starts: every run checked, its plan, and the fingerprint of what it is made from.

Nothing here extracts a signal or writes a file.
"""
