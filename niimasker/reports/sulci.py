"""Where the sulci and gyri of a cortex are, by the shape of its folded mesh."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import sparse

from niimasker.inputs.gifti.files import Mesh
from niimasker.reports.projections import find_normals

# Steps along edges over which a vertex is compared with its surroundings, and over which the depths are then averaged.
# For fsaverage5 the sign is that of FreeSurfer's sulcal depth at 79 % of the vertices of the pial surface.
_N_STEPS, _N_AVERAGED = 8, 2


@lru_cache(maxsize=2)
def find_depths(mesh: Mesh) -> np.ndarray:
    """Return how far each vertex lies below its surroundings in mm, of shape (n_vertices,): above 0 in sulci.

    The last two are cached, because runs on a template's surface have the same.
    """
    means = _neighbour_means(mesh)
    surroundings = mesh.coordinates
    for _ in range(_N_STEPS):
        surroundings = means @ surroundings
    depths = np.einsum("ij,ij->i", surroundings - mesh.coordinates, find_normals(mesh))
    for _ in range(_N_AVERAGED):
        depths = means @ depths
    return np.asarray(depths)


def _neighbour_means(mesh: Mesh) -> sparse.csr_array:
    """Return the matrix whose product with values is the mean of each vertex's neighbours."""
    ends = np.concatenate([mesh.triangles[:, pair] for pair in ([0, 1], [1, 2], [2, 0])])
    rows, columns = np.concatenate([ends, ends[:, ::-1]]).T
    shape = (mesh.n_vertices, mesh.n_vertices)
    edges = sparse.coo_array((np.ones(len(rows)), (rows, columns)), shape=shape).tocsr()
    n_neighbours = np.maximum(np.asarray(edges.sum(axis=1)).ravel(), 1)
    return sparse.csr_array(sparse.diags_array(1 / n_neighbours) @ edges)
