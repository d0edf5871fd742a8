"""Framewise displacement of a run, computed from its motion parameters."""

from __future__ import annotations

import dataclasses

import numpy as np

from niimasker.errors import ConfoundsError, warn
from niimasker.inputs.volume_measures import VolumeMeasures

# In mm, as in Power et al. 2012 and in fMRIPrep.
HEAD_RADIUS = 50.0

# How the source of framewise displacement begins if it was computed.
COMPUTED = "motion parameters"

# In radians, 29 degrees: more than a head can turn in a coil.
_MAX_ROTATION = 0.5


def measure_displacement(motion: np.ndarray, head_radius: float = HEAD_RADIUS) -> np.ndarray:
    """Return framewise displacement in mm, NaN for the first volume.

    The sum of the absolute changes of the six motion parameters since the previous volume, rotations taken as arcs on a
    sphere (Power et al. 2012, doi:10.1016/j.neuroimage.2011.10.018), as in fMRIPrep's column.

    Parameters
    ----------
    motion : ndarray of shape (n_volumes, 6)
        Three translations in mm, then three rotations in radians.
    head_radius : float
        Radius of the sphere in mm.

    Returns
    -------
    ndarray of shape (n_volumes,)
    """
    changes = np.abs(np.diff(motion, axis=0))
    changes[:, 3:] *= head_radius
    return np.concatenate([np.full(min(1, len(motion)), np.nan), changes.sum(axis=1)])


def complete_measures(measures: VolumeMeasures, head_radius: float | None) -> VolumeMeasures:
    """Return a run's measures with framewise displacement, computed where the tables do not have it.

    Parameters
    ----------
    head_radius
        In mm. If it is given, framewise displacement is computed even where the tables have it.

    Raises
    ------
    ConfoundsError
        A head radius is given, but the tables have no motion parameters.
    """
    if head_radius is None and (measures.framewise_displacement is not None or measures.motion is None):
        return measures
    if measures.motion is None:
        raise ConfoundsError(
            f"{measures.tables} has no motion parameters (trans_x, ..., rot_z), from which --head_radius would compute "
            "framewise displacement; leave --head_radius out."
        )
    return compute_displacement(measures, measures.motion, head_radius)


def compute_displacement(
    measures: VolumeMeasures, motion: np.ndarray, head_radius: float | None, how: str = ""
) -> VolumeMeasures:
    """Return a run's measures with framewise displacement computed from motion parameters.

    Parameters
    ----------
    head_radius
        In mm; `HEAD_RADIUS` if it is None.
    how
        How the motion parameters were treated, for people, followed by a comma and a space.
    """
    _warn_of_large_rotations(measures.tables, motion)
    radius = HEAD_RADIUS if head_radius is None else head_radius
    return dataclasses.replace(
        measures,
        framewise_displacement=measure_displacement(motion, radius),
        displacement_source=f"{COMPUTED}, {how}head radius {radius:g} mm",
        motion=motion,
    )


def is_computed(displacement_source: str | None) -> bool:
    """Return whether framewise displacement was computed, and not read from a column."""
    return displacement_source is not None and displacement_source.startswith(COMPUTED)


def _warn_of_large_rotations(tables: str, motion: np.ndarray) -> None:
    rotations = motion[np.isfinite(motion).all(axis=1), 3:]
    largest = np.ptp(rotations, axis=0).max() if len(rotations) else 0.0
    if largest > _MAX_ROTATION:
        warn(
            f"{tables}: the head would turn by {np.degrees(largest):.0f} degrees, which is implausible; rotations must "
            "be in radians, or --motion_format must say which program's motion parameters these are."
        )
