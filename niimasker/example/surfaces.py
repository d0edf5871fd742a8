"""The run of the example on the surface of the cortex, and the parcellation there."""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np
from nilearn import datasets
from scipy.spatial import KDTree

from niimasker.example.contents import to_gifti, to_json
from niimasker.example.derivatives import MadeUpRun, make_confounds_files
from niimasker.example.parcellation import nearest_regions, region_table
from niimasker.example.template import Brain

# Coarser steps than those of volumes make the files of the surfaces a third smaller; the noise has 10.
SURFACE_STEP = 10


@dataclass(frozen=True)
class Surface:
    """The cortex that a run is sampled on: for `L` and `R` the nearest voxel and the region of each vertex."""

    voxels: dict[str, np.ndarray]
    regions: dict[str, np.ndarray]


def load_surface(brain: Brain) -> Surface:
    """Return the cortex of fsaverage5, which nilearn ships."""
    pial = datasets.load_fsaverage("fsaverage5")["pial"].parts
    tree = KDTree(brain.positions)
    coordinates = {side: pial[part].coordinates for side, part in (("L", "left"), ("R", "right"))}
    return Surface(
        voxels={side: tree.query(xyz)[1] for side, xyz in coordinates.items()},
        regions={side: nearest_regions(_stay_on(side, xyz)).astype(np.int32) for side, xyz in coordinates.items()},
    )


def _stay_on(side: str, coordinates: np.ndarray) -> np.ndarray:
    """Return coordinates with those beyond the midline moved onto it; some vertices of a hemisphere lie there."""
    x, y, z = coordinates.T
    return np.column_stack([np.minimum(x, 0) if side == "L" else np.maximum(x, 1e-3), y, z])


def make_surface_atlas(surface: Surface) -> dict[str, bytes]:
    """Return the parcellation on the cortex: a file with labels and their names for each hemisphere."""
    table = region_table()
    files = {}
    for side, regions in surface.regions.items():
        labels = nib.gifti.GiftiLabelTable()
        for key, name in [(0, "???"), *zip(table["index"], table["name"], strict=True)]:
            if key == 0 or name.startswith(f"{side}H"):
                labels.labels.append(nib.gifti.GiftiLabel(int(key), alpha=float(key > 0)))
                labels.labels[-1].label = name
        array = nib.gifti.GiftiDataArray(regions, "NIFTI_INTENT_LABEL", "NIFTI_TYPE_INT32")
        content = to_gifti(side, [array], labels)
        files[f"atlas/tpl-fsaverage_den-10k_hemi-{side}_atlas-Example_dseg.label.gii"] = content
    return files


def make_surface_run(surface: Surface, stem: str, run: MadeUpRun) -> dict[str, bytes]:
    """Return the files of a run sampled at the vertices of the cortex, by the nearest voxel of the brain."""
    files = make_confounds_files(stem, run)
    for side, voxels in surface.voxels.items():
        values = (SURFACE_STEP * np.round(run.scale / SURFACE_STEP * run.stored[voxels])).astype(np.float32)
        arrays = [
            nib.gifti.GiftiDataArray(volume, "NIFTI_INTENT_TIME_SERIES", "NIFTI_TYPE_FLOAT32") for volume in values.T
        ]
        files[f"{stem}_hemi-{side}_space-fsaverage5_bold.func.gii"] = to_gifti(side, arrays)
        files[f"{stem}_hemi-{side}_space-fsaverage5_bold.json"] = to_json(
            {"RepetitionTime": run.t_r, "TaskName": "rest"}
        )
    return files
