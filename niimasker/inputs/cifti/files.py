"""CIFTI-2 files: what their headers say, and their series, maps and parcels."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from niimasker.errors import BrokenImageError, ImageError, shorten_text
from niimasker.inputs.cifti.axes import Axis, MapsAxis, SeriesAxis, parse_axis
from niimasker.inputs.cifti.document import CiftiDocument, HeaderError, read_document
from niimasker.inputs.cifti.layout import read_layout
from niimasker.inputs.cifti.parcels import CiftiParcels
from niimasker.inputs.cifti.series import iter_series
from niimasker.inputs.grayordinates import Grayordinates
from niimasker.inputs.images import check_memory
from niimasker.inputs.series_headers import SeriesHeader
from niimasker.inputs.storage import GrayordinateStorage

_Axis = TypeVar("_Axis", bound=Axis)

# By what dimensions 0 and 1 stand for: the name before .nii.
_KINDS = {
    ("SERIES", "BRAIN_MODELS"): "dtseries",
    ("SCALARS", "BRAIN_MODELS"): "dscalar",
    ("LABELS", "BRAIN_MODELS"): "dlabel",
    ("BRAIN_MODELS", "BRAIN_MODELS"): "dconn",
    ("PARCELS", "BRAIN_MODELS"): "dpconn",
    ("SERIES", "PARCELS"): "ptseries",
    ("SCALARS", "PARCELS"): "pscalar",
    ("LABELS", "PARCELS"): "plabel",
    ("PARCELS", "PARCELS"): "pconn",
    ("BRAIN_MODELS", "PARCELS"): "pdconn",
}

_PARCELLATED = ("ptseries", "pscalar", "plabel", "pconn")
_NO_SERIES = {
    "ptseries": "holds the signals of regions already; give the dtseries that it was made from",
    "dlabel": "holds regions; give it as --roi_file, and a dtseries as the series",
    "dscalar": (
        "holds maps and no series; give a dtseries. Maps that are volumes over time become one with "
        "wb_command -cifti-change-mapping IN ROW OUT -series STEP START"
    ),
}
_NO_SERIES_OF_OTHER_KIND = "holds no series of grayordinates; give the dtseries that it was made from"


@dataclass(frozen=True, eq=False, kw_only=True)
class CiftiHeader:
    """What a CIFTI file's header says, checked against the file's size.

    Parameters
    ----------
    kind
        `dtseries`, `dscalar`, `dlabel`, `ptseries`, `pconn` or the like, by the axes and not by the name; "" if the
        axes are those of no such kind.
    space
        The grayordinates, along either dimension.
    parcels
        The parcels, along either dimension.
    series
        The steps of a series of time or another quantity.
    map_names
        The names of the maps of scalars or labels.
    labels
        The names of each map's labels by key; None if the maps are not of labels.
    storage
        How the matrix is stored: its dimension 1 are the points.
    """

    kind: str
    space: Grayordinates | None
    parcels: CiftiParcels | None
    series: SeriesAxis | None
    map_names: tuple[str, ...]
    labels: tuple[Mapping[int, str], ...] | None
    storage: GrayordinateStorage


@dataclass(frozen=True, eq=False)
class CiftiMaps:
    """The maps of a dlabel or a dscalar.

    Parameters
    ----------
    values
        Scaled, of shape (n_points, n_maps); float32 where that holds what is stored, else float64.
    names
        One for each map.
    labels
        The names of each map's labels by key; None for a dscalar.
    """

    path: Path
    space: Grayordinates
    values: np.ndarray
    names: tuple[str, ...]
    labels: tuple[Mapping[int, str], ...] | None


def read_cifti_header(path: Path) -> CiftiHeader:
    """Return what the header of a CIFTI-2 file says.

    The same brain models in two files give the same space, parsed once.

    Raises
    ------
    ImageError
        The file does not exist or is not a CIFTI-2 file.
    BrokenImageError
        The file is damaged, or its header contradicts itself or the file's size.
    """
    try:
        layout = read_layout(path)
        document = read_document(layout.xml)
        _check_version(document, path)
        index_maps = document.arrange_maps()
        axes = [parse_axis(index_map, size) for index_map, size in zip(index_maps, layout.shape, strict=True)]
    except HeaderError as error:
        raise BrokenImageError(f"{path}: a broken CIFTI header: {error}; fetch or make the file again.") from error
    maps = _find_axis(axes, MapsAxis)
    return CiftiHeader(
        kind=_KINDS.get((index_maps[0].kind, index_maps[1].kind), ""),
        space=_find_axis(axes, Grayordinates),
        parcels=_find_axis(axes, CiftiParcels),
        series=_find_axis(axes, SeriesAxis),
        map_names=() if maps is None else maps.names,
        labels=None if maps is None else maps.labels,
        storage=layout.storage,
    )


def _find_axis(axes: Sequence[Axis | None], kind: type[_Axis]) -> _Axis | None:
    """Return the axis of a kind; that of dimension 1 where both are."""
    return next((axis for axis in reversed(axes) if isinstance(axis, kind)), None)


def _check_version(document: CiftiDocument, path: Path) -> None:
    major = document.version.split(".")[0]
    if major == "1":
        raise ImageError(
            f"{path}: a CIFTI-1 file; expected CIFTI-2. Convert it with "
            f"wb_command -file-convert -cifti-version-convert {shlex.quote(str(path))} 2 OUT."
        )
    if major != "2":
        raise ImageError(f"{path}: a CIFTI file of version {shorten_text(document.version)}; expected CIFTI-2.")


def open_cifti_series(path: Path) -> SeriesHeader:
    """Return what the header of a dtseries says.

    Raises
    ------
    ImageError
        The file does not exist, or is not a dtseries of CIFTI-2.
    BrokenImageError
        The file is damaged, or its header contradicts itself or the file's size.
    """
    header = read_cifti_header(path)
    if header.kind != "dtseries" or header.space is None or header.series is None:
        raise ImageError(_explain_refusal(header, path))
    note = _doubt_t_r(header.series, path)
    return SeriesHeader(header.space, header.storage, None if note else header.series.t_r, t_r_note=note)


def _explain_refusal(header: CiftiHeader, path: Path) -> str:
    """Return why a file is not a series of grayordinates, and what to give instead."""
    if header.space is not None and header.series is not None:
        return (
            f"{path}: a series stored by volumes; expected a dtseries, which stores each grayordinate's series. "
            f"Convert it with wb_command -cifti-transpose {shlex.quote(str(path))} OUT."
        )
    return f"{path}: {_describe_kind(header)}, which {_NO_SERIES.get(header.kind, _NO_SERIES_OF_OTHER_KIND)}."


def _doubt_t_r(series: SeriesAxis, path: Path) -> str | None:
    """Return why the repetition time of a series cannot be trusted, None if it can."""
    # Some converters write a start and a step of 1 whatever the repetition time is.
    if not series.t_r == series.start == 1:
        return None
    return (
        f"{path}: its header gives a start and a step of 1 s, which some programs write whatever the repetition "
        "time is; it is not used. Give it with --t_r."
    )


def read_cifti_maps(path: Path) -> CiftiMaps:
    """Return the maps of a dlabel or a dscalar.

    Raises
    ------
    ImageError
        The file does not exist, or is not a dlabel or dscalar of CIFTI-2.
    BrokenImageError
        The file is damaged, or its header contradicts itself or the file's size.
    """
    header = read_cifti_header(path)
    if header.kind not in ("dlabel", "dscalar") or header.space is None:
        raise ImageError(f"{path}: {_describe_kind(header)}; expected regions or maps: a dlabel or a dscalar.")
    return CiftiMaps(path, header.space, _read_values(header.storage), header.map_names, header.labels)


def _read_values(storage: GrayordinateStorage) -> np.ndarray:
    """Return all values of a file, scaled, of shape (n_points, n_maps)."""
    is_scaled = (storage.slope, storage.intercept) != (1.0, 0.0)
    # float32 holds float16, float32 and integers of 16 bits; keys of labels may be larger.
    is_exact = not is_scaled and np.can_cast(storage.dtype, np.float32)
    dtype = np.dtype(np.float32 if is_exact else np.float64)
    n_copies = 2 if is_scaled else 1
    n_bytes = n_copies * storage.n_points * storage.n_volumes * dtype.itemsize
    check_memory(storage.image_path, "reading it", n_bytes, way_out="give a file with fewer maps")
    values = np.empty((storage.n_points, storage.n_volumes), dtype)
    for first, block in iter_series(storage):
        values[first : first + len(block)] = block
    return storage.scale(values) if is_scaled else values


def read_cifti_parcels(path: Path) -> CiftiParcels:
    """Return the parcels of a ptseries, pscalar, plabel or pconn.

    Raises
    ------
    ImageError
        The file does not exist, or is not of CIFTI-2 with parcels.
    BrokenImageError
        The file is damaged, or its header contradicts itself or the file's size.
    """
    header = read_cifti_header(path)
    if header.kind not in _PARCELLATED or header.parcels is None:
        raise ImageError(
            f"{path}: {_describe_kind(header)}; expected parcels: a {', '.join(_PARCELLATED[:-1])} or pconn."
        )
    return header.parcels


def _describe_kind(header: CiftiHeader) -> str:
    """Return what a file is, for messages."""
    if header.kind:
        return f"a {header.kind}"
    return "a CIFTI file of axes that are not those of a series, maps or parcels of grayordinates"
