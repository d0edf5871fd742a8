"""Atlases and masks on surfaces and grayordinates: GIFTI, FreeSurfer's annotations and CIFTI-2.

Reading their files belongs to `niimasker.inputs`; which points make a region, and its name, is decided here.
"""
