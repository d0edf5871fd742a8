"""Load the regions that --roi_file and --labels give, each with its name."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib

from niimasker.errors import ImageError, RegionsError, list_names, warn
from niimasker.inputs.cifti.files import read_cifti_header
from niimasker.inputs.cifti.layout import is_cifti, names_cifti
from niimasker.inputs.gifti.files import read_gifti_header
from niimasker.inputs.images import has_known_space, load_image
from niimasker.options.hemisphere_names import names_gifti
from niimasker.options.paths import describe_missing_file, expand_home
from niimasker.regions.atlas_images import check_no_stack, list_indices, load_voxel_mask, read_definition
from niimasker.regions.atlases.fetching import Atlas, fetch_atlas
from niimasker.regions.atlases.queries import is_atlas_query
from niimasker.regions.coordinates import SeedTable, read_seeds
from niimasker.regions.definitions import AnyMask, Maps, Parcellation, PointLabels, Regions, Seeds, find_centres
from niimasker.regions.names.bids_tables import find_lookup_table
from niimasker.regions.names.header_tables import name_by_header
from niimasker.regions.names.matching import (
    Named,
    choose_names,
    find_names_path,
    finish_names,
    make_unique,
    name_by_lookup_table,
)
from niimasker.regions.names.tables import read_label_table
from niimasker.regions.roi_files import RoiFile, parse_mask, parse_roi_file
from niimasker.regions.surfaces.atlas_values import is_on_points
from niimasker.regions.surfaces.loading import load_point_mask, load_point_regions


def load_regions(
    roi_files: Sequence[str],
    *,
    labels: Sequence[str],
    as_voxels: bool,
    radius: float | None,
    atlas_dir: Path | None,
    allow_extra_names: bool = False,
) -> tuple[Regions, ...]:
    """Return the regions of each --roi_file, named by --labels.

    Parameters
    ----------
    allow_extra_names
        Accept tables of --labels with indices that the image does not hold.

    Raises
    ------
    RegionsError, ImageError
        A file is not usable, or the names do not fit.
    """
    loaded = []
    for text, file_labels in zip(roi_files, _labels_per_file(roi_files, labels), strict=True):
        roi_file = parse_roi_file(text)
        if roi_file.is_query:
            if file_labels:
                warn(f"--labels is ignored: {text} has its own names.")
            loaded.append(_from_atlas(fetch_atlas(text, atlas_dir), text))
        elif roi_file.is_table:
            loaded.append(_from_table(roi_file.path, file_labels, radius))
        elif is_on_points(roi_file.path):
            loaded.append(
                load_point_regions(roi_file, file_labels, as_voxels=as_voxels, allow_extra_names=allow_extra_names)
            )
        else:
            loaded.append(_from_image(roi_file, file_labels, as_voxels, allow_extra_names))
    if radius is not None and not any(isinstance(regions.definition, Seeds) for regions in loaded):
        warn("--radius is ignored: --roi_file is not a table of coordinates.")
    return tuple(_mark_voxels(regions) for regions in loaded) if as_voxels else tuple(loaded)


def check_labels(roi_files: Sequence[str], labels: Sequence[str]) -> None:
    """Raise RegionsError where --labels cannot be read as names, whatever the regions are."""
    for file_labels in _labels_per_file(roi_files, labels):
        table_path = find_names_path(file_labels)
        if table_path is not None:
            read_label_table(table_path)


def _labels_per_file(roi_files: Sequence[str], labels: Sequence[str]) -> list[Sequence[str]]:
    if len(roi_files) == 1:
        return [labels]
    if not labels:
        return [()] * len(roi_files)
    files = [roi_file for roi_file in roi_files if not is_atlas_query(roi_file)]
    if len(labels) != len(files) or not all(find_names_path([label]) for label in labels):
        raise RegionsError(
            f"--roi_file has {len(files)} atlas files, so --labels takes {len(files)} tables, in their order, "
            f"or nothing; found {list_names(labels)}."
        )
    tables = iter(labels)
    return [() if is_atlas_query(roi_file) else (next(tables),) for roi_file in roi_files]


def find_names_paths(roi_files: Sequence[str], labels: Sequence[str]) -> list[Path | None]:
    """Return the table that the names of each --roi_file come from, None where there is none."""
    return [
        find_names_path(file_labels)
        or (find_lookup_table(*roi_file.paths) if roi_file.is_image and not file_labels else None)
        for roi_file, file_labels in zip(
            map(parse_roi_file, roi_files), _labels_per_file(roi_files, labels), strict=True
        )
    ]


def load_mask(mask_path: Path) -> AnyMask:
    """Return a mask of voxels, or of the points of surfaces or grayordinates.

    Raises
    ------
    RegionsError, ImageError
        The file is no mask.
    """
    mask = parse_mask(mask_path)
    return load_point_mask(mask) if is_on_points(mask.path) else load_voxel_mask(mask_path)


def check_regions_file(path: Path) -> None:
    """Check that the file of an atlas or a mask opens, without reading its values.

    Raises
    ------
    ImageError
        It cannot be read.
    """
    if not is_on_points(path):
        load_image(path)
    elif names_cifti(path.name) or is_cifti(path):
        read_cifti_header(path)
    elif names_gifti(path.name):
        read_gifti_header(path)
    elif found := describe_missing_file(path):
        raise ImageError(f"{path}: {found}; expected a file of FreeSurfer's annotations.")


def _mark_voxels(regions: Regions) -> Regions:
    if isinstance(regions.definition, (Parcellation, PointLabels)):
        return dataclasses.replace(regions, as_voxels=True)
    found = "coordinates" if isinstance(regions.definition, Seeds) else "maps"
    raise RegionsError(
        f"--as_voxels needs a mask or a parcellation, but {regions.source} holds {found}; leave the option out."
    )


def _from_atlas(atlas: Atlas, query: str) -> Regions:
    definition = read_definition(atlas.img, query)
    indices = list_indices(definition)
    names = make_unique([atlas.names.get(index, f"roi {index}") for index in indices], indices, query)
    return Regions(definition, indices, names, find_centres(definition, indices), query)


def _from_table(roi_path: Path, labels: Sequence[str], radius: float | None) -> Regions:
    seeds = read_seeds(roi_path)
    _check_radii(seeds, roi_path, radius)
    if radius is None:
        warn(f"{roi_path.name}: no --radius is given; each region is the single voxel nearest to its coordinates.")
    indices = tuple(range(len(seeds.coordinates)))
    named = _name_seeds(seeds, indices, roi_path, labels)
    definition = Seeds(seeds.coordinates, radius)
    return Regions(definition, indices, named.names, seeds.coordinates, roi_path.name, names_join=named.join)


def _name_seeds(seeds: SeedTable, indices: Sequence[int], roi_path: Path, labels: Sequence[str]) -> Named:
    """Return the seeds' names: those of --labels, or of the column of names in their own table."""
    is_own_table = len(labels) == 1 and expand_home(labels[0]) == roi_path
    if labels and not is_own_table:
        return choose_names(labels, indices, roi_path.name)
    if seeds.names is None or seeds.join is None:
        if is_own_table:
            raise RegionsError(f"{roi_path}: no column of names; call one of its columns name.")
        return choose_names((), indices, roi_path.name)
    return finish_names(seeds.names, seeds.join, indices, roi_path.name)


def _check_radii(seeds: SeedTable, roi_path: Path, radius: float | None) -> None:
    """Refuse a column of radii that says anything but --radius."""
    if not seeds.radii or set(seeds.radii) == {radius}:
        return
    shown = list_names([f"{each:g}" for each in sorted(set(seeds.radii))])
    raise RegionsError(
        f"{roi_path}: its column of radii ({shown} mm) is not used: all spheres have one radius, that of --radius; "
        f"{'give it and remove the column' if radius is None else f'remove the column, which is not {radius:g}'}."
    )


def _from_image(roi_file: RoiFile, labels: Sequence[str], as_voxels: bool, allow_extra_names: bool) -> Regions:
    roi_path = roi_file.path
    img = load_image(roi_path)
    if roi_file.map_name is not None:
        raise RegionsError(
            f"{roi_path}: a NIfTI image, whose maps have no names; leave out :{roi_file.map_name} to take all of them."
        )
    definition = read_definition(img, str(roi_path))
    check_no_stack(definition, str(roi_path))
    indices = list_indices(definition)
    is_voxel_mask = as_voxels and len(indices) == 1
    if is_voxel_mask and labels:
        warn(f"--labels is ignored for {roi_path.name}: with --as_voxels each column is a voxel of this mask.")
        labels = ()
    are_maps = isinstance(definition, Maps)
    named = None
    if not labels and not is_voxel_mask:
        named = _name_by_atlas(img, indices, roi_path, are_maps=are_maps)
    if named is None:
        named = choose_names(labels, indices, roi_path.name, allow_extra=allow_extra_names, are_maps=are_maps)
    return Regions(
        definition,
        indices,
        named.names,
        find_centres(definition, indices),
        roi_path.name,
        has_known_space=has_known_space(img.header),
        names_join=named.join,
    )


def _name_by_atlas(
    img: nib.nifti1.Nifti1Pair, indices: tuple[int, ...], roi_path: Path, *, are_maps: bool
) -> Named | None:
    """Return the names that lie with an image: in its look-up table, or in its header."""
    table_path = find_lookup_table(roi_path)
    if table_path is not None:
        return name_by_lookup_table(table_path, indices, roi_path, are_maps=are_maps)
    return name_by_header(img, indices, roi_path)
