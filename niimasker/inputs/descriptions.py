"""BIDS datasets by their dataset_description.json: which one an image belongs to, and which program wrote it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from niimasker.errors import SettingsError
from niimasker.options.json_files import read_json
from niimasker.options.paths import DATA_FOLDER, SUMMARY_NAME

DESCRIPTION = "dataset_description.json"
PROGRAM = "niimasker"


def find_dataset(folder: Path) -> Path:
    """Return the root of the dataset that a folder of images belongs to.

    It is the nearest folder with a dataset_description.json, else the one that holds the subject's folder.
    """
    # Links are not resolved: in a DataLad dataset they lead to a store without file names.
    folder = Path(os.path.abspath(folder))  # noqa: PTH100
    parents = (folder, *folder.parents)
    described = next((parent for parent in parents if (parent / DESCRIPTION).is_file()), None)
    subject = next((parent for parent in parents if parent.name.startswith("sub-")), None)
    return described or (folder if subject is None else subject.parent)


def read_description(folder: Path) -> dict[str, Any]:
    """Return the content of a dataset's dataset_description.json, empty where it cannot be read."""
    try:
        content = read_json(folder / DESCRIPTION, encoding="utf-8-sig")
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_cut(path: Path) -> bool:
    """Return whether a description of niimasker's was emptied by a power cut."""
    return path.stat().st_size == 0 and (path.parent / DATA_FOLDER / SUMMARY_NAME).is_file()


def check_output_dataset(output_dir: Path) -> None:
    """Raise SettingsError when the output directory holds another program's dataset."""
    path = output_dir / DESCRIPTION
    if not path.exists() or _is_cut(path):
        return
    made_by = read_description(output_dir).get("GeneratedBy")
    programs = [item.get("Name") for item in made_by if isinstance(item, dict)] if isinstance(made_by, list) else []
    if PROGRAM not in programs:
        found = f"was written by {programs[0]}" if programs else f"was not written by {PROGRAM}"
        raise SettingsError(f"{path} {found}: the folder holds another dataset; give another output_dir.")
