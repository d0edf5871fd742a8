"""What the regressors of a run are, in words for a methods section."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from niimasker.inputs.motion_parameters import MOTION_PARAMETERS
from niimasker.inputs.regressor_kinds import (
    ANATOMICAL,
    GLOBAL,
    MEASURES,
    MOTION,
    OTHERS,
    TEMPORAL,
    TISSUES,
    group_by_kind,
    split_expansion,
)
from niimasker.reports.references import BEHZADI_2007
from niimasker.reports.regressor_groups import count_kind

# More regressors than this are counted instead of named.
_MAX_NAMED = 12

# The columns that columns were expanded to, by their suffixes, and the words for them.
_Suffixes = frozenset[tuple[str, str]]
_PLAIN, _DERIVATIVE, _SQUARE, _SQUARED_DERIVATIVE = (
    ("", ""),
    ("_derivative1", ""),
    ("", "_power2"),
    ("_derivative1", "_power2"),
)
_EXPANSIONS: Mapping[_Suffixes, tuple[str, ...]] = {
    frozenset({_PLAIN}): (),
    frozenset({_PLAIN, _DERIVATIVE}): ("temporal derivatives",),
    frozenset({_PLAIN, _SQUARE}): ("squares",),
    frozenset({_PLAIN, _DERIVATIVE, _SQUARE, _SQUARED_DERIVATIVE}): ("temporal derivatives", "the squares of both"),
}

_TISSUE_WORDS = {
    "white_matter": "white matter",
    "csf": "cerebrospinal fluid",
    "csf_wm": "both tissues together",
    "tcompcor": "the voxels of tCompCor",
}
_NEW_NAMES = {"CSF": "csf", "WhiteMatter": "white_matter"}


def describe_regressors(names: Sequence[str]) -> str:
    """Return what regressors are, by their kinds: "24 motion parameters (...), 3 cosine regressors, and ...".

    Parameters
    ----------
    names
        The names of the columns; at least one.
    """
    *others, last = [_DESCRIBE.get(kind, count_kind)(kind, members) for kind, members in group_by_kind(names).items()]
    return f"{', '.join(others)}, and {last}" if others else last


def _count_and_name(kind: str, members: Sequence[str]) -> str:
    listed = f" ({', '.join(members)})" if len(members) <= _MAX_NAMED else ""
    return f"{count_kind(kind, members)}{listed}"


def _count_and_cite(kind: str, members: Sequence[str]) -> str:
    return f"{count_kind(kind, members)} ({BEHZADI_2007.short})"


def _describe_motion(kind: str, members: Sequence[str]) -> str:
    words = _find_expansion(members)
    columns = {split_expansion(name)[0] for name in members}
    if words is None or len(columns) != len(MOTION_PARAMETERS):
        return _count_and_name(kind, members)
    parts = ["three translations and three rotations", *([f"their {words[0]}"] if words else []), *words[1:]]
    *others, last = parts
    listed = f"{', '.join(others)}, and {last}" if others else last
    return f"{count_kind(kind, members)} ({listed})"


def _describe_tissues(kind: str, members: Sequence[str]) -> str:
    words = _find_expansion(members)
    columns = {_NEW_NAMES.get(column, column) for column, *_ in map(split_expansion, members)}
    if words is None:
        return _count_and_name(kind, members)
    *others, last = [tissue for column, tissue in _TISSUE_WORDS.items() if column in columns]
    tissues = f"{', '.join(others)} and {last}" if others else last
    return f"the mean {'signals' if others else 'signal'} of {tissues}{_with(words)}"


def _describe_global(kind: str, members: Sequence[str]) -> str:
    words = _find_expansion(members)
    return _count_and_name(kind, members) if words is None else f"the global signal{_with(words)}"


def _with(words: Sequence[str]) -> str:
    return f" with {' and '.join(words)}" if words else ""


def _find_expansion(members: Sequence[str]) -> tuple[str, ...] | None:
    """Return the words for the expansion that all columns have alike; None where there are none for it."""
    suffixes: dict[str, set[tuple[str, str]]] = {}
    for name in members:
        column, derivative, power = split_expansion(name)
        suffixes.setdefault(column, set()).add((derivative, power))
    first, *others = suffixes.values()
    return _EXPANSIONS.get(frozenset(first)) if all(each == first for each in others) else None


_DESCRIBE: Mapping[str, Callable[[str, Sequence[str]], str]] = {
    MOTION: _describe_motion,
    TISSUES: _describe_tissues,
    GLOBAL: _describe_global,
    ANATOMICAL: _count_and_cite,
    TEMPORAL: _count_and_cite,
    MEASURES: _count_and_name,
    OTHERS: _count_and_name,
}
