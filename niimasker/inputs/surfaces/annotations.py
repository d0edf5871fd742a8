"""Read FreeSurfer's annotations (.annot): a region for each vertex, and the table of the regions' names."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from niimasker.errors import BrokenImageError, ImageError, warn
from niimasker.inputs.gifti.files import GiftiData
from niimasker.inputs.images import check_is_file

# Of the table of regions; FreeSurfer's longest has 14,175 of about 60 bytes.
_MAX_TABLE_BYTES = 2**24
_TABLE_VERSION = 2


class _BrokenAnnotationError(ValueError):
    """An annotation is damaged; the message is the reason, without the file's name."""


class _Cursor:
    """Reads the parts of a table of regions one after the other."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._position = 0

    def read(self, n_bytes: int) -> bytes:
        """Return the next bytes."""
        part = self._content[self._position : self._position + n_bytes]
        if not 0 <= n_bytes == len(part):
            raise _BrokenAnnotationError("its table of regions ends early")
        self._position += n_bytes
        return part

    def read_number(self) -> int:
        """Return the next number."""
        return int(struct.unpack(">i", self.read(4))[0])

    def read_text(self) -> str:
        """Return the next text, which follows its length."""
        return self.read(self.read_number()).split(b"\0")[0].decode("utf-8", "replace")


def read_annotation(path: Path) -> GiftiData:
    """Return an annotation of FreeSurfer: the index of each vertex's region in the file's table.

    Returns
    -------
    GiftiData
        `values` are of shape (n_vertices, 1), int32, and -1 where a vertex has no region. `labels` holds the names by
        index, those of regions without vertices too. The file does not say its hemisphere, so `structure` is None.

    Raises
    ------
    ImageError
        The file does not exist, or has no table of regions.
    BrokenImageError
        The file is damaged.
    """
    check_is_file(path, "a FreeSurfer annotation")
    try:
        annotations, table = _read_parts(path)
        entries = None if table is None else _read_table(_Cursor(table))
    except (_BrokenAnnotationError, OSError) as error:
        raise BrokenImageError(
            f"{path}: cannot be read as a FreeSurfer annotation ({error}); fetch or make it again."
        ) from error
    if entries is None:
        raise ImageError(f"{path}: an annotation without a table of regions; make it with one, as mris_ca_label does.")
    # The first of several regions with the same color, as in FreeSurfer.
    indices_by_color = {color: index for index, (_, color) in reversed(entries.items())}
    indices = _find_indices(annotations, indices_by_color)
    if n_unknown := np.count_nonzero((indices < 0) & (annotations != 0)):
        warn(f"{path}: vertices with a color that its table of regions does not have: {n_unknown}; they are left out.")
    labels = {index: name for index, (name, _) in sorted(entries.items())}
    return GiftiData(path, indices[:, np.newaxis], ("",), labels, None, ("LABEL",))


def _read_parts(path: Path) -> tuple[np.ndarray, bytes | None]:
    """Return the color of each vertex as one number, and the table of regions, None if there is none."""
    n_bytes = path.stat().st_size
    with path.open("rb") as file:
        n_vertices = _Cursor(file.read(4)).read_number() if n_bytes >= 4 else 0
        if n_vertices < 1 or 4 + 8 * n_vertices > n_bytes:
            n_most = max(0, n_bytes - 4) // 8
            raise _BrokenAnnotationError(f"it says {n_vertices:,} vertices, its size allows {n_most:,} at most")
        pairs = np.frombuffer(file.read(8 * n_vertices), dtype=">i4").reshape(n_vertices, 2)
        rest = file.read(_MAX_TABLE_BYTES)
    vertices = pairs[:, 0]
    if not np.array_equal(np.sort(vertices), np.arange(n_vertices)):
        raise _BrokenAnnotationError(f"it does not give each of its {n_vertices:,} vertices once")
    annotations = np.zeros(n_vertices, dtype=np.int32)
    annotations[vertices] = pairs[:, 1]
    has_table = len(rest) >= 4 and _Cursor(rest).read_number() != 0
    return annotations, rest[4:] if has_table else None


def _read_table(cursor: _Cursor) -> dict[int, tuple[str, int]]:
    """Return the name and the color, as one number, of each region by its index."""
    n_entries = version = cursor.read_number()
    is_old = n_entries > 0
    if not is_old:
        if version != -_TABLE_VERSION:
            raise _BrokenAnnotationError(f"its table of regions is of version {-version}, not {_TABLE_VERSION}")
        cursor.read_number()  # one more than the highest index
    cursor.read_text()  # the file that the table was taken from
    if not is_old:
        n_entries = cursor.read_number()
    entries = {}
    for place in range(n_entries):
        # The old table holds all indices. In the new one some may be left out, so that an entry states its own.
        index = place if is_old else cursor.read_number()
        name = cursor.read_text()
        red, green, blue, _ = (cursor.read_number() for _ in range(4))
        entries[index] = (name, red + (green << 8) + (blue << 16))
    return entries


def _find_indices(annotations: np.ndarray, indices_by_color: dict[int, int]) -> np.ndarray:
    """Return the index that each vertex's color has in the table, -1 for no color and for one that it does not have."""
    colors, places = np.unique(annotations, return_inverse=True)
    found = [-1 if color == 0 else indices_by_color.get(color, -1) for color in colors.tolist()]
    return np.array(found, dtype=np.int32)[places]
