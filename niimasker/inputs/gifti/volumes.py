"""The volumes of a GIFTI file in their order: one array per volume, or one array of all volumes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from niimasker.errors import BrokenImageError
from niimasker.inputs.blocks import Digest
from niimasker.inputs.gifti.arrays import ArrayDescription, decode_array, describe_array
from niimasker.inputs.gifti.checks import check_arrays, check_intent
from niimasker.inputs.gifti.content import BrokenGiftiError
from niimasker.inputs.gifti.reader import GiftiReader, open_gifti
from niimasker.inputs.images import check_memory

# The text of an array, its compressed values and its values are in memory at once.
_COPIES_PER_ARRAY = 3

# Vertices of which a stretch of volumes stays in the processor's cache, where each vertex's series is contiguous.
_VERTICES_PER_PART = 2048


class GiftiVolumes:
    """Reads the volumes of a file one after the other.

    A file with all volumes in one array is held in memory whole, any other one a volume at a time.

    Parameters
    ----------
    n_vertices, n_volumes
        What the header has said.
    digest
        Gets the bytes of the file, as stored.
    stack
        Closes the file.

    Raises
    ------
    BrokenImageError
        The file is damaged, or does not hold what its header has said.
    """

    def __init__(self, path: Path, n_vertices: int, n_volumes: int, digest: Digest | None, stack: ExitStack) -> None:
        self._path = path
        self._n_volumes = n_volumes
        self._n_read = 0
        self._all_volumes: np.ndarray | None = None
        with self._describe_errors():
            self._reader: GiftiReader = stack.enter_context(open_gifti(path, digest))
            first = self._find_array()
            if first is None or first.shape not in ((n_vertices,), (n_vertices, n_volumes)):
                raise BrokenGiftiError("its first array is no longer as it was")
            check_arrays(path, first, 1)
            self._first = first
            self._next: ArrayDescription | None = first

    @property
    def dtype(self) -> np.dtype:
        """The type of the values, in this machine's byte order."""
        return self._first.dtype.newbyteorder("=")

    def read(self, rows: np.ndarray, n_skipped: int = 0) -> None:
        """Read the next volumes into an array of shape (n_volumes, n_vertices).

        Parameters
        ----------
        n_skipped
            Volumes before them that are not used; they are checked like the others.
        """
        with self._describe_errors():
            if len(self._first.shape) > 1:
                self._copy_volumes(rows, n_skipped)
            else:
                for _ in range(n_skipped):
                    self._read_volume()
                for row in rows:
                    row[:] = self._read_volume()
            if self._n_read == self._n_volumes and self._find_array() is not None:
                raise BrokenGiftiError("the file holds more after the last volume")

    def _find_array(self) -> ArrayDescription | None:
        """Return the next array's description, None after the last one."""
        element = self._reader.next_array()
        if element is None:
            return None
        description = describe_array(element.attributes)
        check_intent(self._path, description.intent)
        return description

    def _read_volume(self) -> np.ndarray:
        description, self._next = self._next or self._find_array(), None
        if description is None:
            raise BrokenGiftiError("the file holds no more")
        first = self._first
        if (description.shape, description.dtype.name) != (first.shape, first.dtype.name):
            shown = [f"{'x'.join(map(str, each.shape))} {each.dtype.name}" for each in (description, first)]
            raise BrokenGiftiError(f"the next array is of {shown[0]}, the first one of {shown[1]}")
        values = self._decode(description)
        self._n_read += 1
        return values

    def _copy_volumes(self, rows: np.ndarray, n_skipped: int) -> None:
        if self._all_volumes is None:
            n_bytes = _COPIES_PER_ARRAY * self._first.n_bytes
            way_out = "store one array per volume, as fMRIPrep and Workbench do"
            check_memory(self._path, "reading it, all volumes in one array,", n_bytes, way_out=way_out)
            self._all_volumes = self._decode(self._first)
        begin = self._n_read + n_skipped
        end = self._n_read = begin + len(rows)
        for part in range(0, rows.shape[1], _VERTICES_PER_PART):
            vertices = slice(part, part + _VERTICES_PER_PART)
            rows[:, vertices] = self._all_volumes[vertices, begin:end].T

    def _decode(self, description: ArrayDescription) -> np.ndarray:
        return decode_array(description, self._reader.read_text(description.max_text_bytes), self._path.parent)

    @contextmanager
    def _describe_errors(self) -> Iterator[None]:
        try:
            yield
        except BrokenGiftiError as error:
            raise BrokenImageError(
                f"{self._path}: broken: its header says {self._n_volumes} volumes, {self._n_read} could be read "
                f"({error}); fetch or make it again."
            ) from error
