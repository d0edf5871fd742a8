"""The files that tedana, fMRIPrep and fMRIPost-AROMA write about the components of an ICA."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

N_VOLUMES = 80
N_COMPONENTS = 8
# Component numbers, counted from 1.
REJECTED = (2, 3, 7)
ACCEPTED = (1, 4, 5, 6, 8)

TEDANA_MIXING, TEDANA_METRICS = "sub-1_desc-ICA_mixing.tsv", "sub-1_desc-tedana_metrics.tsv"
FMRIPREP, FMRIPREP_MIXING = "sub-1_desc-confounds_timeseries.tsv", "sub-1_desc-MELODIC_mixing.tsv"
NOISE_COMPONENTS = "sub-1_AROMAnoiseICs.csv"
FMRIPOST, FMRIPOST_METRICS = "sub-1_desc-aroma_timeseries.tsv", "sub-1_desc-aroma_metrics.tsv"
FMRIPOST_MIXING = "sub-1_space-MNI152NLin6Asym_res-2_desc-melodic_mixing.tsv"


def make_mixing(n_volumes: int = N_VOLUMES, n_components: int = N_COMPONENTS, seed: int = 0) -> np.ndarray:
    """Return z-scored components that are correlated with each other, as those of a spatial ICA are."""
    rng = np.random.default_rng(seed)
    sources = rng.normal(size=(n_volumes, n_components)).cumsum(axis=0)
    mixing = sources + 0.5 * sources @ rng.normal(size=(n_components, n_components))
    return np.asarray((mixing - mixing.mean(axis=0)) / mixing.std(axis=0))


def write_table(path: Path, columns: Mapping[str, np.ndarray]) -> Path:
    pd.DataFrame(dict(columns)).to_csv(path, sep="\t", index=False)
    return path


def write_mixing(path: Path, mixing: np.ndarray) -> Path:
    """Write a mixing matrix without a header, as fMRIPrep and fMRIPost-AROMA do."""
    np.savetxt(path, mixing, delimiter="\t")
    return path


def write_tedana(folder: Path, mixing: np.ndarray, classes: Mapping[int, str] | None = None) -> Path:
    """Write tedana's mixing table, and its table of metrics.

    Parameters
    ----------
    classes
        By component number; the others are ignored.
    """
    labels = dict.fromkeys(ACCEPTED, "accepted") | dict.fromkeys(REJECTED, "rejected")
    if classes is not None:
        labels = dict.fromkeys(range(1, mixing.shape[1] + 1), "ignored") | dict(classes)
    rows = [f"ICA_{number - 1:02d}\t{30.5 - number}\t{label}" for number, label in sorted(labels.items())]
    (folder / TEDANA_METRICS).write_text("\n".join(["Component\tkappa\tclassification", *rows]) + "\n", "utf-8")
    return write_table(folder / TEDANA_MIXING, {f"ICA_{number:02d}": column for number, column in enumerate(mixing.T)})


def write_fmriprep(folder: Path, mixing: np.ndarray, rejected: tuple[int, ...] = REJECTED) -> Path:
    """Write what fMRIPrep before 23.1 writes with --use-aroma, and a column csf."""
    write_mixing(folder / FMRIPREP_MIXING, mixing)
    (folder / NOISE_COMPONENTS).write_text(",".join(map(str, rejected)), "utf-8")
    columns = {f"aroma_motion_{number:02d}": mixing[:, number - 1] for number in rejected}
    csf = np.random.default_rng(9).normal(size=len(mixing))
    return write_table(folder / FMRIPREP, {"csf": csf, **columns})


def write_fmripost(folder: Path, mixing: np.ndarray, rejected: tuple[int, ...] = REJECTED) -> Path:
    """Write what fMRIPost-AROMA writes, which orthogonalises the rejected components over all volumes itself."""
    write_mixing(folder / FMRIPOST_MIXING, mixing)
    numbers = range(1, mixing.shape[1] + 1)
    rows = [f"0.{number}\t{'rejected' if number in rejected else 'accepted'}\t" for number in numbers]
    (folder / FMRIPOST_METRICS).write_text("\n".join(["HFC\tclassification\trationale", *rows]) + "\n", "utf-8")
    columns = {f"aroma_motion_{number:02d}": mixing[:, number - 1] for number in rejected}
    accepted = mixing[:, [number - 1 for number in numbers if number not in rejected]]
    noise = np.column_stack(list(columns.values()))
    residuals = noise - accepted @ np.linalg.lstsq(accepted, noise, rcond=None)[0]
    columns |= {f"aroma_orth_motion_{number:02d}": column for number, column in zip(rejected, residuals.T, strict=True)}
    return write_table(folder / FMRIPOST, columns)
