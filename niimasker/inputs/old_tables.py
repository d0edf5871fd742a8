"""Confounds tables of fMRIPrep 1.0 and 1.1: today's names of their columns, and what they do not have."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from niimasker.errors import ConfoundsError, list_names

_MOTION = {"X": "trans_x", "Y": "trans_y", "Z": "trans_z", "RotX": "rot_x", "RotY": "rot_y", "RotZ": "rot_z"}
_TISSUES = {"CSF": "csf", "WhiteMatter": "white_matter"}
_NEW_NAMES = {**_MOTION, **_TISSUES, "GlobalSignal": "global_signal"}
_COLUMNS = {"motion": tuple(_MOTION), "wm_csf": tuple(_TISSUES), "global_signal": ("GlobalSignal",)}

# Columns by which a table is recognised.
_OLD_SIGNS, _NEW_SIGNS = {"X", "RotX", "CSF", "WhiteMatter"}, {"trans_x", "rot_x", "csf", "white_matter"}

_MISSING_EXPANSIONS = {"power2": "squares", "derivatives": "derivatives", "full": "derivatives and squares"}
_MISSING_COMPONENTS = {
    "compcor": "JSON file that says where CompCor's components come from",
    "ica_aroma": "columns aroma_motion_01, ...",
}


def is_old_table(names: Sequence[str]) -> bool:
    """Return whether a table's columns have the names of fMRIPrep before 1.2."""
    return not _OLD_SIGNS.isdisjoint(names) and _NEW_SIGNS.isdisjoint(names)


def translate_names(names: Sequence[str]) -> dict[str, str]:
    """Return the columns by the names that fMRIPrep gives them today; other columns keep theirs."""
    return {_NEW_NAMES.get(name, re.sub(r"^Cosine(?=\d)", "cosine", name)): name for name in names}


def check_old_table(names: Sequence[str], tables: str, *, label: str, arguments: Mapping[str, Any]) -> None:
    """Raise ConfoundsError if an old table has not what a strategy takes.

    Parameters
    ----------
    tables
        The tables, for messages.
    label, arguments
        As in `niimasker.inputs.strategies.choose_by_strategy`.
    """
    strategy = arguments["strategy"]
    missing = [_MISSING_COMPONENTS[component] for component in strategy if component in _MISSING_COMPONENTS]
    models = [arguments[component] for component in strategy if component in _COLUMNS]
    missing += [_MISSING_EXPANSIONS[model] for model in dict.fromkeys(models) if model in _MISSING_EXPANSIONS]
    if missing:
        raise ConfoundsError(
            f"{tables} is from fMRIPrep before 1.2, whose tables have no {' and no '.join(missing)}, which {label} "
            "takes; give motion=basic, wm_csf=basic, global_signal=basic, high_pass, Params2, Params6 or Params9, or "
            f"name columns in --regressors: {', '.join(filter(None, names))}."
        )
    taken = [name for component in strategy for name in _COLUMNS.get(component, ())]
    lacking = [name for name in taken if name not in names]
    if lacking:
        raise ConfoundsError(
            f"{tables} lacks columns that {label} takes: {list_names(lacking)}; it has {list_names(names)}."
        )
