"""Write the made-up data of pipelines.py that do not exist yet. Usage: pipeline_data.py FOLDER RUNS."""

from __future__ import annotations

import sys
from pathlib import Path

import nibabel as nib
import numpy as np
from data import T_R, make_data
from fmriprep_tables import write_fmriprep_table
from pipeline_names import ATLASES, IMAGE, LINKED, MOVED_TABLE, N_VOLUMES, SMALL, SMALL_ATLAS, TABLE

SMALL_SHAPE = (16, 18, 14)
N_SMALL_REGIONS = 20


def main(folder: Path, n_runs: int) -> None:
    """Write the image of the other benchmarks, with tables of fMRIPrep, and small runs."""
    make_data(folder, [IMAGE, *ATLASES])
    write_fmriprep_table(folder / TABLE, N_VOLUMES)
    write_fmriprep_table(folder / MOVED_TABLE, N_VOLUMES, is_steady=False)
    # nilearn finds the table of an image by fMRIPrep's names.
    if not (folder / LINKED).exists():
        (folder / LINKED).symlink_to(IMAGE)
    write_small_runs(folder / SMALL, n_runs)


def write_small_runs(folder: Path, n_runs: int) -> None:
    """Write runs of noise on a small grid, each with a table of its own, and an atlas."""
    folder.mkdir(exist_ok=True)
    affine = np.diag([3.0, 3, 3, 1])
    rng = np.random.default_rng(0)
    labels = np.zeros(SMALL_SHAPE, dtype=np.int16)
    labels[2:-2, 2:-2, 2:-2] = rng.integers(1, N_SMALL_REGIONS + 1, tuple(n - 4 for n in SMALL_SHAPE))
    nib.save(nib.Nifti1Image(labels, affine), folder / SMALL_ATLAS)
    for number in range(n_runs):
        stem = f"sub-{number:02}_task-rest"
        img = nib.Nifti1Image(rng.normal(1000, 10, (*SMALL_SHAPE, N_VOLUMES)).astype(np.float32), affine)
        img.header.set_zooms((3, 3, 3, T_R))
        img.header.set_xyzt_units("mm", "sec")
        nib.save(img, folder / f"{stem}_desc-preproc_bold.nii")
        write_fmriprep_table(folder / f"{stem}_desc-confounds_timeseries.tsv", N_VOLUMES)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
