"""From volumes and weights to one raw signal per region, and how much of each region it stands on."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import nibabel as nib
import numpy as np

from niimasker.errors import RegionsError, warn
from niimasker.inputs.images import ImageSeries, load_volumes
from niimasker.regions.maskers import make_masker
from niimasker.regions.weights import RegionWeights
from niimasker.signals.timeline import Timeline


@dataclass(frozen=True)
class Signals:
    """Raw signals of a run's kept volumes.

    Parameters
    ----------
    values
        In the image's units, of shape (n_kept, n_regions), float64; NaN for a region without voxels.
    n_valid
        Voxels of each region that are finite and not constant over time, of shape (n_regions,).
    tsnr
        Mean over those voxels of temporal mean by temporal standard deviation, of shape (n_regions,).
    """

    values: np.ndarray
    n_valid: np.ndarray
    tsnr: np.ndarray


def extract_signals(
    series: ImageSeries, timeline: Timeline, weights: RegionWeights, *, smoothing_fwhm: float | None
) -> Signals:
    """Return the regions' signals by nilearn's own masker.

    Raises
    ------
    ImageError
        The image is broken.
    RegionsError
        No region has a voxel in this image.
    """
    if not weights.filled.any():
        reasons = ", ".join(sorted(set(weights.status))) or "the mask has no voxel on the image's grid"
        raise RegionsError(f"{series.path.name}: no region is left ({reasons}); are image and regions in one space?")
    volumes_img = load_volumes(series, timeline.n_discarded)
    volumes = np.asarray(volumes_img.dataobj)
    is_finite = np.isfinite(volumes).all(axis=-1)
    if not is_finite.all():
        warn(f"{np.count_nonzero(~is_finite)} voxels hold NaN or infinite values; those values count as 0.")
        volumes = np.nan_to_num(volumes, nan=0.0, posinf=0.0, neginf=0.0)
        volumes_img = nib.Nifti1Image(volumes, weights.grid.matrix)
    n_valid, tsnr = _describe_voxels(volumes, is_finite, weights)
    values = np.full((timeline.n_kept, len(weights.names)), np.nan)
    values[:, weights.filled] = _transform(volumes_img, weights, smoothing_fwhm)
    return Signals(values, n_valid, tsnr)


def _transform(volumes_img: nib.Nifti1Image, weights: RegionWeights, smoothing_fwhm: float | None) -> np.ndarray:
    masker = make_masker(weights, smoothing_fwhm=smoothing_fwhm)
    with warnings.catch_warnings():
        # What nilearn says of emptied regions, overlaps and defaults to come is said here already, by name.
        warnings.simplefilter("ignore")
        return np.asarray(masker.fit_transform(volumes_img), dtype=np.float64)


def _describe_voxels(
    volumes: np.ndarray, is_finite: np.ndarray, weights: RegionWeights
) -> tuple[np.ndarray, np.ndarray]:
    members = weights.matrix.copy()
    members.data = np.ones_like(members.data)
    used = np.unique(members.indices)
    ijk = np.unravel_index(used, weights.grid.shape, order="F")
    series = volumes[ijk]
    means, deviations = series.mean(axis=1), series.std(axis=1)
    # A constant voxel's standard deviation is rounding noise of its mean, not 0.
    is_valid = is_finite[ijk] & (np.ptp(series, axis=1) > 0)
    tsnr = np.divide(means, deviations, out=np.zeros_like(means), where=is_valid)
    members = members[:, used]
    n_valid = (members @ is_valid.astype(np.float64)).round().astype(int)
    totals = members @ tsnr
    return n_valid, np.divide(totals, n_valid, out=np.full(len(totals), np.nan), where=n_valid > 0)
