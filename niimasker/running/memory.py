"""The number of worker processes that the cores and the memory of the machine allow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import joblib
import numpy as np

from niimasker.errors import warn
from niimasker.inputs.blocks import BLOCK_BYTES
from niimasker.inputs.free_memory import free_bytes
from niimasker.regions.definitions import Parcellation, PointLabels, Regions
from niimasker.regions.placing.weights import RegionWeights
from niimasker.signals.point_samples import MAX_POINTS
from niimasker.study.plans import Plan
from niimasker.study.preparation import Study

# Python with numpy, scipy, pandas, nilearn and the libraries of a report; 260 MB were measured.
_PROCESS_BYTES = 300 * 2**20
# Two blocks as stored on disk, one in float64, and the products and means of them.
_N_BLOCKS = 4
# Copies of the signals: raw, filtered, cleaned, their confounds, and text.
_N_SIGNALS = 6
# Sums and sums of squares of each point, and flags.
_N_SUMS = 2.125
# Copies of a sample of points in float64: before and after cleaning, filtered, standardised, and changes over time.
_N_SAMPLES = 6
# nilearn's maskers hold the image, a smoothed or masked copy, and a transposed one; 3.5 were measured.
_N_NILEARN_IMAGES = 4
# What this process takes later, for the summary, pages and the group; 60 MB were measured.
_OWN_BYTES = 100 * 2**20


def count_processes(n_jobs: int, study: Study, placement_bytes: int, n_columns: int) -> int:
    """Return the number of worker processes: n_jobs itself, or for -1 one per core as far as the memory allows.

    It is 0 where the memory does not hold this process and another one; with a timeout it is 1 at least.

    Parameters
    ----------
    placement_bytes
        The size of the weights of the regions on the first space.
    n_columns
        The number of columns of all tables of a run.
    """
    if n_jobs != -1:
        return n_jobs
    n_cores: int = joblib.cpu_count()
    needed = max(process_bytes(plan, study, placement_bytes, n_columns) for plan in study.plans) if study.plans else 1
    free = max(0, free_bytes() - own_bytes())
    n_fitting = max(0 if study.settings.timeout is None else 1, free // needed)
    if n_fitting >= n_cores:
        return n_cores
    warn(
        f"--n_jobs -1 uses {max(1, n_fitting)} of {n_cores} cores: a process needs about {needed / 1e9:.1f} GB, "
        f"and {free / 1e9:.1f} GB of memory are free."
    )
    return n_fitting


def own_bytes() -> int:
    """Return an estimate of the memory that this process will need beyond what it has.

    It may place regions on another space, and then needs as much again as at its peak up to now.
    """
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        peak, used = (int(lines[name].split()[0]) * 1024 for name in ("VmHWM", "VmRSS"))
    except (OSError, KeyError):
        return _OWN_BYTES
    return _OWN_BYTES + max(0, peak - used)


def process_bytes(plan: Plan, study: Study, placement_bytes: int, n_columns: int) -> int:
    """Return an estimate of the memory that a process needs for a run."""
    space, n_volumes = plan.series.space, plan.series.n_volumes
    volume_bytes = space.n_points * 8
    if study.settings.engine == "nilearn":
        image_bytes = _N_NILEARN_IMAGES * volume_bytes * n_volumes
    else:
        image_bytes = _N_BLOCKS * max(volume_bytes, min(BLOCK_BYTES, volume_bytes * n_volumes))
    regions_bytes = placement_bytes * space.n_points // study.spaces[0].n_points
    signals_bytes = 8 * n_columns * n_volumes
    # Each further pipeline may keep other volumes, and then has sums and raw signals of its own.
    n_further = len(study.settings.by_pipeline) - 1
    further_bytes = int(n_further * (_N_SUMS * volume_bytes + signals_bytes))
    sample_bytes = 0 if study.settings.no_report else _N_SAMPLES * 8 * MAX_POINTS * n_volumes
    return _PROCESS_BYTES + image_bytes + regions_bytes + _N_SIGNALS * signals_bytes + further_bytes + sample_bytes


def weights_bytes(weights: Sequence[RegionWeights]) -> int:
    """Return the memory that regions need on a space: their weights, and as much again for products with volumes."""
    matrices = [atlas.matrix for atlas in weights]
    arrays = [array for matrix in matrices for array in (matrix.data, matrix.indices, matrix.indptr)]
    return 2 * sum(int(array.nbytes) for array in arrays)


def count_columns(atlases: Sequence[Regions]) -> int:
    """Return the number of columns in the tables of all atlases, before any mask is applied."""
    return sum(map(_count_atlas_columns, atlases))


def _count_atlas_columns(regions: Regions) -> int:
    if regions.as_voxels and isinstance(regions.definition, (Parcellation, PointLabels)):
        return int(np.count_nonzero(regions.definition.labels))
    return len(regions.names)
