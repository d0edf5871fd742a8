"""The kind of a regressor, by the name that fMRIPrep, ICA-AROMA or tedana gives its column."""

from __future__ import annotations

import re
from collections.abc import Iterable

from niimasker.inputs.motion_parameters import MOTION_PARAMETERS, OLD_MOTION_PARAMETERS

MOTION = "motion parameters"
COSINES = "cosine regressors"
TISSUES = "tissue signals"
GLOBAL = "global signals"
ANATOMICAL = "aCompCor components"
TEMPORAL = "tCompCor components"
EDGE = "brain-edge components"
AROMA = "ICA-AROMA components"
INDEPENDENT = "independent components"
SPIKES = "spike regressors"
MEASURES = "framewise measures"
OTHERS = "other regressors"

# All kinds, in the order in which texts and figures show them.
KINDS = (
    MOTION,
    COSINES,
    TISSUES,
    GLOBAL,
    ANATOMICAL,
    TEMPORAL,
    EDGE,
    AROMA,
    INDEPENDENT,
    SPIKES,
    MEASURES,
    OTHERS,
)

# Temporal derivatives and powers of a column, such as trans_x_derivative1_power2.
_EXPANSION = re.compile(r"((?:_derivative\d+)?)((?:_power\d+)?)$")

# Each kind's columns without their expansions. fMRIPrep has written names in snake case since 1.2, and those in camel
# case before; tcompcor is the mean signal of tCompCor's mask, and edge_comp the components of the edge of the brain.
_COLUMNS = {
    MOTION: "|".join((*MOTION_PARAMETERS, *OLD_MOTION_PARAMETERS)),
    COSINES: r"cosine_?\d+|Cosine\d+",
    TISSUES: "csf|white_matter|csf_wm|tcompcor|CSF|WhiteMatter",
    GLOBAL: "global_signal|GlobalSignal",
    ANATOMICAL: r"[acw]_comp_cor_\d+|aCompCor\d+",
    TEMPORAL: r"t_comp_cor_\d+|tCompCor\d+",
    EDGE: r"edge_comp_\d+",
    AROMA: r"aroma_(orth_)?motion_\d+|AROMAAggrComp\d+",
    INDEPENDENT: r"ICA_\d+",
    SPIKES: r"(motion|non_steady_state)_outlier_?\d+|NonSteadyStateOutlier\d+",
    MEASURES: "framewise_displacement|rmsd|dvars|std_dvars|FramewiseDisplacement|stdDVARS|non-stdDVARS|vx-wisestdDVARS",
}
_PATTERNS = {kind: re.compile(columns) for kind, columns in _COLUMNS.items()}


def kind_of(name: str) -> str:
    """Return the kind of a regressor, one of `KINDS`; `OTHERS` where its name tells no other."""
    column, _, _ = split_expansion(name)
    return next((kind for kind, pattern in _PATTERNS.items() if pattern.fullmatch(column)), OTHERS)


def split_expansion(name: str) -> tuple[str, str, str]:
    """Return the name of a column without its expansions, the suffix of its derivative and that of its power.

    The suffixes of trans_x_derivative1_power2 are "_derivative1" and "_power2"; they are empty in trans_x.
    """
    expansion = _EXPANSION.search(name)
    return (name, "", "") if expansion is None else (name[: expansion.start()], expansion[1], expansion[2])


def group_by_kind(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the names of each kind that is among them, in the order of `KINDS`."""
    groups: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for name in names:
        groups[kind_of(name)].append(name)
    return {kind: tuple(members) for kind, members in groups.items() if members}
