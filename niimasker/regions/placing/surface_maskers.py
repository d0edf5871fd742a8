"""Make the nilearn masker that extracts the same signals from surfaces as some weights, for `--engine nilearn`."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from nilearn.maskers import SurfaceLabelsMasker, SurfaceMapsMasker, SurfaceMasker
from nilearn.surface import InMemoryMesh, PolyMesh, SurfaceImage

from niimasker.errors import ImageError
from niimasker.inputs.grayordinates import Grayordinates, SurfaceModel
from niimasker.inputs.hemispheres import SIDE_NAMES
from niimasker.inputs.structures import CORTEX_SIDES
from niimasker.regions.placing.weights import RegionWeights

_OPTIONS = {"reports": False, "standardize": False}


@dataclass(frozen=True)
class PlacedSurfaceMasker:
    """A masker of surfaces, and its columns in the order of the rows with vertices."""

    masker: SurfaceLabelsMasker | SurfaceMapsMasker | SurfaceMasker
    columns: np.ndarray
    space: Grayordinates

    def transform(self, values: np.ndarray) -> np.ndarray:
        """Return the rows' values, of shape (n_volumes, n_rows), of values of shape (n_volumes, n_points)."""
        with warnings.catch_warnings():
            # nilearn's notes on future defaults do not concern users.
            warnings.simplefilter("ignore")
            return np.asarray(self.masker.fit_transform(_make_image(values.T, self.space)))[:, self.columns]


def make_surface_masker(weights: RegionWeights) -> PlacedSurfaceMasker:
    """Return nilearn's masker for some weights on GIFTI surfaces.

    Raises
    ------
    ImageError
        nilearn has no masker of such regions.
    """
    space = weights.space
    assert isinstance(space, Grayordinates)
    if not all(model.structure in CORTEX_SIDES for model in space.models):
        raise ImageError("--engine nilearn reads surfaces of the cortex only; leave the option out.")
    rows = np.repeat(np.arange(weights.matrix.shape[0]), np.diff(weights.matrix.indptr))
    n_columns = np.count_nonzero(weights.filled)
    if weights.kind == "labels":
        labels = np.zeros(space.n_points, dtype=np.int32)
        labels[weights.matrix.indices] = rows + 1
        masker = SurfaceLabelsMasker(_make_image(labels, space), **_OPTIONS)
        return PlacedSurfaceMasker(masker, np.arange(n_columns), space)
    if weights.kind == "maps":
        maps = weights.matrix[weights.filled].toarray().T
        return PlacedSurfaceMasker(SurfaceMapsMasker(_make_image(maps, space), **_OPTIONS), np.arange(n_columns), space)
    if weights.kind == "voxels":
        mask = np.zeros(space.n_points, dtype=np.uint8)
        mask[weights.matrix.indices] = 1
        # Its columns are in the order of the vertices.
        columns = np.argsort(np.argsort(weights.matrix.indices))
        return PlacedSurfaceMasker(SurfaceMasker(_make_image(mask, space), **_OPTIONS), columns, space)
    raise ImageError("--engine nilearn has no masker of weighted means; leave the option out.")


def _make_image(values: np.ndarray, space: Grayordinates) -> SurfaceImage:
    """Return values of shape (n_points, ...) on surfaces of any form: no masker here uses where vertices lie."""
    meshes, data = {}, {}
    for start, stop, model in zip(space.starts, space.starts[1:], space.models, strict=False):
        assert isinstance(model, SurfaceModel)
        part = SIDE_NAMES[CORTEX_SIDES[model.structure]]
        faces = np.array([[0, 1, 2]]) % model.n_vertices
        meshes[part] = InMemoryMesh(np.arange(3.0 * model.n_vertices).reshape(-1, 3), faces)
        data[part] = values[start:stop]
    return SurfaceImage(PolyMesh(**meshes), data)
