"""The values of an atlas or a mask on surfaces or grayordinates, with the tables of names in its files."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from niimasker.errors import RegionsError, count, list_names, warn
from niimasker.inputs.cifti.files import CiftiMaps, read_cifti_header, read_cifti_maps, read_cifti_parcels
from niimasker.inputs.cifti.layout import is_cifti, names_cifti
from niimasker.inputs.cifti.parcels import CiftiParcels
from niimasker.inputs.gifti.files import GiftiData, read_gifti
from niimasker.inputs.grayordinates import Grayordinates, SurfaceModel
from niimasker.inputs.hemispheres import LEFT, RIGHT
from niimasker.inputs.structures import CORTEX_SIDES, CORTICES, find_structure
from niimasker.inputs.surfaces.annotations import read_annotation
from niimasker.options.hemisphere_names import names_gifti, names_surface
from niimasker.regions.roi_files import RoiFile

Table = Mapping[int, str]


@dataclass(frozen=True)
class AtlasValues:
    """The values of an atlas or a mask at each point.

    Parameters
    ----------
    source
        The file, as messages call it.
    values
        Of shape (space.n_points, n_maps), with NaN counted as 0.
    map_names
        One for each map.
    sides
        `L` or `R` for each hemisphere's file, whose keys are its own; ("",) for a CIFTI file, all of whose structures
        share their keys.
    side_of_points
        The position of each point's side in `sides`, of shape (space.n_points,).
    tables
        For each side the names by key of each map; None where the values are no labels.
    """

    source: str
    paths: tuple[Path, ...]
    space: Grayordinates
    values: np.ndarray
    map_names: tuple[str, ...]
    sides: tuple[str, ...]
    side_of_points: np.ndarray
    tables: tuple[tuple[Table, ...], ...] | None

    def select(self, map_number: int) -> AtlasValues:
        """Return one map alone."""
        tables = None if self.tables is None else tuple((of_side[map_number],) for of_side in self.tables)
        return dataclasses.replace(
            self,
            values=self.values[:, [map_number]],
            map_names=(self.map_names[map_number],),
            tables=tables,
        )


def is_on_points(path: Path) -> bool:
    """Return whether a file of regions or a mask is on surfaces or grayordinates rather than in a volume."""
    return names_surface(path.name) or names_cifti(path.name) or is_cifti(path)


def read_atlas_values(roi: RoiFile) -> AtlasValues:
    """Return the values in the files of an atlas or a mask, all of its maps or the one that is chosen.

    Raises
    ------
    RegionsError, ImageError
        A file cannot be read, the files do not belong together, or there is no such map.
    """
    if names_surface(roi.path.name):
        read = read_gifti if names_gifti(roi.path.name) else read_annotation
        atlas = _join_hemispheres([read(path) for path in roi.paths])
    else:
        atlas = _read_cifti(roi.path)
    atlas = _without_nan(atlas)
    return atlas if roi.map_name is None else atlas.select(_find_map(atlas, roi.map_name))


def choose_only_map(atlas: AtlasValues, option: str) -> AtlasValues:
    """Return an atlas of one map; raise RegionsError if there are several to choose from."""
    if len(atlas.map_names) == 1:
        return atlas
    raise RegionsError(
        f"{atlas.source}: holds {len(atlas.map_names)} maps ({_list_maps(atlas)}); choose one by name or number, as in "
        f"{option} {atlas.source}:{_suggest_map(atlas)}."
    )


def _suggest_map(atlas: AtlasValues) -> str:
    is_simple = atlas.map_names[0].isidentifier() and atlas.map_names.count(atlas.map_names[0]) == 1
    return atlas.map_names[0] if is_simple else "1"


def _list_maps(atlas: AtlasValues) -> str:
    return list_names([f"{number} {name!r}" for number, name in enumerate(atlas.map_names, start=1)])


def _find_map(atlas: AtlasValues, wanted: str) -> int:
    """Return the position of a map; a name takes precedence over a number, which counts from 1."""
    found = [number for number, name in enumerate(atlas.map_names) if name == wanted]
    if not found and wanted.isdecimal() and 1 <= int(wanted) <= len(atlas.map_names):
        return int(wanted) - 1
    if len(found) != 1:
        problem = "several maps have the name" if found else "no map has the name or number"
        raise RegionsError(f"{atlas.source}: {problem} {wanted!r}; found {_list_maps(atlas)}.")
    return found[0]


def _without_nan(atlas: AtlasValues) -> AtlasValues:
    is_nan = np.isnan(atlas.values)
    if not (n_points := int(np.count_nonzero(is_nan.any(axis=1)))):
        return atlas
    if is_nan.all():
        raise RegionsError(f"{atlas.source}: every value is NaN; expected at least one region.")
    warn(f"{atlas.source}: {count(n_points, 'value')} of it {'is' if n_points == 1 else 'are'} NaN and counted as 0.")
    return dataclasses.replace(atlas, values=np.where(is_nan, 0, atlas.values))


def _read_cifti(path: Path) -> AtlasValues:
    header = read_cifti_header(path)
    if header.parcels is not None:
        return _from_parcels(path, read_cifti_parcels(path))
    if header.kind == "dtseries":
        raise RegionsError(f"{path}: a series of volumes; expected an atlas, such as a .dlabel.nii or a .dscalar.nii.")
    return _from_maps(read_cifti_maps(path))


def _from_maps(maps: CiftiMaps) -> AtlasValues:
    return AtlasValues(
        str(maps.path),
        (maps.path,),
        maps.space,
        maps.values,
        maps.names,
        ("",),
        np.zeros(maps.space.n_points, dtype=int),
        None if maps.labels is None else (maps.labels,),
    )


def _from_parcels(path: Path, parcels: CiftiParcels) -> AtlasValues:
    """Return the parcels of a ptseries or a pscalar as labels, which are counted from 1."""
    table = dict(enumerate(parcels.names, start=1))
    return AtlasValues(
        str(path),
        (path,),
        parcels.space,
        parcels.labels[:, None].astype(np.float64),
        ("parcels",),
        ("",),
        np.zeros(parcels.space.n_points, dtype=int),
        ((table,),),
    )


def _join_hemispheres(files: Sequence[GiftiData]) -> AtlasValues:
    """Return the values of one or two hemispheres, the left one first."""
    by_side = {_side_of(file): file for file in files}
    if len(by_side) < len(files):
        raise RegionsError(
            f"{files[0].path} and {files[1].path} are of one hemisphere; expected a left and a right one."
        )
    sides = tuple(side for side in (LEFT, RIGHT) if side in by_side)
    ordered = [by_side[side] for side in sides]
    first = ordered[0]
    for file in ordered[1:]:
        if file.values.shape[1] != first.values.shape[1] or _has_labels(file) != _has_labels(first):
            raise RegionsError(
                f"{first.path} and {file.path} do not belong together: {_describe(first)} and {_describe(file)}; "
                "expected two hemispheres of one atlas."
            )
    models = tuple(
        SurfaceModel.of_mesh(CORTICES[side], len(file.values)) for side, file in zip(sides, ordered, strict=True)
    )
    tables = [(file.labels or {},) * file.values.shape[1] for file in ordered if _has_labels(file)]
    return AtlasValues(
        str(first.path),
        tuple(file.path for file in ordered),
        Grayordinates(models),
        np.concatenate([file.values for file in ordered]),
        first.names,
        sides,
        np.repeat(np.arange(len(ordered)), [len(file.values) for file in ordered]),
        tuple(tables) if tables else None,
    )


def _side_of(file: GiftiData) -> str:
    structure = find_structure(file.path, file.structure)
    if structure not in CORTEX_SIDES:
        raise RegionsError(f"{file.path}: values of {structure}; expected those of a cerebral cortex.")
    return CORTEX_SIDES[structure]


def _has_labels(file: GiftiData) -> bool:
    """Return whether values are labels: by their intent or, as some scripts leave that out, by their table."""
    if file.labels is None or "LABEL" in file.intents:
        return file.labels is not None
    # Workbench also writes a table with key 0 alone into files of other values.
    return file.labels.keys() != {0} and np.array_equal(file.values, np.round(file.values), equal_nan=True)


def _describe(file: GiftiData) -> str:
    return f"{count(file.values.shape[1], 'map')} of {'labels' if _has_labels(file) else 'numbers'}"
