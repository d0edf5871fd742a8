"""Fetch the atlas that a query names, as an image and its regions' names."""

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

# Without a network nilearn raises errors of requests, which are OSErrors. It raises ValueError for a read-only folder,
# as pandas does for a damaged table; the other types stand for damaged images and label files.
FETCH_ERRORS = (OSError, ValueError, EOFError, ImageFileError, ElementTree.ParseError)

# nilearn downloads and unpacks in a subfolder named by an MD5 sum, then moves the files out of it.
TEMPORARY_FOLDER = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Atlas:
    """A fetched atlas.

    Attributes
    ----------
    name : str
        The atlas's name in the query, for example "schaefer".
    img : nibabel image
        3D label image, or 4D probabilistic maps.
    names : Mapping of int to str
        Names of regions by their value in the label image, without 0, the background, or by their position, from 1,
        among 4D maps. Names of regions without voxels are kept.
    """

    name: str
    img: SpatialImage
    names: Mapping[int, str]


def fetch_atlas(query: str, atlas_dir: Path | None) -> Atlas:
    """Return the atlas that a query names, read from disk or downloaded.

    Parameters
    ----------
    query : str
        `nilearn:<atlas>:<parameters>`, for example "nilearn:schaefer:400-17-2".
    atlas_dir : Path or None
        The folder of atlases, laid out as nilearn does; None for nilearn's own folders.

    Returns
    -------
    Atlas

    Raises
    ------
    RegionsError
        The query is not valid, or its files are not in the folder and cannot be downloaded.
    """
    parsed = parse_query(query, ATLASES)
    folders = atlas_folders(parsed, atlas_dir)
    try:
        with remove_on_failure(folders), quiet_nilearn():
            img, names = parsed.source.read(call_fetcher(parsed, atlas_dir), parsed.words)
    except FETCH_ERRORS as error:
        raise RegionsError(explain_unavailable(parsed, folders, error)) from error
    return Atlas(name=parsed.name, img=img, names=names)


def call_fetcher(query: Query, atlas_dir: Path | None) -> Any:
    """Return what nilearn's fetcher returns for a query."""
    from nilearn import datasets

    fetcher = getattr(datasets, query.source.fetcher)
    return fetcher(**query.arguments, data_dir=None if atlas_dir is None else str(atlas_dir), verbose=0)


def atlas_folders(query: Query, atlas_dir: Path | None) -> list[Path]:
    """Return the folders in which nilearn looks for an atlas, in its order."""
    from nilearn.datasets import get_data_dirs

    folder = query.source.folder.format(**query.arguments)
    return [Path(parent) / folder for parent in get_data_dirs(None if atlas_dir is None else str(atlas_dir))]


@contextmanager
def quiet_nilearn() -> Iterator[None]:
    """Suppress messages of nilearn that tell the user nothing new."""
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():  # Pauli's fetcher prints in spite of verbose=0
        # Many atlases have names without voxels, and regions.tsv lists every region.
        warnings.filterwarnings("ignore", message=r"\s*The following regions are present")
        # The exception that follows has the same text.
        warnings.filterwarnings("ignore", message="An error occurred while fetching")
        yield


@contextmanager
def remove_on_failure(folders: Sequence[Path]) -> Iterator[None]:
    """Remove leftovers of a failed or interrupted download that would break a later one.

    nilearn takes a half unpacked file in its temporary folder for complete next time, and an empty atlas folder in the
    first of its data folders hides a full one in the next. Complete files stay, and so does everything that was there
    before.
    """
    before = [*folders, *find_temporary_folders(folders)]
    existing = {path for path in before if path.exists()}
    is_done = False
    try:
        yield
        is_done = True
    finally:
        if not is_done:
            _remove_new(folders, existing)


def _remove_new(folders: Sequence[Path], existing: set[Path]) -> None:
    for path in find_temporary_folders(folders):
        if path not in existing:
            shutil.rmtree(path)
    for folder in folders:
        if folder not in existing:
            with suppress(OSError):  # not empty, or never made
                folder.rmdir()


def find_temporary_folders(folders: Sequence[Path]) -> list[Path]:
    """Return nilearn's temporary folders in these folders."""
    contents = [path for folder in folders if folder.is_dir() for path in folder.iterdir()]
    return [path for path in contents if path.is_dir() and TEMPORARY_FOLDER.fullmatch(path.name)]


def explain_unavailable(query: Query, folders: Sequence[Path], error: BaseException) -> str:
    """Return the message for an atlas that is not on disk and cannot be downloaded."""
    reason = textwrap.shorten(f"{type(error).__name__}: {error}", width=120, placeholder=" ...")
    keywords = "".join(f"{keyword}={value!r}, " for keyword, value in query.arguments.items())
    fetcher = query.source.fetcher
    return (
        f"{query.text}: no usable copy in {' or '.join(map(str, folders))}, and none could be downloaded ({reason}). "
        f'On a machine with a network, run: python -c "from nilearn.datasets import {fetcher}; '
        f"{fetcher}({keywords}data_dir='atlases')\" and copy the folder atlases/{folders[0].name} to {folders[0]}, "
        "replacing what is there; or give --atlas_dir a folder that holds it."
    )
