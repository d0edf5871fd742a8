"""Runs whose image is taken to be on grayordinates, written with signals that no image was read for."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

import numpy as np
from images import make_labels, make_series, save

from niimasker.inputs.grayordinates import Grayordinates
from niimasker.options.merging import make_settings
from niimasker.outputs.naming import Tables
from niimasker.outputs.provenance import run_sources
from niimasker.outputs.results import Extracted, Result, write_run
from niimasker.regions.placing.placement import Placement
from niimasker.regions.placing.weights import OK, RegionWeights
from niimasker.running.resume import find_result
from niimasker.running.shared import share
from niimasker.signals.connectivity import measure_connectivity
from niimasker.signals.extraction import Signals
from niimasker.signals.nuisance import prepare_nuisance
from niimasker.study.fingerprints import fingerprint_run
from niimasker.study.preparation import inspect_study

T_R, N_VOLUMES = 0.7, 40
IMAGE = "sub-01_task-rest_space-fsLR_den-91k_bold"


def make_values(weights: RegionWeights) -> np.ndarray:
    """Return signals of each column in every volume of the image, NaN where a column has no points."""
    values = np.random.default_rng(5).normal(1000, 10, (N_VOLUMES, len(weights.names)))
    return np.where(weights.filled, values, np.nan)


class SurfaceRun:
    """A run of one atlas in the current folder, where its output folder is `out`.

    Parameters
    ----------
    options
        Options besides the image, the atlas and the output folder.
    """

    def __init__(self, weights: RegionWeights, t_r: float | None = T_R, **options: object) -> None:
        save(Path(f"{IMAGE}.nii"), make_series(make_labels(), N_VOLUMES), t_r=t_r)
        save(Path("atlas.nii"), make_labels())
        given = {"output_dir": "out", "input_files": f"{IMAGE}.nii", "roi_file": "atlas.nii", "no_report": True}
        self.settings = make_settings({**given, **options})
        # Not `prepare`, which refuses what surfaces alone have: the image is a volume.
        study = inspect_study(self.settings)
        (plan,) = study.plans
        self.weights = weights
        self.plan = dataclasses.replace(plan, series=dataclasses.replace(plan.series, space=weights.space))
        self.keys = study.keys
        self.shared = share(study, ())
        self.values = make_values(weights)[self.plan.timeline.kept]

    @property
    def space(self) -> Grayordinates:
        """The points that the image is taken to have."""
        return self.weights.space

    def write(self) -> Tables:
        """Write the run's files and return their paths."""
        plan, settings, weights = self.plan, self.settings, self.weights
        whole = weights.whole_regions
        facts = np.where(whole.filled, whole.n_points, 0), np.where(whole.filled, 1.0, np.nan)
        signals = Signals(self.values, facts[0], facts[1], facts[1], facts[1], whole.status)
        left_out = {name: status for name, status in zip(whole.names, whole.status, strict=True) if status != OK}
        matrices = (
            measure_connectivity(
                self.values, settings.connectivity, names=weights.names, left_out=left_out, fisher_z=settings.fisher_z
            )
            if settings.connectivity
            else ()
        )
        sha256s = ("0123",) * len(plan.series.storage.paths)
        nuisance = prepare_nuisance(None, plan.timeline, plan.cleaning)
        Path("out").mkdir(exist_ok=True)
        result = write_run(
            plan,
            Placement((weights,), (), (None,)),
            Extracted((signals,), (self.values,), (matrices,), None, nuisance, sha256s, ()),
            keys=self.keys,
            run_sources=run_sources(plan, None, sha256s),
            sources=({},),
            fingerprint={**self.shared.fingerprints[""], **fingerprint_run(plan, settings, sha256s)},
            settings=settings,
            publishing=contextlib.nullcontext(),
        )
        return result.tables[0]

    def find_again(self) -> Result | None:
        """Return what --resume finds of the run."""
        return find_result(self.plan, self.shared, self.settings)
