"""What the columns of tables of facts are, as BIDS wants it said in a JSON file beside each."""

from __future__ import annotations

from typing import Any

Dictionary = dict[str, Any]

_INDEX = {
    "Description": "Value of the region in the label image, number of the map, or row of the coordinates.",
    "Format": "integer",
}
_NAME = {"Description": "What the region is called."}
_CENTRE = {axis: {"Description": f"Centre along {axis}.", "Units": "mm"} for axis in "xyz"}

ATLAS: Dictionary = {"index": _INDEX, "name": _NAME, **_CENTRE}

REGIONS: Dictionary = {
    **ATLAS,
    "n_voxels": {"Description": "Voxels of the region on the image's grid, before any mask."},
    "n_valid": {"Description": "Those of them that are inside the mask, finite in every kept volume and not constant."},
    "coverage": {"Description": "Share of the region that is valid, outside of the field of view included."},
    "mean": {"Description": "Mean signal over the kept volumes before cleaning, in the image's units."},
    "tsnr": {"Description": "Temporal mean / temporal standard deviation, averaged over the valid voxels."},
    "status": {"Description": "ok, or why the region has no signal."},
}

VOXELS: Dictionary = {
    "column": {"Description": "What the voxel is called in the table of signals."},
    "region": {"Description": "The region that it belongs to."},
    **{axis: {"Description": f"Index of the voxel, from 0, along axis {number}."} for number, axis in enumerate("ijk")},
    **_CENTRE,
}

# A volume that is not kept has at least one 1.
_MARK = {"0": "no", "1": "yes"}
OUTLIERS: Dictionary = {
    name: {"Description": description, "Levels": _MARK}
    for name, description in {
        "discarded": "The volume is before those that are analysed.",
        "non_steady_state": "It is censored: the confounds mark it as scanned before the steady state.",
        "framewise_displacement": "It is censored: the head's displacement is above the threshold.",
        "std_dvars": "It is censored: its standardised DVARS is above the threshold.",
        "segment": "It is censored: the stretch of volumes between censored ones is too short.",
        "user": "It is censored by a file of the user's.",
    }.items()
}


def describe_regressors(t_r: float | None) -> Dictionary:
    """Return what goes beside the table of regressors, which has a row per volume of the image."""
    return {
        "Description": "Regressors as chosen and filled, before they are filtered and z-scored.",
        "SamplingFrequency": "TR" if t_r is None else 1 / t_r,
        "StartTime": 0.0,
    }
