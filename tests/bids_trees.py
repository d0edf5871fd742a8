"""Folders as fMRIPrep and others of its kind write them, each generation with its own names."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from images import SHAPE, make_labels, make_series, save

LABELS = make_labels((1, 2, 5))
N_VOLUMES = 60
T_R = 2.0
MNI = "_space-MNI152NLin2009cAsym"
T1W = "_space-T1w"
NATIVE = ""

MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
COLUMNS = (*MOTION, "csf", "white_matter", "global_signal", "framewise_displacement", "std_dvars")
FORMER_COLUMNS = ("X", "Y", "Z", "RotX", "RotY", "RotZ", "CSF", "WhiteMatter", "GlobalSignal", "stdDVARS")


@dataclass(frozen=True)
class Generation:
    """How one version names what it writes: {run} is sub-01_task-rest and so on, {space} is _space-T1w or nothing.

    Parameters
    ----------
    beside
        Files that are there too and are no image, table or mask of a run.
    surfaces
        Series of surfaces and grayordinates by their space, left before right.
    """

    image: str
    confounds: str
    mask: str
    beside: tuple[str, ...] = ()
    columns: tuple[str, ...] = COLUMNS
    surfaces: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


_IMAGE, _MASK = "{run}{space}_desc-preproc_bold.nii.gz", "{run}{space}_desc-brain_mask.nii.gz"
_REGRESSORS, _TIMESERIES = "{run}_desc-confounds_regressors.tsv", "{run}_desc-confounds_timeseries.tsv"
_FSLR = "{run}_space-fsLR_den-91k_bold.dtseries.nii"
_BOLDREF = "{run}{space}_boldref.nii.gz"


def _pair(name: str) -> tuple[str, ...]:
    """Return the names of both hemispheres."""
    return name.replace("{hemi}", "L"), name.replace("{hemi}", "R")


GENERATIONS = {
    "1.1": Generation(
        "{run}_bold{space}_preproc.nii.gz",
        "{run}_bold_confounds.tsv",
        "{run}_bold{space}_brainmask.nii.gz",
        (
            "{run}_bold_MELODICmix.tsv",
            "{run}_bold_AROMAnoiseICs.csv",
            "{run}_bold{space}_label-aseg_roi.nii.gz",
            "{run}_bold{space}_variant-smoothAROMAnonaggr_preproc.nii.gz",
        ),
        FORMER_COLUMNS,
        {
            "fsaverage5": _pair("{run}_bold_space-fsaverage5.{hemi}.func.gii"),
            "cifti": ("{run}_bold_space-cifti_variant-space1_preproc.dtseries.nii",),
        },
    ),
    "1.4": Generation(
        _IMAGE,
        _REGRESSORS,
        _MASK,
        (
            _BOLDREF,
            "{run}_desc-MELODIC_mixing.tsv",
            "{run}{space}_desc-smoothAROMAnonaggr_bold.nii.gz",
            "{run}{space}_desc-aseg_dseg.nii.gz",
        ),
        surfaces={
            "fsaverage5": _pair("{run}_space-fsaverage5_hemi-{hemi}.func.gii"),
            "fsnative": _pair("{run}_space-fsnative_hemi-{hemi}.func.gii"),
            "none": ("{run}_bold.dtseries.nii",),
        },
    ),
    "20.2": Generation(
        _IMAGE,
        _TIMESERIES,
        _MASK,
        (
            _BOLDREF,
            "{run}_space-fsLR_den-91k_bold.dtseries.json",
            "{run}_from-scanner_to-T1w_mode-image_xfm.txt",
        ),
        surfaces={"fsaverage": _pair("{run}_space-fsaverage_hemi-{hemi}_bold.func.gii"), "fsLR": (_FSLR,)},
    ),
    "21.0": Generation(
        _IMAGE,
        _TIMESERIES,
        _MASK,
        (
            _BOLDREF,
            "{run}_space-fsLR_den-91k_bold.dtseries.json",
            "{run}{space}_desc-aparcaseg_dseg.nii.gz",
        ),
        surfaces={"fsaverage5": _pair("{run}_space-fsaverage5_hemi-{hemi}_bold.func.gii"), "fsLR": (_FSLR,)},
    ),
    "23.2": Generation(
        _IMAGE,
        _TIMESERIES,
        _MASK,
        (
            _BOLDREF,
            "{run}_space-fsLR_den-91k_bold.json",
            "{run}_desc-hmc_boldref.nii.gz",
            "{run}_desc-coreg_boldref.nii.gz",
            "{run}_desc-confounds_timeseries.json",
        ),
        surfaces={"fsaverage6": _pair("{run}_hemi-{hemi}_space-fsaverage6_bold.func.gii"), "fsLR": (_FSLR,)},
    ),
    "25": Generation(
        _IMAGE,
        _TIMESERIES,
        _MASK,
        (
            _BOLDREF,
            "{run}_space-fsLR_den-91k_bold.json",
            "{run}_part-phase_desc-preproc_bold.nii.gz",
            "{run}_from-boldref_to-T1w_mode-image_desc-coreg_xfm.txt",
            "{run}{space}_T2starmap.nii.gz",
        ),
        surfaces={
            "fsnative": _pair("{run}_hemi-{hemi}_space-fsnative_bold.func.gii"),
            "fsaverage5": _pair("{run}_hemi-{hemi}_space-fsaverage5_bold.func.gii"),
            "fsLR": (_FSLR,),
        },
    ),
}

XCP_D = Generation(
    "{run}{space}_desc-denoised_bold.nii.gz",
    "{run}_desc-confounds_timeseries.tsv",
    _MASK,
    (
        "{run}{space}_desc-denoisedSmoothed_bold.nii.gz",
        "{run}{space}_stat-alff_boldmap.nii.gz",
        "{run}_space-fsLR_seg-4S156Parcels_den-91k_stat-mean_timeseries.ptseries.nii",
        "{run}_motion.tsv",
        "{run}_outliers.tsv",
    ),
    surfaces={"fsLR": ("{run}_space-fsLR_den-91k_desc-denoised_bold.dtseries.nii",)},
)


@dataclass(frozen=True)
class Files:
    """What a version of a run consists of."""

    image: Path
    confounds: Path
    mask: Path


def func_folder(root: Path, run: str) -> Path:
    """Return the folder of a run that is named by its entities: sub-01_ses-1_task-rest."""
    sub, second = run.split("_")[:2]
    return root / sub / second / "func" if second.startswith("ses-") else root / sub / "func"


def name_files(root: Path, run: str, generation: str | Generation = "25", space: str = MNI) -> Files:
    """Return the files of a run; nothing is written. Tables and masks have no echo."""
    names = GENERATIONS[generation] if isinstance(generation, str) else generation
    folder = func_folder(root, run)
    without_echo = "_".join(part for part in run.split("_") if not part.startswith("echo-"))
    return Files(
        folder / names.image.format(run=run, space=space),
        folder / names.confounds.format(run=without_echo, space=space),
        folder / names.mask.format(run=without_echo, space=space),
    )


def touch_tree(
    root: Path, runs: Sequence[str], generation: str | Generation = "25", spaces: Sequence[str] = (MNI,)
) -> list[Files]:
    """Make empty files for each run in each space, with all that lies beside them; return images, tables and masks."""
    names = GENERATIONS[generation] if isinstance(generation, str) else generation
    found = []
    for run in runs:
        for space in spaces:
            files = name_files(root, run, generation, space)
            others = [files.image.with_name(name.format(run=run, space=space)) for name in names.beside]
            for path in (files.image, files.confounds, files.mask, *others):
                touch(path)
            found.append(files)
    return found


def touch_surfaces(root: Path, runs: Sequence[str], generation: str | Generation, space: str) -> list[list[Path]]:
    """Make empty series of surfaces or grayordinates of each run in one space; return the files of each run."""
    names = (GENERATIONS[generation] if isinstance(generation, str) else generation).surfaces[space]
    return [[touch(func_folder(root, run) / name.format(run=run)) for name in names] for run in runs]


def touch(path: Path) -> Path:
    """Make an empty file, and its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def write_tree(
    root: Path, runs: Sequence[str], generation: str | Generation = "25", spaces: Sequence[str] = (MNI,)
) -> list[Files]:
    """Write small runs that differ, each with a mask and confounds of its own; return their files."""
    names = GENERATIONS[generation] if isinstance(generation, str) else generation
    found = touch_tree(root, runs, generation, spaces)
    for number, files in enumerate(found):
        write_image(files.image, number)
        write_confounds(files.confounds, number, names.columns)
        save(files.mask, make_brain(number))
    return found


def write_image(path: Path, number: int, n_volumes: int = N_VOLUMES) -> Path:
    """Write an image whose voxels differ within each region, so that masks count, and over time."""
    place = np.arange(SHAPE[2])[:, None]
    noise = np.random.default_rng(number).normal(size=n_volumes).round(3)
    values = make_series(LABELS, n_volumes) + place + noise
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(f"{path.name.split('.')[0]}.json").write_text(json.dumps({"RepetitionTime": T_R}))
    return save(path, values.astype(np.float32), t_r=T_R)


def make_brain(number: int) -> np.ndarray:
    """Return a mask that leaves out another part of each region, by a number below 6."""
    brain = np.ones(SHAPE, dtype=np.uint8)
    brain[:, :, : 1 + number % 6] = 0
    return brain


def write_confounds(path: Path, number: int, columns: Sequence[str] = COLUMNS, n_rows: int = N_VOLUMES) -> Path:
    """Write a table; its framewise displacement is the run's number + 1 over 100, but in two volumes."""
    values = np.random.default_rng(100 + number).normal(size=(n_rows, len(columns))).round(4)
    table = dict(zip(columns, values.T, strict=True))
    # In radians.
    table |= {name: table[name] / 100 for name in ("rot_x", "rot_y", "rot_z", "RotX", "RotY", "RotZ") if name in table}
    if "framewise_displacement" in table:
        table["framewise_displacement"] = np.full(n_rows, (number + 1) / 100)
        table["std_dvars"] = np.ones(n_rows)
        table["framewise_displacement"][[9, 10]] = 2.0
    lines = ["\t".join(table), *("\t".join(f"{value:g}" for value in row) for row in zip(*table.values(), strict=True))]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def mark_unsteady(path: Path) -> None:
    """Add the column by which fMRIPrep marks the first volume as not yet in the steady state."""
    header, *rows = path.read_text().splitlines()
    marked = [f"{row}\t{int(place == 0)}" for place, row in enumerate(rows)]
    path.write_text("\n".join([f"{header}\tnon_steady_state_outlier00", *marked]) + "\n")


def write_parcellation(path: Path, number: int) -> Path:
    """Write a label image that differs from one number to the next."""
    labels = LABELS.copy()
    labels[:, :, : 1 + number] = 0
    return save(path, labels)


def to_annex(root: Path) -> None:
    """Put the content of every file into .git/annex, and a link in its place, as DataLad has them."""
    for number, path in enumerate(sorted(path for path in root.rglob("*") if path.is_file())):
        stored = root / ".git/annex/objects" / f"{number:03}" / f"MD5E-s1--{number:032}{''.join(path.suffixes)}"
        stored.parent.mkdir(parents=True, exist_ok=True)
        path.rename(stored)
        path.symlink_to(Path(*[".."] * len(path.parent.relative_to(root).parts), stored.relative_to(root)))
