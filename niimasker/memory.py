"""How many processes the machine's memory and cores hold."""

from __future__ import annotations

import os
from pathlib import Path

import joblib
import numpy as np

from niimasker.errors import warn
from niimasker.inputs.volumes import BLOCK_BYTES
from niimasker.plans import Plan
from niimasker.regions.definitions import Parcellation, Regions
from niimasker.study import Study

# Python with numpy, scipy, pandas, nilearn and what a report needs, measured: 260 MB.
_PROCESS_BYTES = 300 * 2**20
# Two blocks as on disk, one in float64, and what products and means of them take.
_BLOCKS = 4
# Of the signals: raw, filtered, cleaned, their confounds, and text.
_SIGNALS = 6
# nilearn's maskers hold the image, a smoothed or masked copy, and a transposed one.
_IMAGES_OF_NILEARN = 3

# Of control groups by version: the files of the limit and of the use, and the name of what can be given back.
_FILES = {
    "1": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    "2": ("memory.max", "memory.current", "inactive_file"),
}


def count_processes(n_jobs: int, study: Study, placement_bytes: int) -> int:
    """Return a number of processes: for -1 one per usable core, as many as the memory holds.

    Parameters
    ----------
    placement_bytes
        Of the regions' weights on the first grid.
    """
    if n_jobs != -1:
        return n_jobs
    n_cores: int = joblib.cpu_count()
    each = max(process_bytes(plan, study, placement_bytes) for plan in study.plans) if study.plans else 1
    free = free_bytes()
    n_held = max(1, free // each)
    if n_held >= n_cores:
        return n_cores
    warn(
        f"--n_jobs -1 is {n_held} here, not {n_cores}: a process takes about {each / 1e9:.1f} GB, "
        f"and {free / 1e9:.1f} GB are free."
    )
    return n_held


def process_bytes(plan: Plan, study: Study, placement_bytes: int) -> int:
    """Return about how much memory a process takes for a run."""
    grid, n_volumes = plan.series.grid, plan.series.n_volumes
    volume_bytes = grid.n_voxels * 8
    if study.settings.engine == "nilearn":
        image_bytes = _IMAGES_OF_NILEARN * volume_bytes * n_volumes
    else:
        image_bytes = _BLOCKS * max(volume_bytes, min(BLOCK_BYTES, volume_bytes * n_volumes))
    n_columns = sum(map(_n_columns, study.atlases))
    weights_bytes = placement_bytes * grid.n_voxels // study.grids[0].n_voxels
    return _PROCESS_BYTES + image_bytes + weights_bytes + _SIGNALS * 8 * n_columns * n_volumes


def _n_columns(regions: Regions) -> int:
    if regions.as_voxels and isinstance(regions.definition, Parcellation):
        return int(np.count_nonzero(regions.definition.labels))
    return len(regions.names)


def free_bytes() -> int:
    """Return the memory that is free: the machine's, or what is left of this process's control groups."""
    return min([_free_of_machine(), *_free_of_groups()])


def _free_of_machine() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 2**63  # not known: no limit


def _free_of_groups(
    membership_path: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")
) -> list[int]:
    """Return what is left of each limit that this process's control groups, and those around them, have."""
    try:
        lines = membership_path.read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        version = "2" if not controllers else "1" if "memory" in controllers.split(",") else None
        if version is not None:
            top = root if version == "2" else root / "memory"
            folder = top / path.lstrip("/")
            # Seen from a container the path may begin above its root.
            inside = [each for each in (folder, *folder.parents) if each.is_relative_to(top)]
            found += [left for each in inside if (left := _left(each, _FILES[version])) is not None]
    return found


def _left(folder: Path, files: tuple[str, str, str]) -> int | None:
    limit_name, used_name, cached_name = files
    try:
        limit = int((folder / limit_name).read_text())  # "max" where there is none
        used = int((folder / used_name).read_text())
        facts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    # What was read from files counts as used, and is given back when it is needed.
    return max(0, limit - used + int(facts.get(cached_name, 0)))
