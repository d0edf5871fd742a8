"""All options with their types, defaults and help texts; reading the JSON file and merging it with the command line.

The images, tables and other files that options name are read by the wings above, not here.
"""
