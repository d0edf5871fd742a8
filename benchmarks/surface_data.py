"""Made-up series and atlases on surfaces and grayordinates. Usage: surface_data.py FOLDER N_CIFTI N_GIFTI N_MEMORY ...

Series are noise over a baseline that differs from point to point. The points of the CIFTI files are those of a real
file where NIIMASKER_DATA names the folder of real images; else as many, 91,282, at made-up vertices and voxels.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.cifti2 import BrainModelAxis, LabelAxis, SeriesAxis
from scipy.spatial import KDTree
from surface_names import DLABEL, name_atlas, name_dtseries, name_gifti

FSLR_VERTICES = 32_492
CORTEX = {"CIFTI_STRUCTURE_CORTEX_LEFT": 29_696, "CIFTI_STRUCTURE_CORTEX_RIGHT": 29_716}
N_VOXELS = 31_870
SUBCORTEX = ("BRAIN_STEM", "CEREBELLUM_LEFT", "CEREBELLUM_RIGHT", "PUTAMEN_LEFT", "PUTAMEN_RIGHT", "THALAMUS_LEFT")
GRID_SHAPE = (91, 109, 91)
GRID_AFFINE = np.array([[-2.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])
N_VERTICES = {"fsaverage5": 10_242, "fsaverage": 163_842}
SIDES = {"L": "CortexLeft", "R": "CortexRight"}
# 400 parcels in either kind of file: two hemispheres and, in CIFTI, the voxels.
PARCELS_BY_PART = (180, 180, 40)
PARCELS_BY_HEMISPHERE = 200
T_R = 0.72


def main(folder: Path, n_cifti: int, n_gifti: int, *n_memory: int) -> None:
    """Write every file that does not exist yet."""
    folder.mkdir(parents=True, exist_ok=True)
    makers: dict[str, Callable[[Path], None]] = {DLABEL: write_dlabel}
    for n_volumes in {n_cifti, *n_memory}:
        makers[name_dtseries(n_volumes)] = lambda path, n=n_volumes: write_dtseries(path, n)
    for side in SIDES:
        for mesh in N_VERTICES:
            makers[name_atlas(mesh, side)] = lambda path, mesh=mesh, side=side: write_atlas(path, mesh, side)
            for n_volumes in {n_gifti, *(n_memory if mesh == "fsaverage5" else ())}:
                makers[name_gifti(mesh, side, n_volumes)] = lambda path, mesh=mesh, side=side, n=n_volumes: write_gifti(
                    path, mesh, side, n
                )
    for name, make in makers.items():
        if not (folder / name).exists():
            temporary = folder / f"making_{name}"
            make(temporary)
            temporary.rename(folder / name)


def make_values(n_points: int, n_volumes: int, seed: int) -> np.ndarray:
    """Return the series of each point, float32 of shape (n_points, n_volumes)."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((n_points, n_volumes), dtype=np.float32)
    values *= 100
    values += rng.uniform(5000, 15_000, (n_points, 1)).astype(np.float32)
    return values


def make_sphere(n_vertices: int) -> np.ndarray:
    """Return points spread evenly on a sphere of radius 100, of shape (n_vertices, 3)."""
    index = np.arange(n_vertices) + 0.5
    polar, azimuth = np.arccos(1 - 2 * index / n_vertices), np.pi * (1 + np.sqrt(5)) * index
    places = np.stack([np.cos(azimuth) * np.sin(polar), np.sin(azimuth) * np.sin(polar), np.cos(polar)], axis=1)
    return 100 * places


def make_parcels(places: np.ndarray, n_parcels: int) -> np.ndarray:
    """Return the parcel of each place, from 0 on: the nearest of randomly chosen places."""
    centres = np.random.default_rng(n_parcels).choice(places, n_parcels, replace=False)
    return np.asarray(KDTree(centres).query(places)[1])


def make_brain_models() -> BrainModelAxis:
    """Return the points of the CIFTI files."""
    if "NIIMASKER_DATA" in os.environ:
        path = Path(os.environ["NIIMASKER_DATA"]) / "surfaces/cifti_jl/test.dtseries.nii"
        axis = nib.load(path).header.get_axis(1)
        assert isinstance(axis, BrainModelAxis)
        return axis
    rng = np.random.default_rng(0)
    axes = [
        BrainModelAxis.from_surface(np.sort(rng.choice(FSLR_VERTICES, n_used, replace=False)), FSLR_VERTICES, name)
        for name, n_used in CORTEX.items()
    ]
    voxels = np.argwhere(np.ones(GRID_SHAPE, dtype=bool))
    _, nearest = KDTree(voxels).query([45, 45, 30], N_VOXELS)
    voxels = voxels[np.sort(nearest)]
    structures = make_parcels(voxels, len(SUBCORTEX))
    for number, name in enumerate(SUBCORTEX):
        mask = np.zeros(GRID_SHAPE, dtype=bool)
        mask[tuple(voxels[structures == number].T)] = True
        axes.append(BrainModelAxis.from_mask(mask, name, GRID_AFFINE))
    return sum(axes[1:], axes[0])


def write_dtseries(path: Path, n_volumes: int) -> None:
    """Write a series of grayordinates in float32."""
    models = make_brain_models()
    values = make_values(len(models), n_volumes, seed=0)
    img = nib.Cifti2Image(values.T, (SeriesAxis(0, T_R, n_volumes), models))
    img.nifti_header.set_intent("ConnDenseSeries")
    nib.save(img, path)


def write_dlabel(path: Path) -> None:
    """Write a parcellation of both hemispheres and of the voxels."""
    models = make_brain_models()
    sphere = make_sphere(FSLR_VERTICES)
    keys = np.zeros(len(models), dtype=np.float32)
    first = 1
    for name, n_parcels in zip((*CORTEX, None), PARCELS_BY_PART, strict=True):
        members = models.name == name if name else models.volume_mask
        places = sphere[models.vertex[members]] if name else models.voxel[members]
        keys[members] = make_parcels(places, n_parcels) + first
        first += n_parcels
    table = {0: ("???", (0, 0, 0, 0)), **{key: (f"parcel {key}", (1, 0, 0, 1)) for key in range(1, first)}}
    img = nib.Cifti2Image(keys[None], (LabelAxis(["parcels"], [table]), models))
    img.nifti_header.set_intent("ConnDenseLabel")
    nib.save(img, path)


def write_gifti(path: Path, mesh: str, side: str, n_volumes: int) -> None:
    """Write a series of one hemisphere in float32, compressed, with an array per volume."""
    values = make_values(N_VERTICES[mesh], n_volumes, seed=list(SIDES).index(side)).T
    arrays = [nib.gifti.GiftiDataArray(volume, "NIFTI_INTENT_TIME_SERIES", "NIFTI_TYPE_FLOAT32") for volume in values]
    nib.save(nib.gifti.GiftiImage(darrays=arrays, meta=name_structure(side)), path)


def write_atlas(path: Path, mesh: str, side: str) -> None:
    """Write a parcellation of one hemisphere; keys of the right hemisphere follow those of the left."""
    first = 1 + PARCELS_BY_HEMISPHERE * list(SIDES).index(side)
    keys = make_parcels(make_sphere(N_VERTICES[mesh]), PARCELS_BY_HEMISPHERE) + first
    table = nib.gifti.GiftiLabelTable()
    for key in (0, *range(first, first + PARCELS_BY_HEMISPHERE)):
        label = nib.gifti.GiftiLabel(key, 1, 0, 0, 1)
        label.label = f"parcel {key}" if key else "???"
        table.labels.append(label)
    array = nib.gifti.GiftiDataArray(keys.astype(np.int32), "NIFTI_INTENT_LABEL", "NIFTI_TYPE_INT32")
    nib.save(nib.gifti.GiftiImage(darrays=[array], labeltable=table, meta=name_structure(side)), path)


def name_structure(side: str) -> nib.gifti.GiftiMetaData:
    """Return the metadata that name the hemisphere."""
    return nib.gifti.GiftiMetaData(AnatomicalStructurePrimary=SIDES[side])


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
