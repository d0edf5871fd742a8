"""Write files so that one under its final name is complete."""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from niimasker.errors import OutputError
from niimasker.inputs.images import Grid
from niimasker.kinds import to_path
from niimasker.regions.definitions import Maps, Parcellation, Regions, Seeds
from niimasker.regions.weights import place_regions

REPORTS_FOLDER = "reports"


def report_path(output_dir: Path, output_stem: str) -> Path:
    """Return where a run's page is; the stem may hold folders."""
    return Path(f"{output_dir / REPORTS_FOLDER / output_stem}_report.html")


@contextlib.contextmanager
def replacing(path: Path, suffix: str = ".tmp") -> Iterator[Path]:
    """Give a temporary path beside a file; what is written there replaces the file at the end, or vanishes.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    # In the same folder, so that the replacement is one step of the file system.
    temporary = path.with_name(f".niimasker-{uuid.uuid4().hex}{suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"{path} cannot be written ({reason}); mend that, or give another output_dir.") from error


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON object, UTF-8 and indented; NaN and infinity, which JSON has not, as null."""
    text = json.dumps(_without_nan(content), indent=2, ensure_ascii=False) + "\n"
    with replacing(path) as temporary:
        # A file name that is no Unicode becomes \udcXX, which JSON reads back as Python wrote it.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def _without_nan(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _without_nan(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_without_nan(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def write_image(path: Path, img: nib.spatialimages.SpatialImage) -> None:
    """Write an image; the suffix decides whether it is compressed."""
    with replacing(path, suffix="".join(path.suffixes[-2:])) as temporary:
        nib.save(img, temporary)


def copy_file(source: Path, path: Path) -> None:
    """Copy a file's content."""
    if path.exists() and path.samefile(source):
        return
    with replacing(path) as temporary:
        shutil.copyfile(source, temporary)


def write_regions_used(
    folder: Path, roi_file: str, regions: Regions, grids: Sequence[Grid], *, spheres_name: str
) -> None:
    """Keep the regions beside the results: the file itself, a fetched atlas, and spheres on the first image's grid."""
    roi_path = to_path(roi_file)
    definition = regions.definition
    if roi_path.is_file():
        copy_file(roi_path, folder / roi_path.name)
    elif isinstance(definition, (Parcellation, Maps)):
        values = definition.labels if isinstance(definition, Parcellation) else definition.weights
        img = nib.Nifti1Image(values, definition.grid.matrix)
        write_image(folder / f"{roi_file.replace(':', '-')}.nii.gz", img)
    if isinstance(definition, Seeds) and grids:
        write_image(folder / f"{spheres_name}.nii.gz", spheres_image(regions, grids[0]))


def spheres_image(regions: Regions, grid: Grid) -> nib.Nifti1Image:
    """Return spheres as labels, counted from 1; where spheres overlap the last one shows."""
    matrix = place_regions(regions, grid, None).matrix
    labels = np.zeros(grid.n_voxels, dtype=np.int32)
    for row in range(matrix.shape[0]):
        labels[matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]]] = row + 1
    return nib.Nifti1Image(labels.reshape(grid.shape, order="F"), grid.matrix)
