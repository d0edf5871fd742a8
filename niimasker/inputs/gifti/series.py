"""Series of volumes on surfaces: one GIFTI file per hemisphere, read in blocks of volumes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path

import numpy as np

from niimasker.errors import ImageError, RunError
from niimasker.inputs.blocks import BLOCK_BYTES, Digest
from niimasker.inputs.gifti.files import GiftiHeader, read_gifti_header
from niimasker.inputs.gifti.volumes import GiftiVolumes
from niimasker.inputs.grayordinates import Grayordinates, SurfaceModel
from niimasker.inputs.hemispheres import RIGHT
from niimasker.inputs.images import COPIES_PER_VOLUME, check_memory
from niimasker.inputs.series_headers import SeriesHeader
from niimasker.inputs.storage import SurfaceStorage
from niimasker.inputs.structures import find_side, find_structure

# What endings say of files that hold values for vertices and no series.
_KINDS_WITHOUT_TIME = {".shape.gii": "maps", ".label.gii": "labels of a parcellation", ".surf.gii": "a mesh"}

# The size of a block as float64: three volumes of both hemispheres of the largest standard mesh. Larger blocks are no
# faster, and those of 64 MiB would hold whole runs on small meshes, so that memory would grow with their length.
_BLOCK_BYTES = 8 * 2**20

# Vertices above which two blocks of one volume are larger than those of smaller meshes.
_LARGE_MESH = BLOCK_BYTES // 8


def open_gifti_series(paths: Sequence[Path]) -> SeriesHeader:
    """Return what the GIFTI files of one hemisphere, or of both, say about their series.

    Raises
    ------
    ImageError
        A file is no series of values for vertices, or its hemisphere is not known, is not that of its name or is that
        of the other file.
    BrokenImageError
        A file is damaged.
    RunError
        The files have different numbers of volumes.
    """
    headers = {find_structure(path, header.structure): header for path, header in _read_headers(paths)}
    if len(headers) < len(paths):
        raise ImageError(
            f"{paths[0]} and {paths[1].name}: both are {next(iter(headers))}; expected one file per hemisphere."
        )
    # Left before right.
    ordered = dict(sorted(headers.items(), key=lambda item: find_side(item[0]) == RIGHT))
    first, last = next(iter(ordered.values())), next(reversed(ordered.values()))
    if first.n_volumes != last.n_volumes:
        raise RunError(
            f"{first.path} has {first.n_volumes} volumes but {last.path.name} has {last.n_volumes}; the files of both "
            "hemispheres must come from the same run."
        )
    models = tuple(SurfaceModel.of_mesh(structure, header.n_vertices) for structure, header in ordered.items())
    space = Grayordinates(models)
    if space.n_points > _LARGE_MESH:
        n_bytes = COPIES_PER_VOLUME * 8 * space.n_points
        check_memory(first.path, "reading a volume", n_bytes, way_out="resample it to a smaller mesh")
    storage = SurfaceStorage(
        image_path=first.path,
        n_points=space.n_points,
        n_volumes=first.n_volumes,
        hemisphere_paths=tuple(header.path for header in ordered.values()),
        n_vertices=tuple(header.n_vertices for header in ordered.values()),
    )
    # Files that give two repetition times give none.
    return SeriesHeader(space, storage, first.t_r if first.t_r == last.t_r else None)


def _read_headers(paths: Sequence[Path]) -> Iterator[tuple[Path, GiftiHeader]]:
    for path in paths:
        header = read_gifti_header(path)
        if header.intent == "LABEL":
            raise ImageError(f"{path}: found labels of a parcellation; expected a series of volumes.")
        if kind := _KINDS_WITHOUT_TIME.get("".join(Path(path.name.lower().removesuffix(".gz")).suffixes[-2:])):
            raise ImageError(
                f"{path}: found {kind} by its ending; expected a series of volumes, which has the ending .func.gii."
            )
        yield path, header


def iter_surface_blocks(
    storage: SurfaceStorage, first: int = 0, *, digests: Sequence[Digest] = (), block_bytes: int = _BLOCK_BYTES
) -> Iterator[np.ndarray]:
    """Yield the volumes from `first` on, in blocks; each hemisphere's file is read in a thread of its own.

    A file with all volumes in one array is held in memory whole, every other one a volume at a time.

    Parameters
    ----------
    digests
        Get the bytes of each file, as stored.
    block_bytes
        The largest size of a block as float64, unless one volume is larger.

    Yields
    ------
    ndarray of shape (n_volumes_in_block, n_points)
        In the files' type, the vertices of the left hemisphere before those of the right one. Valid until the next
        block is requested.

    Raises
    ------
    BrokenImageError
        A file ends early, is damaged, or does not hold what its header says.
    TooLittleMemoryError
        A file with all volumes in one array is larger than the free memory.
    """
    with ExitStack() as stack:
        all_digests: Sequence[Digest | None] = digests or [None] * len(storage.paths)
        files = zip(storage.hemisphere_paths, storage.n_vertices, all_digests, strict=True)
        hemispheres = [
            GiftiVolumes(path, n_vertices, storage.n_volumes, digest, stack) for path, n_vertices, digest in files
        ]
        dtype = np.result_type(*(hemisphere.dtype for hemisphere in hemispheres))
        n_per_block = max(1, block_bytes // (storage.n_points * max(dtype.itemsize, 8)))
        starts = range(first, storage.n_volumes, n_per_block)
        n_rows = min(n_per_block, storage.n_volumes - first)
        # Two buffers are used in turn, one to compute with while the other is filled.
        buffers = cycle([np.empty((n, storage.n_points), dtype) for n in (n_rows, n_rows if len(starts) > 1 else 0)])
        threads = stack.enter_context(ThreadPoolExecutor(max_workers=len(hemispheres)))

        def start_reading(start: int) -> tuple[np.ndarray, list[Future[None]]]:
            block = next(buffers)[: storage.n_volumes - start]
            parts = np.split(block, np.cumsum(storage.n_vertices)[:-1], axis=1)
            n_skipped = first if start == first else 0
            return block, [
                threads.submit(hemisphere.read, part, n_skipped)
                for hemisphere, part in zip(hemispheres, parts, strict=True)
            ]

        pending = start_reading(first)
        for start in starts[1:]:
            block = _wait(*pending)
            pending = start_reading(start)
            yield block
        yield _wait(*pending)


def _wait(block: np.ndarray, parts: Sequence[Future[None]]) -> np.ndarray:
    """Return a block once all of its parts have been read."""
    for part in parts:
        part.result()
    return block
