"""The map that is chosen in a file of several, as in atlas.dlabel.nii:Schaefer100."""

from __future__ import annotations

import re

from niimasker.options.paths import describe_missing_file, expand_home

# The name of a map may hold colons too. Before C:\atlas.dlabel.nii's colon there is no file name with an ending.
_FILE_AND_MAP = re.compile(r"(.*?\.(?:nii|gii)(?:\.gz)?):(.+)", re.IGNORECASE | re.DOTALL)


def split_map(text: str) -> tuple[str, str | None]:
    """Return the name of a file, and the name or number of the map chosen in it, None without one.

    A file that exists by the whole text has no map chosen.
    """
    found = _FILE_AND_MAP.fullmatch(text)
    if found is None or describe_missing_file(expand_home(text)) is None:
        return text, None
    return found[1], found[2]


def join_map(file: str, map_name: str | None) -> str:
    """Return a file and the map chosen in it as one text."""
    return file if map_name is None else f"{file}:{map_name}"
