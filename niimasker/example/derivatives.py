"""A made-up fMRIPrep derivative: its runs, its parcellation and its description."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from niimasker.example.contents import to_json, to_nifti, to_tsv
from niimasker.example.parcellation import region_table
from niimasker.example.template import SPACE, Brain


def make_atlas(brain: Brain, stem: str) -> dict[str, bytes]:
    """Return the files of the parcellation and its names."""
    table = region_table()
    return {
        f"{stem}.nii.gz": to_nifti(brain, brain.regions),
        f"{stem}.tsv": to_tsv(table[["index", "name"]]),
    }


def make_seeds() -> dict[str, bytes]:
    """Return the file of the seeds: the centre of the first region of each network and hemisphere."""
    table = region_table()
    return {"atlas/seeds.tsv": to_tsv(table.loc[table["name"].str.endswith("_1"), ["x", "y", "z", "name"]])}


@dataclass(frozen=True)
class MadeUpRun:
    """A run: stored values of shape (n_voxels, n_volumes), and its confounds with their metadata.

    Parameters
    ----------
    scale
        What the stored values are multiples of, in the image's units.
    t_r
        In seconds.
    """

    stored: np.ndarray
    scale: int
    t_r: float
    confounds: pd.DataFrame
    metadata: dict[str, object]


def make_volume_run(brain: Brain, stem: str, run: MadeUpRun) -> dict[str, bytes]:
    """Return the files of a run, named as fMRIPrep names them."""
    return {
        f"{stem}_space-{SPACE}_desc-preproc_bold.nii.gz": to_nifti(brain, run.stored, slope=run.scale, t_r=run.t_r),
        f"{stem}_space-{SPACE}_desc-preproc_bold.json": to_json(
            {"RepetitionTime": run.t_r, "SkullStripped": True, "TaskName": "rest"}
        ),
        f"{stem}_space-{SPACE}_desc-brain_mask.nii.gz": to_nifti(brain, np.ones(len(run.stored), np.uint8)),
        **make_confounds_files(stem, run),
        **make_segmentation(brain, stem.split("/")[0]),
    }


def make_segmentation(brain: Brain, subject: str) -> dict[str, bytes]:
    """Return the file of a subject's tissues."""
    return {f"{subject}/anat/{subject}_space-{SPACE}_dseg.nii.gz": to_nifti(brain, brain.tissues)}


def describe_data_set() -> dict[str, bytes]:
    """Return the description of a data set, as BIDS requires it."""
    description = {
        "Name": "niimasker's example: made-up data, nobody was scanned",
        "BIDSVersion": "1.9.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "niimasker", "Description": "random numbers in fMRIPrep's layout"}],
        "License": "CC0",
    }
    return {"dataset_description.json": to_json(description)}


def make_confounds_files(stem: str, run: MadeUpRun) -> dict[str, bytes]:
    """Return the confounds table of a run and its metadata."""
    return {
        f"{stem}_desc-confounds_timeseries.tsv": to_tsv(run.confounds),
        f"{stem}_desc-confounds_timeseries.json": to_json(run.metadata),
    }
