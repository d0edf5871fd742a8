"""Every option: its name, type, default and help; the command line, the JSON file, and the merging of both.

The images, tables and other files that options name are read by the wings above, not here.
"""
