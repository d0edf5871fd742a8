"""BIDS data sets: which one an image belongs to, and whose a folder is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from niimasker.errors import SettingsError
from niimasker.options.json_files import read_json

DESCRIPTION = "dataset_description.json"
PROGRAM = "niimasker"


def find_dataset(folder: Path) -> Path:
    """Return the data set of a folder of images: the nearest that is described, else that of the subject's folder."""
    # Not resolved: in a DataLad dataset the links lead to a store without names.
    folder = Path(os.path.abspath(folder))  # noqa: PTH100
    above = (folder, *folder.parents)
    described = next((each for each in above if (each / DESCRIPTION).is_file()), None)
    subject = next((each for each in above if each.name.startswith("sub-")), None)
    return described or (folder if subject is None else subject.parent)


def read_description(folder: Path) -> dict[str, Any]:
    """Return what a data set says of itself, nothing where it cannot be read."""
    try:
        content = read_json(folder / DESCRIPTION)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def check_own(output_dir: Path) -> None:
    """Raise SettingsError when an output directory is the data set of another program."""
    path = output_dir / DESCRIPTION
    if not path.exists():
        return
    made_by = read_description(output_dir).get("GeneratedBy")
    programs = [each.get("Name") for each in made_by if isinstance(each, dict)] if isinstance(made_by, list) else []
    if PROGRAM not in programs:
        whose = f"of {programs[0]}" if programs else f"not of {PROGRAM}"
        raise SettingsError(f"{path} is {whose}: the folder holds another data set; give another output_dir.")
