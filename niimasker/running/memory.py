"""How many processes the machine's memory and cores hold."""

from __future__ import annotations

from collections.abc import Sequence

import joblib
import numpy as np

from niimasker.errors import warn
from niimasker.inputs.free_memory import free_bytes
from niimasker.inputs.volumes import BLOCK_BYTES
from niimasker.regions.definitions import Parcellation, Regions
from niimasker.regions.placing.weights import RegionWeights
from niimasker.study.plans import Plan
from niimasker.study.preparation import Study

# Python with numpy, scipy, pandas, nilearn and what a report needs, measured: 260 MB.
_PROCESS_BYTES = 300 * 2**20
# Two blocks as on disk, one in float64, and what products and means of them take.
_BLOCKS = 4
# Of the signals: raw, filtered, cleaned, their confounds, and text.
_SIGNALS = 6
# nilearn's maskers hold the image, a smoothed or masked copy, and a transposed one.
_IMAGES_OF_NILEARN = 3


def count_processes(n_jobs: int, study: Study, placement_bytes: int, n_columns: int) -> int:
    """Return a number of processes: for -1 one per usable core, as many as the memory holds.

    Parameters
    ----------
    placement_bytes
        Of the regions' weights on the first space.
    n_columns
        Of a run's tables of signals.
    """
    if n_jobs != -1:
        return n_jobs
    n_cores: int = joblib.cpu_count()
    each = max(process_bytes(plan, study, placement_bytes, n_columns) for plan in study.plans) if study.plans else 1
    free = free_bytes()
    n_held = max(1, free // each)
    if n_held >= n_cores:
        return n_cores
    warn(
        f"--n_jobs -1 is {n_held} here, not {n_cores}: a process takes about {each / 1e9:.1f} GB, "
        f"and {free / 1e9:.1f} GB are free."
    )
    return n_held


def process_bytes(plan: Plan, study: Study, placement_bytes: int, n_columns: int) -> int:
    """Return about how much memory a process takes for a run."""
    space, n_volumes = plan.series.space, plan.series.n_volumes
    volume_bytes = space.n_points * 8
    if study.settings.engine == "nilearn":
        image_bytes = _IMAGES_OF_NILEARN * volume_bytes * n_volumes
    else:
        image_bytes = _BLOCKS * max(volume_bytes, min(BLOCK_BYTES, volume_bytes * n_volumes))
    weights_bytes = placement_bytes * space.n_points // study.spaces[0].n_points
    return _PROCESS_BYTES + image_bytes + weights_bytes + _SIGNALS * 8 * n_columns * n_volumes


def bytes_of(weights: Sequence[RegionWeights]) -> int:
    """Return the memory that regions take on a space: their weights, and as much for the product with volumes."""
    arrays = [array for each in weights for array in (each.matrix.data, each.matrix.indices, each.matrix.indptr)]
    return 2 * sum(int(array.nbytes) for array in arrays)


def columns_of(atlases: Sequence[Regions]) -> int:
    """Return about how many columns the tables of all atlases have, before any mask."""
    return sum(map(_n_columns, atlases))


def _n_columns(regions: Regions) -> int:
    if regions.as_voxels and isinstance(regions.definition, Parcellation):
        return int(np.count_nonzero(regions.definition.labels))
    return len(regions.names)
