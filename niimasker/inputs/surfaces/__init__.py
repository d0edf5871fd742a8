"""What belongs to surfaces beside series and atlases in GIFTI: annotations, meshes, and masks of the cortex.

Meshes and masks are found by the names of files; nothing is downloaded.
"""
