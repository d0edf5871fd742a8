"""Meshes whose coordinates are arithmetic, as files of GIFTI or FreeSurfer."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from niimasker.inputs.grayordinates import CORTEX_LEFT, CORTEX_RIGHT, Grayordinates, SurfaceModel


def make_sphere(n_rings: int = 8, n_around: int = 12, radius: float = 50.0) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates and triangles of a closed sphere, seen anticlockwise from outside, with its poles on the z axis."""
    heights = np.pi * np.arange(1, n_rings + 1) / (n_rings + 1)
    around = 2 * np.pi * np.arange(n_around) / n_around
    rings = [
        (np.sin(height) * np.cos(each), np.sin(height) * np.sin(each), np.cos(height))
        for height in heights
        for each in around
    ]
    coordinates = radius * np.array([(0, 0, 1), *rings, (0, 0, -1)])
    last = len(coordinates) - 1

    def at(ring, place):
        return 1 + ring * n_around + place % n_around

    triangles = [(0, at(0, place), at(0, place + 1)) for place in range(n_around)]
    for ring in range(n_rings - 1):
        for place in range(n_around):
            triangles += [
                (at(ring, place), at(ring + 1, place), at(ring + 1, place + 1)),
                (at(ring, place), at(ring + 1, place + 1), at(ring, place + 1)),
            ]
    triangles += [(at(n_rings - 1, place), last, at(n_rings - 1, place + 1)) for place in range(n_around)]
    return coordinates, np.array(triangles, dtype=np.int32)


def save_mesh(path: Path, coordinates: np.ndarray, triangles: np.ndarray, structure: str | None = None) -> Path:
    """Write a mesh: with FreeSurfer's writer for a name such as lh.pial, else as GIFTI."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if ".gii" not in path.name:
        nib.freesurfer.write_geometry(path, coordinates, triangles)
        return path
    arrays = [
        nib.gifti.GiftiDataArray(coordinates.astype(np.float32), "NIFTI_INTENT_POINTSET"),
        nib.gifti.GiftiDataArray(triangles.astype(np.int32), "NIFTI_INTENT_TRIANGLE"),
    ]
    meta = nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": structure} if structure else {})
    nib.GiftiImage(darrays=arrays, meta=meta).to_filename(path)
    return path


def make_space(n_left: int | None = None, n_right: int | None = None) -> Grayordinates:
    """All vertices of the left and the right cortex, or of one."""
    counts = {CORTEX_LEFT: n_left, CORTEX_RIGHT: n_right}
    return Grayordinates(
        tuple(SurfaceModel(name, n, np.arange(n, dtype=np.int32)) for name, n in counts.items() if n is not None)
    )
