"""Made-up images and atlases for the benchmarks: noise in a brain-shaped mask on the 2 mm grid of fMRIPrep."""

from __future__ import annotations

import gzip
from collections.abc import Collection
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from nilearn.datasets import load_mni152_brain_mask
from nilearn.image import resample_img
from scipy import ndimage
from scipy.spatial import KDTree

SHAPE = (97, 115, 97)
AFFINE = np.array([[2.0, 0, 0, -96], [0, 2, 0, -132], [0, 0, 2, -78], [0, 0, 0, 1]])
# The 2 mm grid of the Schaefer atlas, with the first axis from right to left.
ATLAS_SHAPE = (91, 109, 91)
ATLAS_AFFINE = np.array([[-2.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])
SMALL_SHAPE = (20, 24, 20)
T_R = 2.0


def make_data(folder: Path, names: Collection[str] | None = None) -> None:
    """Write every file that does not exist yet; the images take a minute.

    Parameters
    ----------
    names
        The files that are wanted; all by default.
    """
    folder.mkdir(parents=True, exist_ok=True)
    makers = {
        "bold_200.nii.gz": lambda path: write_series(path, 200, seed=0),
        "bold_800.nii.gz": lambda path: write_series(path, 800, seed=1),
        "regions_100.nii.gz": lambda path: write_parcellation(path, 100, np.float32, ATLAS_SHAPE, ATLAS_AFFINE),
        "regions_400.nii.gz": lambda path: write_parcellation(path, 400, np.int16, SHAPE, AFFINE),
        "spheres_264.tsv": lambda path: write_seeds(path, 264),
        "maps_64.nii.gz": lambda path: write_maps(path, 64),
        "mask_2000.nii.gz": lambda path: write_mask(path, 2000),
        "mask_20000.nii.gz": lambda path: write_mask(path, 20_000),
        "small_bold_1200.nii.gz": lambda path: write_small_series(path, 1200),
        "small_regions_400.nii.gz": write_small_parcellation,
        "confounds_200.tsv": lambda path: write_confounds(path, 200),
        "confounds_1200.tsv": lambda path: write_confounds(path, 1200),
        **{
            f"regions_{n}.nii.gz": lambda path, n=n: write_parcellation(path, n, np.int16, SHAPE, AFFINE)
            for n in (110, 210, 310, 410)
        },
    }
    for name, make in makers.items():
        if (names is None or name in names) and not (folder / name).exists():
            temporary = folder / f"making_{name}"
            make(temporary)
            temporary.rename(folder / name)


def brain(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    """Return the brain mask of the template on a grid."""
    template = load_mni152_brain_mask(resolution=2)
    img = resample_img(template, target_affine=affine, target_shape=shape, interpolation="nearest")
    return np.asarray(img.dataobj) > 0


def write_series(path: Path, n_volumes: int, seed: int) -> None:
    """Write float32 noise over a baseline inside the brain, zeros outside, volume by volume."""
    rng = np.random.default_rng(seed)
    inside = brain(SHAPE, AFFINE).ravel(order="F")
    baseline = rng.uniform(5000, 15000, inside.sum()).astype(np.float32)
    header = nib.Nifti1Header()
    header.set_data_dtype(np.float32)
    header.set_data_shape((*SHAPE, n_volumes))
    header.set_zooms((2, 2, 2, T_R))
    header.set_xyzt_units("mm", "sec")
    header.set_sform(AFFINE, code="mni")
    header["vox_offset"] = 352
    header["magic"] = b"n+1"
    with gzip.open(path, "wb", compresslevel=1) as file:  # the level that nibabel uses
        file.write(header.binaryblock + b"\0" * 4)
        volume = np.zeros(len(inside), dtype=np.float32)
        for _ in range(n_volumes):
            volume[inside] = baseline + rng.standard_normal(len(baseline), dtype=np.float32) * 100
            file.write(volume.tobytes())


def write_small_series(path: Path, n_volumes: int) -> None:
    """Write a long run of few voxels, so that the cost of its report depends only on regions and volumes."""
    values = np.random.default_rng(0).normal(10_000, 100, (*SMALL_SHAPE, n_volumes)).astype(np.float32)
    img = nib.Nifti1Image(values, AFFINE)
    img.header.set_zooms((2, 2, 2, T_R))
    img.header.set_xyzt_units("mm", "sec")
    nib.save(img, path)


def write_small_parcellation(path: Path) -> None:
    """Write a parcellation of 400 small regions."""
    labels = np.arange(np.prod(SMALL_SHAPE)).reshape(SMALL_SHAPE) % 400 + 1
    nib.save(nib.Nifti1Image(labels.astype(np.int16), AFFINE), path)


def write_confounds(path: Path, n_volumes: int) -> None:
    """Write a confounds table like that of fMRIPrep, with 24 regressors and two measures of motion."""
    rng = np.random.default_rng(0)
    motion = {f"motion_{n:02d}": rng.normal(size=n_volumes).cumsum() for n in range(24)}
    measures = {"framewise_displacement": rng.gamma(2, 0.1, n_volumes), "std_dvars": rng.gamma(20, 0.05, n_volumes)}
    pd.DataFrame({**motion, **measures}).to_csv(path, sep="\t", index=False)


def write_parcellation(path: Path, n_regions: int, dtype: type, shape: tuple[int, ...], affine: np.ndarray) -> None:
    """Write a parcellation of the brain in which each region is the voxels nearest to a random centre."""
    labels = np.zeros(shape, dtype=dtype)
    voxels = np.argwhere(brain(shape, affine))
    centres = np.random.default_rng(n_regions).choice(voxels, n_regions, replace=False)
    labels[tuple(voxels.T)] = KDTree(centres).query(voxels)[1] + 1
    nib.save(nib.Nifti1Image(labels, affine), path)


def write_seeds(path: Path, n_seeds: int) -> None:
    """Write coordinates of voxels inside the brain, more than 13 mm apart, so that spheres of 6 mm do not overlap."""
    inside = ndimage.binary_erosion(brain(SHAPE, AFFINE), iterations=3)
    candidates = nib.affines.apply_affine(AFFINE, np.random.default_rng(0).permutation(np.argwhere(inside)))
    chosen: list[np.ndarray] = []
    for candidate in candidates:
        if all(np.linalg.norm(candidate - other) > 13 for other in chosen):
            chosen.append(candidate)
        if len(chosen) == n_seeds:
            break
    pd.DataFrame(chosen, columns=["x", "y", "z"]).to_csv(path, sep="\t", index=False)


def write_maps(path: Path, n_maps: int) -> None:
    """Write overlapping Gaussian maps, set to 0 outside the brain and below a tenth of their peak."""
    inside = brain(SHAPE, AFFINE)
    voxels = np.argwhere(inside)
    maps = np.zeros((*SHAPE, n_maps), dtype=np.float32)
    for n, centre in enumerate(np.random.default_rng(0).choice(voxels, n_maps, replace=False)):
        blob = np.exp(-np.sum((voxels - centre) ** 2, axis=1) / (2 * 10.0**2))
        maps[(*voxels.T, np.full(len(voxels), n))] = np.where(blob > 0.1, blob, 0)
    nib.save(nib.Nifti1Image(maps, AFFINE), path)


def write_mask(path: Path, n_voxels: int) -> None:
    """Write a mask of the voxels nearest to one voxel in the left hemisphere."""
    voxels = np.argwhere(brain(SHAPE, AFFINE))
    _, nearest = KDTree(voxels).query([30, 60, 45], n_voxels)
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[tuple(voxels[nearest].T)] = 1
    nib.save(nib.Nifti1Image(mask, AFFINE), path)
