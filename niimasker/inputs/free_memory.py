"""Free memory: the machine's, within the limits of control groups and of the process."""

from __future__ import annotations

import os
from pathlib import Path

# By version of control groups: the files of the limit and the usage, and the name of the reclaimable cache.
_GROUP_FILES = {
    "1": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    "2": ("memory.max", "memory.current", "inactive_file"),
}


def free_bytes() -> int:
    """Return the free memory: the machine's, or less where a control group or a limit of the process leaves less."""
    return min([_free_of_machine(), *_free_of_groups(), *_free_of_limit()])


def _free_of_machine() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 2**63  # unknown, so no limit


def _free_of_limit() -> list[int]:
    """Return what is left of the address space where `ulimit -v` limits it, as on some clusters."""
    try:
        import resource  # not on Windows

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (ImportError, OSError):
        return []
    return [] if limit == resource.RLIM_INFINITY else [max(0, limit - used)]


def _free_of_groups(
    membership_path: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")
) -> list[int]:
    """Return the free memory of each control group of this process, and of their parents, that has a limit."""
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
            # Inside a container the path may begin above its root.
            groups = [group for group in (folder, *folder.parents) if group.is_relative_to(top)]
            found += [free for group in groups if (free := _free_of_group(group, _GROUP_FILES[version])) is not None]
    return found


def _free_of_group(folder: Path, files: tuple[str, str, str]) -> int | None:
    limit_name, used_name, cached_name = files
    try:
        limit = int((folder / limit_name).read_text())  # "max" where there is none
        used = int((folder / used_name).read_text())
        facts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    # The page cache counts as used, but is given back when memory is needed.
    return max(0, limit - used + int(facts.get(cached_name, 0)))
