"""Read the series of grayordinates in blocks of points, unscaled."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from niimasker.inputs.blocks import BLOCK_BYTES, Digest, Rows, iter_rows
from niimasker.inputs.storage import GrayordinateStorage


def iter_series(
    storage: GrayordinateStorage, *, digest: Digest | None = None, block_bytes: int = BLOCK_BYTES
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the series of all points, in blocks.

    CIFTI stores the whole series of one point after the other. A block of volumes would need all of the file.

    Parameters
    ----------
    digest
        Gets the bytes of the whole file, as stored.
    block_bytes
        The largest size of a block as float64, unless one series is larger.

    Yields
    ------
    int
        The block's first point.
    ndarray of shape (n_points_in_block, n_volumes)
        Unscaled, in the file's type. Valid until the next block is requested.

    Raises
    ------
    BrokenImageError
        The file ends early, is damaged, or holds more than its header says.
    """
    rows = Rows(storage, "grayordinates", storage.n_points, storage.n_volumes)
    return iter_rows(rows, digest=digest, block_bytes=block_bytes)
