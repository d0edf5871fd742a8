"""Every option: its name, type, default and help; the command line, the JSON file, and the merging of both.

Nothing here reads an image, a table or any other file of a study, and nothing but the JSON file is opened.
"""
