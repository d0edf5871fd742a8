"""The content of a page for a run on a surface or in grayordinates, from values in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import sparse

from niimasker.inputs.grayordinates import Grayordinates
from niimasker.inputs.runs import Run
from niimasker.inputs.series import Series
from niimasker.inputs.storage import SurfaceStorage
from niimasker.options.merging import make_settings
from niimasker.outputs.naming import name_files
from niimasker.outputs.results import Extracted, Result
from niimasker.regions.placing.placement import Placement
from niimasker.regions.placing.weights import OK, OUTSIDE_IMAGE, RegionWeights
from niimasker.reports.run_view import RunView, make_view
from niimasker.signals.extraction import Signals
from niimasker.signals.filtering import Cleaning
from niimasker.signals.nuisance import Nuisance
from niimasker.signals.timeline import Timeline
from niimasker.study.plans import Plan


def label_weights(space: Grayordinates, labels: np.ndarray, names, kind="labels") -> RegionWeights:
    """Regions 1, 2, ... of labels of shape (n_points,), 0 for none, as weights of means."""
    n_regions, (points,) = len(names), np.nonzero(labels)
    n_points = np.bincount(labels, minlength=n_regions + 1)[1:]
    rows = labels[points] - 1
    matrix = sparse.csr_array((1 / n_points[rows], (rows, points)), shape=(n_regions, space.n_points))
    return RegionWeights(
        space,
        kind,
        tuple(range(1, n_regions + 1)),
        tuple(names),
        np.full((n_regions, 3), np.nan),
        matrix,
        n_points,
        n_points.astype(float),
        n_points.astype(float),
        tuple(OK if n else OUTSIDE_IMAGE for n in n_points),
        n_vertices=np.bincount(rows, space.is_vertex[points], minlength=n_regions).astype(int),
        structures=tuple(_join_structures(space, points[rows == row]) for row in range(n_regions)),
    )


def _join_structures(space: Grayordinates, points: np.ndarray) -> str:
    return ",".join(space.models[number].structure for number in np.unique(space.structures[points]))


def surface_view(
    image_path,
    space: Grayordinates,
    labels: np.ndarray,
    names,
    values: np.ndarray,
    *,
    roi_file="atlas.dlabel.nii",
    kind="labels",
    further_images=(),
    **given,
) -> RunView:
    """The content of a run's page.

    Parameters
    ----------
    labels, kind
        As for `label_weights`.
    values
        Of shape (n_volumes, n_points).
    """
    image_path = Path(image_path)
    weights = label_weights(space, labels, names, kind)
    n_volumes = len(values)
    spread = values.std(axis=0, ddof=1)
    is_valid = spread > 0
    ratios = np.divide(values.mean(axis=0), spread, out=np.zeros(space.n_points), where=is_valid)
    n_valid = weights.members @ is_valid
    signals_values = np.where(weights.filled, (weights.matrix @ values.T).T, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        signals = Signals(
            signals_values,
            n_valid.astype(int),
            np.where(weights.n_points > 0, n_valid / weights.n_points, 0.0),
            signals_values.mean(axis=0),
            weights.members @ ratios / n_valid,
            weights.status,
        )
    storage = SurfaceStorage(
        image_path=image_path, n_points=space.n_points, n_volumes=n_volumes, hemisphere_paths=(), n_vertices=()
    )
    series = Series(image_path, space, n_volumes, 2.0, "t_r", storage)
    timeline = Timeline(n_volumes, 0)
    cleaning = Cleaning(False, None, None, None, 2.0, "t_r")
    settings = make_settings({"output_dir": "out", "input_files": [str(image_path)], "roi_file": [roi_file], **given})
    nuisance = Nuisance((), np.zeros((n_volumes, 0)), {}, n_volumes - 1.0)
    extracted = Extracted(
        (signals,), (signals_values,), ((),), None, nuisance, "0" * 64, (), values.mean(axis=0).astype(float)
    )
    tsnr = signals.tsnr[np.isfinite(signals.tsnr)]
    result = Result(
        name_files(settings, "run", ["atlas"], series.space).tables,
        (),
        n_volumes=n_volumes,
        n_discarded=0,
        n_censored=0,
        minutes=np.nan,
        degrees_of_freedom=n_volumes - 1.0,
        mean_fd=np.nan,
        mean_fd_kept=np.nan,
        n_regions=len(names),
        n_regions_without_signal=0,
        median_tsnr=float(np.median(tsnr)) if len(tsnr) else np.nan,
        min_coverage=float(signals.coverage.min()),
    )
    return make_view(
        Plan(Run(image_path, None, "run", further_images=further_images), series, timeline, cleaning, ()),
        Placement((weights,), None, (None,)),
        extracted,
        result,
        keys=("atlas",),
        sources={},
        settings=settings,
        command=(),
    )
