"""Meshes of the cortex: where the vertices of a run's surfaces lie, and how they are drawn; nothing is fetched."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import nibabel as nib
import numpy as np

from niimasker.errors import ImageError, warn
from niimasker.inputs.gifti.files import Mesh, read_mesh
from niimasker.inputs.grayordinates import Grayordinates, SurfaceModel
from niimasker.inputs.hemispheres import SIDE_NAMES
from niimasker.inputs.structures import CORTEX_SIDES
from niimasker.inputs.surfaces.mesh_files import (
    AMBIGUOUS_N_VERTICES,
    ANATOMICAL_KINDS,
    DRAWN_KINDS,
    FSAVERAGE,
    MeshGroup,
    list_mesh_groups,
    read_surface_space,
)
from niimasker.options.hemisphere_names import names_gifti

# Vertices of fsaverage5, which nilearn holds, and of the finer meshes of fsaverage. Each begins with the vertices of
# the coarser ones, because every edge of a mesh is halved to make the next.
_N_FSAVERAGE5, _N_FINER_FSAVERAGE = 10_242, {40_962, 163_842}


@dataclass(frozen=True, eq=False)
class CortexMesh:
    """The meshes of one cortex.

    Parameters
    ----------
    structure
        CORTEX_LEFT or CORTEX_RIGHT.
    drawn
        The mesh to draw. It may have only the first vertices of the run's surface, as fsaverage5 has of fsaverage.
    anatomical
        The same vertices, with coordinates that are places in the brain; None if they are not known.
    """

    structure: str
    drawn: Mesh
    anatomical: Mesh | None


@dataclass(frozen=True, eq=False)
class Meshes:
    """The meshes of the cortices of a run.

    Parameters
    ----------
    drawn_kind, anatomical_kind
        The surfaces that the meshes describe, such as inflated and pial; None without anatomical meshes.
    source
        Where the meshes are from, in words.
    paths
        The files that were read.
    """

    cortices: tuple[CortexMesh, ...]
    drawn_kind: str
    anatomical_kind: str | None
    source: str
    paths: tuple[Path, ...]

    def find(self, structure: str) -> CortexMesh | None:
        """Return the meshes of a structure, None if there are none."""
        return next((cortex for cortex in self.cortices if cortex.structure == structure), None)


def find_meshes(space: Grayordinates, image_name: str, folders: Iterable[Path]) -> Meshes | None:
    """Return the meshes of a run's cortices, None if there are none.

    Files in the folders come before nilearn's fsaverage5, unless they lack a hemisphere of the run. They must have the
    run's number of vertices, and their names must not be of another space or subject.

    Warns
    -----
    NiimaskerWarning
        A file that is named like the run's mesh cannot be read.
    """
    n_vertices = {
        model.structure: model.n_vertices
        for model in space.models
        if isinstance(model, SurfaceModel) and model.structure in CORTEX_SIDES
    }
    if not n_vertices:
        return None
    found: list[Meshes] = []
    for meshes in _list_meshes(n_vertices, image_name, folders):
        if len(meshes.cortices) == len(n_vertices):
            return meshes
        found.append(meshes)
    return found[0] if found else None


def locate_vertices(space: Grayordinates, meshes: Meshes | None) -> np.ndarray:
    """Return where each vertex lies in mm, of shape (n_points, 3); NaN for voxels and where no mesh says so."""
    places = np.full((space.n_points, 3), np.nan)
    for model, start in zip(space.models, space.starts, strict=False):
        cortex = None if meshes is None else meshes.find(model.structure)
        mesh = None if cortex is None else cortex.anatomical
        if isinstance(model, SurfaceModel) and mesh is not None and mesh.n_vertices == model.n_vertices:
            places[start : start + model.n_points] = mesh.coordinates[model.vertices]
    return places


def _list_meshes(n_vertices: Mapping[str, int], image_name: str, folders: Iterable[Path]) -> Iterator[Meshes]:
    """Yield what may be a run's meshes, the most likely first."""
    groups = list_mesh_groups(image_name, folders)
    space = read_surface_space(image_name)
    named = {group.space for group in groups if group.space}
    if space is None and AMBIGUOUS_N_VERTICES in n_vertices.values() and len(named) > 1:
        groups = [group for group in groups if group.space is None]
    for group in groups:
        if meshes := _read_group(group, n_vertices):
            yield meshes
    n_run = set(n_vertices.values())
    if n_run == {_N_FSAVERAGE5} and space in (FSAVERAGE, None):
        yield _read_fsaverage5(tuple(n_vertices), "nilearn's fsaverage5")
    elif n_run <= _N_FINER_FSAVERAGE and space == FSAVERAGE:
        yield _read_fsaverage5(tuple(n_vertices), "nilearn's fsaverage5, whose vertices are the first of the run's")


def _read_group(group: MeshGroup, n_vertices: Mapping[str, int]) -> Meshes | None:
    """Return the meshes of a group of files that have the run's numbers of vertices, None if there are none."""
    drawn = _read_first_kind(group, n_vertices, DRAWN_KINDS)
    if drawn is None:
        return None
    kind, paths, meshes = drawn
    with_meshes = {structure: n_vertices[structure] for structure in meshes}
    anatomical = drawn if kind in ANATOMICAL_KINDS else _read_first_kind(group, with_meshes, ANATOMICAL_KINDS)
    if anatomical is not None and anatomical[2].keys() != meshes.keys():
        anatomical = None
    places = {} if anatomical is None else anatomical[2]
    names = ", ".join(path.name for path in paths)
    return Meshes(
        tuple(CortexMesh(structure, mesh, places.get(structure)) for structure, mesh in meshes.items()),
        drawn_kind=kind.replace("_", " "),
        anatomical_kind=None if anatomical is None else anatomical[0],
        source=names,
        paths=tuple(dict.fromkeys([*paths, *(() if anatomical is None else anatomical[1])])),
    )


def _read_first_kind(
    group: MeshGroup, n_vertices: Mapping[str, int], kinds: Sequence[str]
) -> tuple[str, tuple[Path, ...], dict[str, Mesh]] | None:
    """Return the first kind of surface that a group has for most hemispheres, with its files and meshes."""
    best: tuple[str, tuple[Path, ...], dict[str, Mesh]] | None = None
    for kind in kinds:
        paths, meshes = [], {}
        for structure, n in n_vertices.items():
            path = group.files.get(kind, {}).get(CORTEX_SIDES[structure])
            mesh = None if path is None else _try_mesh(path, structure)
            if path is not None and mesh is not None and mesh.n_vertices == n:
                paths.append(path)
                meshes[structure] = mesh
        if len(meshes) == len(n_vertices):
            return kind, tuple(paths), meshes
        if meshes and best is None:
            best = kind, tuple(paths), meshes
    return best


def _try_mesh(path: Path, structure: str) -> Mesh | None:
    """Return the mesh of a file; None, with a warning, if it cannot be read or is of another structure."""
    try:
        # TemplateFlow keeps an empty file in the place of one that has not been fetched.
        mesh = read_cortex_mesh(path) if path.stat().st_size else None
    except (ImageError, OSError) as error:
        warn(f"not used as a mesh of the cortex: {error}")
        return None
    if mesh is not None and mesh.structure not in (structure, None):
        warn(f"not used as a mesh of the cortex: {path}: is of {mesh.structure}; expected {structure} by its name.")
        return None
    return mesh


def read_cortex_mesh(path: Path) -> Mesh:
    """Return the mesh of a GIFTI file, or of a file of FreeSurfer's, in mm of the scanner.

    Raises
    ------
    ImageError
        The file cannot be read or holds no mesh.
    """
    mesh = read_mesh(path) if names_gifti(path.name) else _read_freesurfer(path)
    if not np.isfinite(mesh.coordinates).all():
        raise ImageError(f"{path}: the places of some vertices are not numbers; make it again.")
    return mesh


def _read_freesurfer(path: Path) -> Mesh:
    try:
        with warnings.catch_warnings():
            # nibabel warns of files without the place of the volume's middle.
            warnings.simplefilter("ignore", UserWarning)
            coordinates, triangles, metadata = nib.freesurfer.read_geometry(path, read_metadata=True)
    except (OSError, ValueError, IndexError, KeyError) as error:
        raise ImageError(f"{path}: cannot be read as a surface of FreeSurfer's ({error}); make it again.") from error
    if triangles.size and not 0 <= triangles.min() <= triangles.max() < len(coordinates):
        raise ImageError(f"{path}: a triangle names a vertex that is none of the {len(coordinates):,}; make it again.")
    # FreeSurfer counts from the middle of its volume.
    return Mesh(coordinates + metadata.get("cras", np.zeros(3)), triangles.astype(np.int64), None)


@lru_cache(maxsize=2)
def _read_fsaverage5(structures: tuple[str, ...], source: str) -> Meshes:
    """Return the fsaverage5 that nilearn holds; it is cached, because all runs of a study have the same."""
    paths = {structure: [_fsaverage5_path(kind, structure) for kind in ("infl", "pial")] for structure in structures}
    cortices = [CortexMesh(structure, *map(read_cortex_mesh, both)) for structure, both in paths.items()]
    return Meshes(tuple(cortices), "inflated", "pial", source, tuple(path for both in paths.values() for path in both))


def _fsaverage5_path(kind: str, structure: str) -> Path:
    """Return the file of a mesh that nilearn holds; nilearn is imported only if its files have been renamed.

    Importing nilearn takes 2 s, more than many runs.
    """
    side = SIDE_NAMES[CORTEX_SIDES[structure]]
    spec = find_spec("nilearn")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        path = Path(folder) / "datasets" / "data" / "fsaverage5" / f"{kind}_{side}.gii.gz"
        if path.is_file():
            return path
    from nilearn import datasets

    return Path(datasets.fetch_surf_fsaverage("fsaverage5")[f"{kind}_{side}"])
