"""Groups of regressors by their kind, in figures and captions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from niimasker.errors import count
from niimasker.inputs.regressor_kinds import group_by_kind
from niimasker.reports.region_groups import Grouping


def group_columns(regressors: Sequence[str]) -> Grouping:
    """Return regressors grouped by kind, with names such as 24 motion or 5 aCompCor."""
    positions = {name: position for position, name in enumerate(regressors)}
    groups = group_by_kind(regressors)
    sizes = [len(members) for members in groups.values()]
    return Grouping(
        np.array([positions[name] for members in groups.values() for name in members], dtype=int),
        # The last word, such as parameters, says little and takes much room.
        tuple(f"{size} {kind.rsplit(' ', 1)[0]}" for kind, size in zip(groups, sizes, strict=True)),
        tuple(np.cumsum([0, *sizes[:-1]]).tolist()),
    )


def count_kinds(regressors: Sequence[str]) -> str:
    """Return the number of regressors of each kind in words, such as 24 motion parameters, 5 aCompCor components."""
    return ", ".join(count_kind(kind, members) for kind, members in group_by_kind(regressors).items())


def count_kind(kind: str, members: Sequence[str]) -> str:
    """Return the number of regressors of a kind in words, such as 24 motion parameters."""
    return count(len(members), kind.removesuffix("s"))
