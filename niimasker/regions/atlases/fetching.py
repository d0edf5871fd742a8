"""Fetch one of nilearn's atlases: from its query to an image and names."""

from __future__ import annotations

import io
import re
import shutil
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import SpatialImage

from niimasker.errors import RegionsError
from niimasker.regions.atlases.queries import Query, parse_query
from niimasker.regions.atlases.sources import ATLASES

# Without a network nilearn raises requests' errors, all of them OSError; ValueError is its word for a read-only
# folder and pandas' for a damaged table, the others are damaged images and label files.
FETCH_ERRORS = (OSError, ValueError, EOFError, ImageFileError, ElementTree.ParseError)

# nilearn downloads and unpacks in a subfolder named by an MD5 sum, then moves the files out of it.
SANDBOX = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Atlas:
    """An atlas as fetched.

    Attributes
    ----------
    name : str
        The query's atlas name, for example "schaefer".
    img : nibabel image
        3D label image, or 4D probabilistic maps.
    names : Mapping of int to str
        A region's name by its value in the label image (0, the background, left out), or by its position,
        from 1, among 4D maps. Names without a voxel in the image are kept.
    """

    name: str
    img: SpatialImage
    names: Mapping[int, str]


def fetch_atlas(query: str, atlas_dir: Path | None) -> Atlas:
    """Return the atlas that a query names, from disk or else from the network.

    Parameters
    ----------
    query : str
        `nilearn:<atlas>:<parameters>`, for example "nilearn:schaefer:400-17-2".
    atlas_dir : Path or None
        Where atlases are kept, laid out as nilearn does it; None for nilearn's own folders.

    Returns
    -------
    Atlas

    Raises
    ------
    RegionsError
        The query is not valid, or its files are neither in the folder nor to be downloaded.
    """
    parsed = parse_query(query, ATLASES)
    folders = atlas_folders(parsed, atlas_dir)
    try:
        with undone_on_failure(folders), quiet_nilearn():
            img, names = parsed.source.read(call_fetcher(parsed, atlas_dir), parsed.words)
    except FETCH_ERRORS as error:
        raise RegionsError(unavailable(parsed, folders, error)) from error
    return Atlas(name=parsed.name, img=img, names=names)


def call_fetcher(query: Query, atlas_dir: Path | None) -> Any:
    """Return what nilearn's fetcher returns for a query."""
    from nilearn import datasets

    fetcher = getattr(datasets, query.source.fetcher)
    return fetcher(**query.arguments, data_dir=None if atlas_dir is None else str(atlas_dir), verbose=0)


def atlas_folders(query: Query, atlas_dir: Path | None) -> list[Path]:
    """Return the folders, in nilearn's order, in which an atlas is looked for."""
    from nilearn.datasets import get_data_dirs

    folder = query.source.folder.format(**query.arguments)
    return [Path(parent) / folder for parent in get_data_dirs(None if atlas_dir is None else str(atlas_dir))]


@contextmanager
def quiet_nilearn() -> Iterator[None]:
    """Keep back what is no news to the user."""
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():  # Pauli's fetcher prints in spite of verbose=0
        # Names without voxels are a property of many atlases; every region gets its line in regions.tsv.
        warnings.filterwarnings("ignore", message=r"\s*The following regions are present")
        # The exception that follows says the same.
        warnings.filterwarnings("ignore", message="An error occurred while fetching")
        yield


@contextmanager
def undone_on_failure(folders: Sequence[Path]) -> Iterator[None]:
    """Remove what a failed or interrupted fetch leaves and a later one would trip over.

    A file half unpacked in nilearn's sandbox passes for complete next time, and an empty folder in the first of
    nilearn's places hides a full one in the next. Complete files stay, and so does all that was there before.
    """
    before = [*folders, *sandboxes(folders)]
    existing = {path for path in before if path.exists()}
    is_done = False
    try:
        yield
        is_done = True
    finally:
        if not is_done:
            _remove_new(folders, existing)


def _remove_new(folders: Sequence[Path], existing: set[Path]) -> None:
    for sandbox in sandboxes(folders):
        if sandbox not in existing:
            shutil.rmtree(sandbox)
    for folder in folders:
        if folder not in existing:
            with suppress(OSError):  # not empty, or never made
                folder.rmdir()


def sandboxes(folders: Sequence[Path]) -> list[Path]:
    """Return nilearn's sandboxes in these folders."""
    inside = [path for folder in folders if folder.is_dir() for path in folder.iterdir()]
    return [path for path in inside if path.is_dir() and SANDBOX.fullmatch(path.name)]


def unavailable(query: Query, folders: Sequence[Path], error: BaseException) -> str:
    """Return the message for an atlas that is neither on disk nor to be downloaded."""
    reason = textwrap.shorten(f"{type(error).__name__}: {error}", width=120, placeholder=" ...")
    keywords = "".join(f"{keyword}={value!r}, " for keyword, value in query.arguments.items())
    fetcher = query.source.fetcher
    return (
        f"{query.text}: no usable copy in {' or '.join(map(str, folders))}, and none could be downloaded ({reason}). "
        f'Where there is a network, run: python -c "from nilearn.datasets import {fetcher}; '
        f"{fetcher}({keywords}data_dir='atlases')\" and copy the folder atlases/{folders[0].name} to {folders[0]}, "
        "replacing what is there; or give --atlas_dir a folder that holds it."
    )
