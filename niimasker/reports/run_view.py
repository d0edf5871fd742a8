"""The content of a run's page as plain values: numbers, names, arrays and texts."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from niimasker.errors import record_warnings
from niimasker.inputs.confounds import Confounds, find_displacement_source
from niimasker.inputs.framewise_displacement import is_computed
from niimasker.inputs.grayordinates import Grayordinates
from niimasker.inputs.preprocessing import find_programs, is_denoised
from niimasker.inputs.surfaces.mesh_files import list_mesh_folders, list_templateflow_folders
from niimasker.inputs.surfaces.meshes import Meshes, find_meshes
from niimasker.options.settings import Settings
from niimasker.options.thresholds import Thresholds
from niimasker.outputs.naming import report_path
from niimasker.outputs.provenance import SourceRecord, settings_record, software_versions
from niimasker.outputs.results import Extracted, Result
from niimasker.outputs.tables import regions_table
from niimasker.regions.placing.placement import Placement
from niimasker.regions.roi_files import parse_roi_file
from niimasker.reports.links import Link, link_to_preprocessing
from niimasker.reports.methods import describe_methods
from niimasker.reports.motion_section import MotionView, make_motion_view
from niimasker.reports.number_origins import NumberOrigins, find_origins
from niimasker.reports.paragraphs import Paragraph
from niimasker.reports.pictures import Picture, make_picture
from niimasker.reports.point_words import PointWords, find_point_words
from niimasker.reports.run_titles import Title, make_title
from niimasker.reports.steps import Step, list_steps
from niimasker.reports.time_axis import TimeAxis
from niimasker.signals.connectivity import Connectivity
from niimasker.study.plans import Plan

# More columns than the first, as with --as_voxels, are averaged to roughly the second number of rows.
MAX_COLUMNS, _N_AVERAGED_ROWS = 1000, 500


@dataclass(frozen=True, eq=False)
class AtlasView:
    """The regions of one atlas and their signals.

    Parameters
    ----------
    source
        Name of the atlas file, or its query.
    kind
        "labels", "maps", "weights", "spheres" or "voxels".
    facts
        One row per region, as in regions.tsv.
    picture
        What the picture of the regions shows; None if there is nothing to draw them on.
    names, raw, cleaned, regions
        Name, signals of shape (n_kept, n_rows) before and after cleaning, and position of the region of each row shown.
        A row is a column of the table, or the mean of neighbouring columns.
    n_columns, mean_raw, mean_cleaned
        Number of columns of the table, and their mean before and after cleaning, of shape (n_kept,).
    matrices
        The matrices that --connectivity requests.
    """

    key: str
    source: str
    kind: str
    facts: pd.DataFrame
    picture: Picture | None
    names: tuple[str, ...]
    raw: np.ndarray
    cleaned: np.ndarray
    regions: np.ndarray
    n_columns: int
    mean_raw: np.ndarray
    mean_cleaned: np.ndarray
    matrices: tuple[Connectivity, ...]

    @property
    def is_averaged(self) -> bool:
        """Whether a row is the mean of several columns."""
        return len(self.names) < self.n_columns


@dataclass(frozen=True, eq=False)
class RunView:
    """Everything that a run's page shows.

    Parameters
    ----------
    title
        What the run is called.
    preprocessing
        The link to the report of the preprocessing; None without one.
    pipeline
        The way of cleaning; empty without pipelines.
    images
        The path of the image, or of the images of both hemispheres.
    """

    title: Title
    preprocessing: Link | None
    pipeline: str
    images: tuple[str, ...]
    time: TimeAxis
    t_r_source: str | None
    result: Result
    thresholds: Thresholds
    origins: NumberOrigins
    censored_by: Mapping[str, int]
    steps: tuple[Step, ...]
    band: tuple[float | None, float | None]
    standardized: str | None
    points: PointWords
    framewise_displacement: np.ndarray | None
    displacement_source: str | None
    std_dvars: np.ndarray | None
    motion: MotionView
    regressor_names: tuple[str, ...]
    regressors: np.ndarray
    regressors_left_out: Mapping[str, str]
    atlases: tuple[AtlasView, ...]
    methods: Paragraph
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    command: str
    sources: Mapping[str, SourceRecord]


def make_view(
    plan: Plan,
    placement: Placement,
    extracted: Extracted,
    result: Result,
    *,
    keys: Sequence[str],
    sources: Mapping[str, SourceRecord],
    settings: Settings,
    command: Sequence[str],
) -> RunView:
    """Return the content of a run's page from its results.

    Parameters
    ----------
    sources
        The source files of the results, by their role.
    """
    roi_files = settings.roi_file if plan.run.own_regions is None else plan.run.own_regions.roi_files
    confounds, timeline = extracted.confounds, plan.timeline
    measures = None if confounds is None else confounds.measures
    names, values = _kept_regressors(confounds, timeline.kept)
    points = find_point_words(plan.series.space)
    meshes = _find_run_meshes(plan, roi_files)
    atlases = tuple(
        _view_atlas(number, key, placement, extracted, roi_files, meshes) for number, key in enumerate(keys)
    )
    kinds = [weights.whole_regions.kind for weights in placement.weights]
    return RunView(
        title=make_title(plan.run.image_name, plan.run.pipeline),
        preprocessing=link_to_preprocessing(
            plan.run.image_path, report_path(settings.output_dir, plan.run.output_stem)
        ),
        pipeline=plan.run.pipeline,
        images=tuple(map(str, plan.run.image_paths)),
        time=TimeAxis.of(timeline, plan.cleaning.t_r),
        t_r_source=plan.cleaning.t_r_source,
        result=result,
        thresholds=settings.judge,
        origins=find_origins(plan, confounds, extracted.nuisance),
        censored_by={reason: int(censors.sum()) for reason, censors in timeline.outliers.items() if censors.any()},
        steps=list_steps(
            settings,
            plan.cleaning,
            timeline,
            extracted.nuisance,
            placement.weights,
            points,
            is_denoised=is_denoised(plan.run.image_path),
        ),
        band=(plan.cleaning.high_pass, plan.cleaning.low_pass),
        standardized=plan.cleaning.standardize,
        points=points,
        framewise_displacement=None if measures is None else measures.framewise_displacement,
        displacement_source=find_displacement_source(confounds),
        std_dvars=None if measures is None else measures.std_dvars,
        motion=make_motion_view(plan, extracted, settings),
        regressor_names=names,
        regressors=values,
        regressors_left_out=extracted.nuisance.left_out,
        atlases=atlases,
        methods=describe_methods(
            settings,
            plan.cleaning,
            timeline,
            extracted.nuisance,
            kinds,
            points,
            computes_displacement=is_computed(find_displacement_source(confounds)),
            is_denoised=is_denoised(plan.run.image_path),
            programs=find_programs(plan.run.image_path),
            pipeline=plan.run.pipeline,
        ),
        settings=settings_record(settings),
        versions=software_versions(),
        command=shlex.join(command),
        sources=sources,
    )


def _find_run_meshes(plan: Plan, roi_files: Sequence[str]) -> Meshes | None:
    """Return the meshes on which a run's regions are drawn, None if it has no vertices or no mesh is found."""
    space, image_path = plan.series.space, plan.run.image_path
    if not isinstance(space, Grayordinates):
        return None
    atlas_paths = [path for roi_file in roi_files for path in parse_roi_file(roi_file).paths]
    # The run's warnings are complete; a mesh that cannot be read only changes the picture.
    with record_warnings():
        # TemplateFlow has no inflated fsaverage5, as nilearn has.
        meshes = find_meshes(space, image_path.name, list_mesh_folders(image_path, atlas_paths))
        return meshes or find_meshes(space, image_path.name, list_templateflow_folders())


def _kept_regressors(confounds: Confounds | None, kept: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    if confounds is None:
        return (), np.empty((np.count_nonzero(kept), 0))
    return confounds.names, confounds.values[kept]


def _view_atlas(
    number: int,
    key: str,
    placement: Placement,
    extracted: Extracted,
    roi_files: Sequence[str],
    meshes: Meshes | None,
) -> AtlasView:
    weights, signals, cleaned = placement.weights[number], extracted.signals[number], extracted.values[number]
    regions = np.arange(len(weights.names)) if weights.single_points is None else weights.single_points.rows
    starts = _row_starts(regions)
    return AtlasView(
        key=key,
        source=parse_roi_file(roi_files[number]).name,
        kind=weights.kind,
        facts=regions_table(weights, signals),
        picture=make_picture(weights.whole_regions, extracted.mean_volume, meshes),
        names=_row_names(weights.names, starts),
        raw=_mean_over_columns(signals.values, starts),
        cleaned=_mean_over_columns(cleaned, starts),
        regions=regions[starts],
        n_columns=len(weights.names),
        mean_raw=_mean_over_columns(signals.values, np.zeros(1, dtype=int))[:, 0],
        mean_cleaned=_mean_over_columns(cleaned, np.zeros(1, dtype=int))[:, 0],
        matrices=extracted.matrices[number],
    )


def _row_starts(regions: np.ndarray) -> np.ndarray:
    """Return the first column of each row: every column, or if these are too many, one in several."""
    n_columns = len(regions)
    if n_columns <= MAX_COLUMNS:
        return np.arange(n_columns)
    size = -(-n_columns // _N_AVERAGED_ROWS)
    firsts = np.flatnonzero(np.diff(regions, prepend=-1))
    in_region = np.arange(n_columns) - np.repeat(firsts, np.diff([*firsts, n_columns]))
    # With more regions than rows, a row is the mean of columns of several regions.
    return np.flatnonzero(in_region % size == 0) if len(firsts) <= _N_AVERAGED_ROWS else np.arange(0, n_columns, size)


def _row_names(names: Sequence[str], starts: np.ndarray) -> tuple[str, ...]:
    ends = np.append(starts[1:], len(names)) - 1
    return tuple(
        names[start] if start == end else f"{names[start]} to {names[end]}"
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    )


def _mean_over_columns(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return means of neighbouring columns, without missing values; NaN where all are missing."""
    if len(starts) == values.shape[1]:
        return values
    is_finite = np.isfinite(values)
    totals = np.add.reduceat(np.where(is_finite, values, 0.0), starts, axis=1)
    counts = np.add.reduceat(is_finite, starts, axis=1, dtype=np.int64)
    return np.asarray(np.divide(totals, counts, out=np.full(totals.shape, np.nan), where=counts > 0))
