"""The folders around an image in which files of its subject lie."""

from __future__ import annotations

import os
from pathlib import Path


def list_anat_folders(image_path: Path) -> list[Path]:
    """Return the anat folder beside an image's folder and, if that is in a session, the subject's anat folder."""
    session = find_parent(image_path.parent)
    is_session = Path(os.path.abspath(session)).name.startswith("ses-")  # noqa: PTH100
    return [session / "anat", find_parent(session) / "anat"] if is_session else [session / "anat"]


def find_parent(folder: Path) -> Path:
    """Return the folder above another one, which may be relative to the working directory."""
    # pathlib gives "." as the parent of both "." and "..".
    return folder / ".." if folder.name in ("", "..") else folder.parent
