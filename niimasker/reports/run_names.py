"""Short names of runs on pages over several runs."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set


def short_names(names: Sequence[str]) -> list[str]:
    """Return names without the parts, separated by _ or /, that all share: sub-01_task-rest_bold becomes sub-01."""
    shared = find_shared_parts(names)
    return [_leave_out(name, shared) for name in names]


def find_shared_parts(names: Sequence[str]) -> set[str]:
    """Return the parts that all names share; none if names without them would be empty or alike."""
    parts = [_split(name) for name in names]
    shared = set.intersection(*map(set, parts)) if parts else set()
    shorter = {_leave_out(name, shared) for name in names}
    return shared if "" not in shorter and len(shorter) == len(set(names)) else set()


def _leave_out(name: str, shared: Set[str]) -> str:
    return "_".join(part for part in _split(name) if part not in shared) if shared else name


def _split(name: str) -> list[str]:
    return re.split(r"[_/]", name)
