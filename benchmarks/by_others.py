"""Averages over parcels of surfaces and grayordinates without niimasker. Usage: by_others.py WAY OUT FILE [FILE ...].

Each way imports what its script would import and no more.
"""

from __future__ import annotations

import sys
import time


def by_numpy(out: str, image: str, atlas: str) -> None:
    """Average a CIFTI series with nibabel and numpy."""
    import nibabel as nib
    import numpy as np

    values = nib.load(image).get_fdata()
    atlas_img = nib.load(atlas)
    keys = np.asarray(atlas_img.dataobj)[0]
    (table,) = atlas_img.header.get_axis(0).label
    used = [key for key in sorted(table) if key != 0]
    means = np.stack([values[:, keys == key].mean(axis=1) for key in used], axis=1)
    names = "\t".join(table[key][0] for key in used)
    np.savetxt(out, means, fmt="%.8f", delimiter="\t", header=names, comments="")


def by_nibabel(out: str, *paths: str) -> None:
    """Average a pair of GIFTI series, all arrays in memory, as nixtract does. Files: two images, two atlases."""
    import nibabel as nib
    import numpy as np
    import pandas as pd

    columns = {}
    for image, atlas in zip(paths[:2], paths[2:], strict=True):
        values = np.stack([array.data for array in nib.load(image).darrays])
        atlas_img = nib.load(atlas)
        keys = atlas_img.darrays[0].data
        names = atlas_img.labeltable.get_labels_as_dict()
        columns |= {names[key]: values[:, keys == key].mean(axis=1) for key in np.unique(keys) if key != 0}
    pd.DataFrame(columns).to_csv(out, sep="\t", index=False, float_format="%.8f")


def by_nilearn(out: str, *paths: str) -> None:
    """Average a pair of GIFTI series with nilearn's masker. Files: two images, two atlases."""
    import numpy as np
    import pandas as pd
    from nilearn.maskers import SurfaceLabelsMasker
    from nilearn.surface import InMemoryMesh, PolyMesh, SurfaceImage, load_surf_data

    # Coordinates and triangles play no part in the means, so that any will do.
    n_vertices = len(load_surf_data(paths[2]))
    mesh = InMemoryMesh(np.zeros((n_vertices, 3)), np.arange(n_vertices - 2)[:, None] + np.arange(3))
    meshes = PolyMesh(left=mesh, right=mesh)
    atlas = SurfaceImage(meshes, {"left": paths[2], "right": paths[3]})
    masker = SurfaceLabelsMasker(atlas, reports=False)
    signals = masker.fit_transform(SurfaceImage(meshes, {"left": paths[0], "right": paths[1]}))
    pd.DataFrame(signals).to_csv(out, sep="\t", index=False, float_format="%.8f")


def print_array_seconds(out: str, *paths: str) -> None:
    """Print how long numpy takes to read files into new arrays."""
    import numpy as np

    start = time.perf_counter()
    for path in paths:
        np.fromfile(path, dtype=np.uint8)
    print(time.perf_counter() - start)


def print_buffer_seconds(out: str, *paths: str) -> None:
    """Print how long it takes to read files into one buffer of 1 MiB."""
    buffer = bytearray(2**20)
    start = time.perf_counter()
    for path in paths:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            while file.readinto(buffer):
                pass
    print(time.perf_counter() - start)


WAYS = {
    "numpy": by_numpy,
    "nibabel": by_nibabel,
    "nilearn": by_nilearn,
    "read_array": print_array_seconds,
    "read_buffer": print_buffer_seconds,
}


if __name__ == "__main__":
    WAYS[sys.argv[1]](*sys.argv[2:])
