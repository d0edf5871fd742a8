"""Descriptions of the columns of each table, for the JSON file that BIDS requires beside it."""

from __future__ import annotations

from typing import Any

import numpy as np

from niimasker.signals.motion_filter import MotionFilter

Dictionary = dict[str, Any]

_INDEX = {
    "Description": "Value of the region in the label image, number of the map, or row of the coordinates table.",
    "Format": "integer",
}
_NAME = {"Description": "Name of the region."}
_CENTRE = {axis: {"Description": f"{axis} coordinate of the centre.", "Units": "mm"} for axis in "xyz"}

ATLAS: Dictionary = {"index": _INDEX, "name": _NAME, **_CENTRE}

REGIONS: Dictionary = {
    **ATLAS,
    "n_voxels": {"Description": "Voxels of the region on the image's grid, before any mask."},
    "n_valid": {
        "Description": "Voxels of the region that are inside the mask, finite in every kept volume and not constant."
    },
    "coverage": {
        "Description": "Share of the region that is valid; parts outside the field of view count as not valid."
    },
    "mean": {"Description": "Mean signal over the kept volumes before cleaning, in the image's units."},
    "tsnr": {"Description": "Temporal mean / temporal standard deviation, averaged over the valid voxels."},
    "status": {"Description": "ok, or why the region has no signal."},
}

_AS_IN_CIFTI = "as CIFTI names them, without the prefix CIFTI_STRUCTURE_"
_POSITION = {
    axis: {
        "Description": f"{axis} coordinate of the centre; n/a if it is not known where the vertices lie.",
        "Units": "mm",
    }
    for axis in "xyz"
}

# Where the space has vertices.
SURFACE_REGIONS: Dictionary = {
    "index": {
        "Description": "Key of the region in the label table, or number of the map. Regions of two hemispheres may "
        "have the same key; structure tells them apart.",
        "Format": "integer",
    },
    "name": _NAME,
    "structure": {
        "Description": f"Structures of the region's vertices and voxels in the atlas, {_AS_IN_CIFTI}, separated by "
        "commas."
    },
    **_POSITION,
    "n_voxels": {"Description": "Voxels of the region in the image, before any mask."},
    "n_vertices": {"Description": "Vertices of the region in the image, before any mask."},
    "n_valid": {
        "Description": "Vertices and voxels of the region that are inside the mask, finite in every kept volume and "
        "not constant."
    },
    "coverage": {
        "Description": "Share of the region that is valid; parts that the image does not have count as not valid."
    },
    "mean": REGIONS["mean"],
    "tsnr": {
        "Description": "Temporal mean / temporal standard deviation, averaged over the valid vertices and voxels."
    },
    "status": REGIONS["status"],
}

SURFACE_ATLAS: Dictionary = {name: SURFACE_REGIONS[name] for name in ("index", "name", "structure", *"xyz")}

VOXELS: Dictionary = {
    "column": {"Description": "Name of the voxel's column in the table of signals."},
    "region": {"Description": "Name of the region that the voxel belongs to."},
    **{axis: {"Description": f"Index of the voxel along axis {number}, from 0."} for number, axis in enumerate("ijk")},
    **_CENTRE,
}

VERTICES: Dictionary = {
    "column": {"Description": "Name of the vertex's or voxel's column in the table of signals."},
    "region": {"Description": "Name of the region that the vertex or voxel belongs to."},
    "structure": {"Description": f"Structure of the vertex or voxel, {_AS_IN_CIFTI}."},
    "vertex": {"Description": "Number of the vertex in its mesh, from 0; n/a for a voxel."},
    **{
        axis: {"Description": f"Index of the voxel along axis {number}, from 0; n/a for a vertex."}
        for number, axis in enumerate("ijk")
    },
    **{
        axis: {"Description": f"{axis} coordinate; n/a if it is not known where the vertex lies.", "Units": "mm"}
        for axis in "xyz"
    },
}

# A volume that is not kept has at least one 1.
_NO_YES = {"0": "no", "1": "yes"}
OUTLIERS: Dictionary = {
    name: {"Description": description, "Levels": _NO_YES}
    for name, description in {
        "discarded": "The volume is discarded at the beginning of the run.",
        "non_steady_state": "The volume is censored: the confounds mark it as acquired before the steady state.",
        "framewise_displacement": "The volume is censored: framewise displacement is above the threshold.",
        "std_dvars": "The volume is censored: standardised DVARS is above the threshold.",
        "neighbour": "The volume is censored: it is near a volume that framewise displacement or DVARS censors.",
        "segment": "The volume is censored: the segment of volumes between censored ones is too short.",
        "user": "The volume is censored by a file that the user provided.",
    }.items()
}


def describe_regressors(t_r: float | None, times: np.ndarray | None, motion_filter: MotionFilter | None) -> Dictionary:
    """Return the JSON content beside the table of regressors, which has one row per volume of the image.

    Parameters
    ----------
    t_r, times
        The repetition time, and the time of each volume, in seconds; None if not known.
    motion_filter
        The filter of the motion parameters, if there is one.
    """
    filtered = f" Motion parameters after a {motion_filter}." if motion_filter else ""
    return {
        "Description": "Selected regressors with missing values filled in, before filtering, orthogonalisation to "
        f"accepted components and z-scoring.{filtered}",
        "SamplingFrequency": "TR" if t_r is None else 1 / t_r,
        "StartTime": 0.0 if times is None else float(times[0]),
    }
