"""A run's signals, cleaned as its pipeline says, with their connectivity."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from niimasker.errors import record_warnings
from niimasker.options.settings import Settings
from niimasker.regions.placing.placement import Placement
from niimasker.regions.placing.weights import RegionWeights
from niimasker.running.shared import Shared
from niimasker.signals.cleaning import clean
from niimasker.signals.connectivity import (
    Connectivity,
    find_regions_without_signal,
    measure_connectivity,
    warn_of_few_degrees_of_freedom,
)
from niimasker.signals.coverage import mark_flat, require_coverage, warn_of_coverage
from niimasker.signals.extraction import Signals, make_signals
from niimasker.signals.nuisance import Nuisance, prepare_nuisance
from niimasker.signals.reading import RawSignals
from niimasker.study.plans import Plan
from niimasker.study.run_confounds import load_run_confounds

if TYPE_CHECKING:
    from niimasker.outputs.results import Extracted

_log = logging.getLogger(__name__)


def clean_run(
    plan: Plan,
    placement: Placement,
    raw: RawSignals,
    shared: Shared,
    image_warnings: Sequence[str],
    image_sha256s: tuple[str, ...],
) -> Extracted:
    """Return a run's signals, cleaned, with their connectivity.

    Parameters
    ----------
    raw
        The signals of all atlases in the volumes that the run keeps.
    image_warnings
        Warnings about the image and the placement of the regions on it.
    image_sha256s
        The checksum of each file of the image.

    Raises
    ------
    ConfoundsError
        A confounds table cannot be used.
    SignalsError
        The signals cannot be cleaned or correlated, for example because too few volumes are left.
    """
    settings, keys = shared.settings_of(plan.run), shared.keys
    with record_warnings() as recorded:
        start = time.perf_counter()
        confounds = load_run_confounds(plan.run, settings, plan.series, plan.timeline, plan.cleaning)
        signals = make_signals(raw, plan.series, placement, valid_voxels=settings.averages_valid)
        nuisance = prepare_nuisance(confounds, plan.timeline, plan.cleaning)
        prefixes = [f"{key}: " if len(keys) > 1 else "" for key in keys]
        cleaned = [
            _clean_atlas(plan, settings.min_coverage, nuisance, weights, of_atlas, prefix)
            for weights, of_atlas, prefix in zip(placement.weights, signals, prefixes, strict=True)
        ]
        _log.debug("%s: signals cleaned in %.3f s", plan.run.image_path, time.perf_counter() - start)
        start = time.perf_counter()
        matrices = tuple(
            _connect_atlas(plan, settings, nuisance, weights.names, *signals_and_values, prefix)
            for weights, signals_and_values, prefix in zip(placement.weights, cleaned, prefixes, strict=True)
        )
        _log.debug("%s: connectivity measured in %.3f s", plan.run.image_path, time.perf_counter() - start)
    from niimasker.outputs.results import Extracted

    warnings = tuple(dict.fromkeys([*shared.study_warnings, *plan.warnings, *image_warnings, *recorded]))
    of_atlases, values = zip(*cleaned, strict=True)
    return Extracted(
        of_atlases, values, matrices, confounds, nuisance, image_sha256s, warnings, raw.mean_volume, raw.sample
    )


def _clean_atlas(
    plan: Plan, min_coverage: float | None, nuisance: Nuisance, weights: RegionWeights, signals: Signals, atlas: str
) -> tuple[Signals, np.ndarray]:
    """Return the signals of an atlas with what cleaning leaves of them.

    Parameters
    ----------
    atlas
        The start of a warning: the atlas's name, if there are several atlases.
    """
    if min_coverage is not None:
        signals = require_coverage(signals, weights, min_coverage)
    values = clean(signals.values, nuisance, plan.timeline, plan.cleaning)
    signals = mark_flat(signals, values, weights, plan.cleaning.standardize)
    warn_of_coverage(weights, signals, atlas, min_coverage)
    return signals, values


def _connect_atlas(
    plan: Plan,
    settings: Settings,
    nuisance: Nuisance,
    names: Sequence[str],
    signals: Signals,
    values: np.ndarray,
    atlas: str,
) -> tuple[Connectivity, ...]:
    if not settings.connectivity:
        return ()
    is_standardized = plan.cleaning.standardize is not None
    left_out = find_regions_without_signal(signals, values, names, is_standardized=is_standardized)
    matrices = measure_connectivity(
        values, settings.connectivity, names=names, left_out=left_out, fisher_z=settings.fisher_z
    )
    warn_of_few_degrees_of_freedom(
        settings.connectivity, nuisance.degrees_of_freedom, len(names) - len(left_out), atlas
    )
    return matrices
