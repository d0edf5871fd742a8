"""The programs that have preprocessed an image, and their report of the subject, as the folder of derivatives tells."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from niimasker.inputs.aroma import is_denoised as is_denoised_by_aroma
from niimasker.inputs.descriptions import PROGRAM, find_dataset, read_description
from niimasker.inputs.entities import read_name

_DERIVATIVE = "derivative"

# Parts of the names of images that are denoised: desc-denoised, desc-denoisedSmoothed and, before 0.1, desc-residual of
# XCP-D, desc-optcomDenoised of tedana, residualised of xcpEngine, and hp2000_clean of the HCP's ICA-FIX.
_DENOISED = re.compile(r"denoised|desc-residual|_residualised|_hp\d+(_vn)?_clean", re.IGNORECASE)


@dataclass(frozen=True)
class Program:
    """A program and its version, which may be empty."""

    name: str
    version: str


def find_programs(image_path: Path) -> tuple[Program, ...]:
    """Return the programs that have written the derivatives an image belongs to, the last one first.

    They stand in the nearest dataset_description.json above the image: in GeneratedBy or, in files before BIDS 1.4, in
    PipelineDescription. Nothing is returned if there is no such file, if it cannot be read, or if it describes data as
    they were acquired.
    """
    description = read_description(find_dataset(image_path.parent))
    found = description.get("GeneratedBy") if description.get("DatasetType") == _DERIVATIVE else None
    # Some write one object where BIDS has a list.
    items = found if isinstance(found, list) else [found, description.get("PipelineDescription")]
    # niimasker's example is described as its own.
    return tuple(dict.fromkeys(program for program in _read_programs(items) if program.name != PROGRAM))


def _read_programs(items: list[Any]) -> Iterator[Program]:
    for item in items:
        if isinstance(item, Mapping) and isinstance(item.get("Name"), str) and item["Name"].strip():
            version = item.get("Version")
            yield Program(item["Name"].strip(), version.strip() if isinstance(version, str) else "")


def find_report(image_path: Path) -> Path | None:
    """Return the page that fMRIPrep or XCP-D has written about the subject or session of an image; None without one.

    It lies beside the folder of the subject.
    """
    entities = read_name(image_path.name).entities
    folder = _find_subject_folder(image_path)
    if folder is None:
        return None
    subject = folder.name
    # fMRIPrep writes a page per session where a subject has many, and XCP-D may always do so.
    session = f"{subject}_ses-{entities['ses']}" if "ses" in entities else None
    names = [f"{session}_func.html", f"{session}.html"] if session else []
    paths = [folder.with_name(name) for name in (*names, f"{subject}.html")]
    return next((path for path in paths if path.is_file()), None)


def _find_subject_folder(image_path: Path) -> Path | None:
    # Links are not resolved: in a DataLad dataset they lead to a store without file names.
    absolute = Path(os.path.abspath(image_path))  # noqa: PTH100
    return next((folder for folder in absolute.parents if folder.name.startswith("sub-")), None)


def is_denoised(image_path: Path) -> bool:
    """Return whether an image's name says that a program has denoised it, such as ICA-AROMA, XCP-D or tedana."""
    return is_denoised_by_aroma(image_path) or _DENOISED.search(image_path.name) is not None
