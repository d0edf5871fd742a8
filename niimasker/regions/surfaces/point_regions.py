"""Which points of an atlas on surfaces or grayordinates make a region, and the name of each region."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from niimasker.errors import RegionsError, count, list_names, warn
from niimasker.regions.definitions import PointLabels, PointMaps
from niimasker.regions.names.label_table import is_background
from niimasker.regions.surfaces.atlas_values import AtlasValues, Table, choose_only_map
from niimasker.regions.whole_numbers import holds_fractions, read_indices

# What Workbench calls points without a label.
_UNLABELLED = "???"
_BACKGROUND_KEYS = (0, -1)
_MAX_KEY = np.iinfo(np.int32).max


@dataclass(frozen=True)
class FoundRegions:
    """The regions of an atlas, in ascending order of key; those of the left hemisphere come first.

    Parameters
    ----------
    sides
        The hemisphere whose file has the key of each region; "" in a CIFTI file.
    names
        From the atlas itself; None where it has none.
    """

    definition: PointLabels | PointMaps
    keys: tuple[int, ...]
    sides: tuple[str, ...]
    names: tuple[str, ...] | None


def find_regions(atlas: AtlasValues) -> FoundRegions:
    """Return the regions that the values of an atlas define.

    Labels have a table, which names regions without points too. Other values are maps if any of them is no whole
    number, or if several maps hold one value each; else they are a parcellation or a mask.

    Raises
    ------
    RegionsError
        The values define no regions, or there are several parcellations to choose from.
    """
    if atlas.tables is not None:
        return _find_labelled(choose_only_map(atlas, "--roi_file"))
    values = atlas.values
    if holds_fractions(values) or (values.shape[1] > 1 and _are_masks(values)):
        return _find_maps(atlas)
    return _find_numbered(choose_only_map(atlas, "--roi_file"))


def _are_masks(values: np.ndarray) -> bool:
    """Return whether each map holds one value besides 0."""
    return all(len(np.unique(column[column != 0])) <= 1 for column in values.T)


def _find_maps(atlas: AtlasValues) -> FoundRegions:
    if not np.isfinite(atlas.values).all():
        raise RegionsError(f"{atlas.source}: its maps hold infinite values; expected numbers, 0 outside a region.")
    if not atlas.values.any():
        raise RegionsError(f"{atlas.source}: every value of its maps is 0; expected at least one region.")
    n_maps = atlas.values.shape[1]
    are_weights = n_maps == 1 and bool((atlas.values >= 0).all())
    names = tuple(name.strip() or f"roi {number}" for number, name in enumerate(atlas.map_names, start=1))
    definition = PointMaps(atlas.values, atlas.space, are_weights)
    return FoundRegions(definition, tuple(range(1, n_maps + 1)), ("",) * n_maps, names)


def _find_numbered(atlas: AtlasValues) -> FoundRegions:
    """Return the regions of whole numbers without a table; 0 and, beside other values, -1 are background."""
    values = atlas.values[:, 0]
    if len(np.unique(values[values > 0])):
        values = np.where(values == -1, 0, values)
    keys = read_indices(values, atlas.source, "value")
    found = _number_regions(atlas, keys, [sorted({*keys[atlas.side_of_points == n].tolist()}) for n in _sides(atlas)])
    return FoundRegions(*found, None)


def _sides(atlas: AtlasValues) -> range:
    return range(len(atlas.sides))


def _find_labelled(atlas: AtlasValues) -> FoundRegions:
    assert atlas.tables is not None
    keys = _read_keys(atlas)
    tables = [of_side[0] for of_side in atlas.tables]
    listed = _list_keys(atlas, keys, tables)
    if not any(listed):
        raise RegionsError(f"{atlas.source}: every point is background; expected at least one region.")
    unnamed = [
        f"{key}" for table, of_side in zip(tables, listed, strict=True) for key in of_side if not _name_of(key, table)
    ]
    if unnamed:
        warn(
            f"{atlas.source}: {count(len(unnamed), 'label')} without a name in its table ({list_names(unnamed)}), "
            "named by the key, as in roi 1."
        )
    definition, region_keys, sides = _number_regions(atlas, keys, listed)
    by_side = dict(zip(atlas.sides, tables, strict=True))
    names = tuple(_name_of(key, by_side[side]) or f"roi {key}" for key, side in zip(region_keys, sides, strict=True))
    _warn_of_empty(atlas, definition, names)
    return FoundRegions(definition, region_keys, sides, names)


def _name_of(key: int, table: Table) -> str:
    return table.get(key, "").strip()


def _list_keys(atlas: AtlasValues, keys: np.ndarray, tables: Sequence[Table]) -> list[list[int]]:
    """Return the keys of each side's regions, in ascending order: those of its points, and those of its table.

    Files of two hemispheres that were one CIFTI file each have the table of both, as from wb_command -cifti-separate.
    A label without a point is left out where the other hemisphere has points of the same key and name, if the
    hemispheres divide most keys among them.
    """
    present = [{*np.unique(keys[atlas.side_of_points == number]).tolist()} for number in _sides(atlas)]
    is_divided = _divide_keys(present)
    listed = []
    for number, table in enumerate(tables):
        _warn_of_named_background(atlas.paths[number], table, present[number])
        background = {*_BACKGROUND_KEYS, *(key for key, name in table.items() if name == _UNLABELLED)}
        others = {
            key
            for other, other_table in enumerate(tables)
            for key in (present[other] if is_divided and other != number else ())
            if key in table and _name_of(key, table) == _name_of(key, other_table)
        }
        listed.append(sorted((present[number] | (set(table) - others)) - background))
    return listed


def _divide_keys(present: Sequence[set[int]]) -> bool:
    """Return whether most of the keys that have points have them in one hemisphere alone.

    In FreeSurfer's annotations each key stands for a region of both hemispheres. A region that a subject lacks in one
    of them keeps its column, so that the tables of all subjects have the same.
    """
    regions = [keys.difference(_BACKGROUND_KEYS) for keys in present]
    return len(set().union(*regions)) > 2 * len(set.intersection(*regions))


def _warn_of_empty(atlas: AtlasValues, definition: PointLabels, names: Sequence[str]) -> None:
    n_points = np.bincount(definition.labels, minlength=len(names) + 1)[1:]
    empty = [name for name, n in zip(names, n_points.tolist(), strict=True) if not n]
    if empty:
        warn(
            f"{atlas.source}: {count(len(empty), 'label')} of its table without a point ({list_names(empty)}); "
            f"{'its column is' if len(empty) == 1 else 'their columns are'} n/a."
        )


def _read_keys(atlas: AtlasValues) -> np.ndarray:
    values = atlas.values[:, 0]
    wrong = values[(np.round(values) != values) | ~(np.abs(values) <= _MAX_KEY)]
    if len(wrong):
        raise RegionsError(
            f"{atlas.source}: holds labels that are no whole numbers of 32 bits, such as {wrong[0]:g}; expected the "
            "keys of its table."
        )
    return values.astype(np.int64)


def _warn_of_named_background(path: Path, table: Table, present: set[int]) -> None:
    for key in _BACKGROUND_KEYS:
        name = table.get(key, "")
        if key in present and name != _UNLABELLED and not is_background(name) and not _is_medial_wall(name):
            warn(f"{path}: key {key} ({name!r}) is taken for background, as 0 and -1 always are.")


def _is_medial_wall(name: str) -> bool:
    return "background" in name.lower() or "medial" in name.lower()


def _number_regions(
    atlas: AtlasValues, keys: np.ndarray, listed: Sequence[Sequence[int]]
) -> tuple[PointLabels, tuple[int, ...], tuple[str, ...]]:
    """Return labels that are the positions of the regions, with the key and the side of each region.

    Parameters
    ----------
    listed
        The keys of the regions of each side, in ascending order.
    """
    labels = np.zeros(len(keys), dtype=np.int32)
    region_keys: list[int] = []
    sides: list[str] = []
    for number, (side, of_side) in enumerate(zip(atlas.sides, listed, strict=True)):
        wanted = np.array([key for key in of_side if key != 0], dtype=np.int64)
        here = np.flatnonzero((atlas.side_of_points == number) & np.isin(keys, wanted))
        labels[here] = len(region_keys) + 1 + np.searchsorted(wanted, keys[here])
        region_keys += wanted.tolist()
        sides += [side] * len(wanted)
    return PointLabels(labels, atlas.space), tuple(region_keys), tuple(sides)


def tell_sides_apart(names: Sequence[str], sides: Sequence[str]) -> tuple[str, ...]:
    """Return names with L_ or R_ before those that regions of both hemispheres have."""
    of_side = {side: {name for name, its in zip(names, sides, strict=True) if its == side} for side in set(sides)}
    counts = Counter(name for of_one in of_side.values() for name in of_one)
    return tuple(
        f"{side}_{name}" if side and counts[name] > 1 else name for name, side in zip(names, sides, strict=True)
    )
