"""The files that runs and regions are read from."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib

from niimasker.errors import RegionsError
from niimasker.inputs.aroma import ORTHOGONAL
from niimasker.inputs.gifti.arrays import list_external_files
from niimasker.inputs.melodic import find_melodic
from niimasker.inputs.runs import RegionFiles, Run, has_own_atlases, has_own_mask
from niimasker.inputs.tedana import find_metrics
from niimasker.options.settings import Settings
from niimasker.regions.loading import find_names_paths
from niimasker.regions.roi_files import list_roles, parse_mask, parse_roi_file

IMAGE, HEADER, IMAGE_VALUES, IMAGE_JSON = "image", "image's header", "image's values", "image's JSON"


def list_run_files(run: Run, settings: Settings) -> dict[str, Path]:
    """Return the files that a run is made from, by their roles; optional ones may be missing."""
    images = {**_number(IMAGE, run.image_paths), **_list_image_files(run.image_path)}
    external = [path for image_path in run.image_paths for path in list_external_files(image_path)]
    images |= _number(IMAGE_VALUES, external)
    paths = {**images, **_number(IMAGE_JSON, run.sidecar_paths)}
    for role, path in _number("confounds", run.confounds_paths).items():
        paths |= {role: path, f"{role}' JSON": path.with_suffix(".json")}
        if metrics_path := find_metrics(path):
            paths[f"{role}' metrics"] = metrics_path
        if f"ica_aroma={ORTHOGONAL}" in settings.regressors and (melodic := find_melodic(path)):
            paths |= {
                f"{role}' mixing matrix": melodic.mixing_path,
                f"{role}' components": melodic.classification_path,
            }
    if run.motion_path is not None:
        paths["motion"] = run.motion_path
    if run.censor_path is not None:
        paths["censor file"] = run.censor_path
    return paths if run.own_regions is None else {**paths, **_list_own_regions(run.own_regions, settings)}


def _number(role: str, paths: Sequence[Path]) -> dict[str, Path]:
    return {role if number == 1 else f"{role} {number}": path for number, path in enumerate(paths, start=1)}


def _list_image_files(image_path: Path) -> dict[str, Path]:
    """Return an image, and its header if that is a file of its own."""
    if not {".hdr", ".img"} & {suffix.lower() for suffix in image_path.suffixes[-2:]}:
        return {IMAGE: image_path}
    file_map = nib.nifti1.Nifti1Pair.filespec_to_file_map(image_path)
    return {IMAGE: Path(file_map["image"].filename), HEADER: Path(file_map["header"].filename)}


def _list_own_regions(own: RegionFiles, settings: Settings) -> dict[str, Path]:
    # If only the mask is the run's own, the atlases are loaded once for all runs.
    paths = _list_regions(own.roi_files, settings) if has_own_atlases(settings) else {}
    return paths if own.mask_path is None else {**paths, **_list_mask(own.mask_path)}


def _list_mask(mask_path: Path) -> dict[str, Path]:
    return list_roles("mask", parse_mask(mask_path))


def _list_regions(roi_files: Sequence[str], settings: Settings) -> dict[str, Path]:
    paths: dict[str, Path] = {}
    for number, text in enumerate(roi_files, start=1):
        paths |= list_roles(f"regions {number}", parse_roi_file(text))
    # Two tables that fit equally well are an error where the names are read.
    with contextlib.suppress(RegionsError):
        names_paths = find_names_paths(roi_files, settings.labels)
        paths |= {f"names of regions {number}": path for number, path in enumerate(names_paths, start=1) if path}
    return paths


def list_shared_regions(settings: Settings) -> dict[str, Path]:
    """Return the files of the regions, names and mask that all runs share, by their roles."""
    if has_own_atlases(settings):
        return {}
    paths = _list_regions(settings.roi_file, settings)
    # With --as_voxels the mask is not used.
    if settings.mask_img is None or settings.as_voxels or has_own_mask(settings):
        return paths
    return {**paths, **_list_mask(settings.mask_img)}
