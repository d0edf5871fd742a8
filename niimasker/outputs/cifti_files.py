"""Signals and matrices as CIFTI-2 files, whose parcels are the regions with their vertices and voxels in the image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.cifti2 import Cifti2Header
from nibabel.cifti2.cifti2_axes import Axis, ParcelsAxis, SeriesAxis

from niimasker.inputs.grayordinates import Grayordinates, SurfaceModel
from niimasker.outputs.files import reporting_errors
from niimasker.outputs.naming import Tables
from niimasker.outputs.staging import StagedFiles
from niimasker.regions.placing.weights import RegionWeights

_PREFIX = "CIFTI_STRUCTURE_"
# The standard's names, abbreviated to fit into 16 bytes.
_SERIES_INTENT, _MATRIX_INTENT = "ConnParcelSries", "ConnParcels"


def write_cifti_files(
    staged: StagedFiles,
    tables: Tables,
    weights: RegionWeights,
    values: np.ndarray,
    matrices: Sequence[np.ndarray],
    *,
    start: float | None,
    t_r: float | None,
) -> None:
    """Write a run's signals for one atlas as .ptseries.nii, and each matrix between its regions as .pconn.nii.

    Parameters
    ----------
    values
        The rows of the table of signals, of shape (n_rows, n_regions).
    start, t_r
        Time of the first row and repetition time in seconds; None if not known, for which 0 is written.
    """
    if tables.ptseries_path is None:
        return
    parcels = _make_parcels(weights)
    times = SeriesAxis(start or 0.0, t_r or 0.0, len(values), unit="second")
    _write(staged, tables.ptseries_path, values, (times, parcels), _SERIES_INTENT)
    for path, matrix in zip(tables.pconn_paths, matrices, strict=True):
        _write(staged, path, matrix, (parcels, parcels), _MATRIX_INTENT)


def _write(staged: StagedFiles, path: Path, values: np.ndarray, axes: Sequence[Axis], intent: str) -> None:
    # Cifti2Image takes three times as long: it copies the axes, which list every vertex, and makes them again.
    xml = Cifti2Header.from_axes(axes).to_xml()
    # The standard reserves the first four dimensions for space and time.
    img = nib.Nifti2Image(values.astype(np.float32)[None, None, None, None], None)
    img.header.extensions.append(nib.nifti1.Nifti1Extension("cifti", xml))
    img.header.set_intent(intent, name=intent)
    img.header.set_xyzt_units("mm", "sec")
    with reporting_errors(path):
        nib.save(img, staged.add(path))


def _make_parcels(weights: RegionWeights) -> ParcelsAxis:
    """Return a parcel for each region, of its points in the image inside the mask; a parcel may have no points.

    Parameters
    ----------
    weights
        Regions that share no points, on grayordinates.
    """
    space = weights.space
    assert isinstance(space, Grayordinates)
    members = np.split(weights.matrix.indices, weights.matrix.indptr[1:-1])
    parcels = [_list_members(space, points) for points in members]
    grid = space.grid
    surfaces = [model for model in space.models if isinstance(model, SurfaceModel)]
    return ParcelsAxis(
        list(map(_make_printable, weights.names)),
        [voxels for voxels, _ in parcels],
        [vertices for _, vertices in parcels],
        None if grid is None else grid.matrix,
        None if grid is None else grid.shape,
        {f"{_PREFIX}{model.structure}": model.n_vertices for model in surfaces},
    )


def _list_members(space: Grayordinates, points: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the voxels, of shape (n_voxels, 3), and the vertices of each structure among some points."""
    is_vertex = space.is_vertex[points]
    voxels = space.indices[points[~is_vertex], 1:]
    # In Workbench's order, whatever that of the image's file: the last axis is the slowest.
    voxels = voxels[np.lexsort(voxels.T)]
    vertices, structures = space.indices[points[is_vertex], 0], space.structures[points[is_vertex]]
    by_structure = {
        f"{_PREFIX}{space.models[number].structure}": np.sort(vertices[structures == number])
        for number in np.unique(structures)
    }
    return voxels, by_structure


def _make_printable(name: str) -> str:
    # A file name that is not valid Unicode cannot be written to XML.
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
