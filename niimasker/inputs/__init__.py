"""What goes in: images, confounds, censor files and the names that say which of them belong together as runs.

Readers here return checked values or raise an error that names the file; they know nothing of regions or of cleaning.
"""
