"""All options, each with its name, type, default, unit and help text.

The argument parser, the short help, the check of the JSON file, config_template.json and the table in the documentation
are made from `OPTIONS` or compared with it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from niimasker.options.option_types import (
    BREATHS,
    COUNT,
    COUNT_OR_AUTO,
    DECIMALS,
    DESC,
    ENTITIES,
    EXAMPLE,
    FILE,
    FILES,
    FLAG,
    FOLDER,
    HERTZ,
    JUDGE,
    LABEL,
    LABELS,
    MASK,
    MILLIMETRES,
    MINUTES,
    NAMES,
    PIPELINES,
    PROCESSES,
    ROIS,
    RUNS,
    SCHEDULER,
    SECONDS,
    SHARD,
    SHARE,
    TEXTS,
    THRESHOLD,
    WIDTH,
    WORDS,
    OptionType,
    choice,
    choices,
)
from niimasker.options.thresholds import DEFAULT_THRESHOLDS, Thresholds
from niimasker.options.value_checks import Shard

ENGINES = ("stream", "nilearn")
OUTPUT_LAYOUTS = FLAT, MIRROR, BIDS = ("flat", "mirror", "bids")
STANDARDIZE_METHODS = ("zscore_sample", "zscore", "psc")
CENSORED_ROWS = ("drop", "nan")
INTERPOLATIONS = PCHIP, LINEAR, CUBIC = ("pchip", "linear", "cubic")
CORRELATION_KINDS = ("pearson", "correlation", "partial_correlation")
CONNECTIVITY_KINDS = (*CORRELATION_KINDS, "covariance", "precision")
# What confounds tables without a header hold; with the first, that is an error.
MOTION_FORMATS = ("fmriprep", "fsl", "afni", "spm", "hcp")
MOTION_FILTERS = LOW_PASS, NOTCH = ("lp", "notch")
TIDY_FORMATS = ("parquet", "tsv.gz")
# --example without a word, and with one.
EXAMPLES = TWO_RUNS, STUDY = ("", "study")
# The word of --regressors that regresses out nothing.
NO_REGRESSORS = "none"


@dataclass(frozen=True)
class Option:
    """One option, as declared in `Settings`.

    Parameters
    ----------
    help
        What the option does; the short help shows the text before the first semicolon.
    affects_results
        Whether the tables of a run depend on its value; False for names of files, whose content counts instead.
    is_common
        Whether the short help lists it.
    varies
        Whether the pipelines of one call may differ in it.
    """

    name: str
    option_type: OptionType
    default: Any
    help: str
    group: str
    short: str | None
    only_command_line: bool
    affects_results: bool
    is_common: bool
    varies: bool = False

    @property
    def positional(self) -> bool:
        """Whether it is a positional argument of the command line."""
        return self.short == ""

    @property
    def names(self) -> tuple[str, ...]:
        """Its names on the command line, the short one first."""
        if self.positional:
            return (self.name,)
        return (self.short, f"--{self.name}") if self.short else (f"--{self.name}",)

    @property
    def default_note(self) -> str:
        """The note about the default that the help adds; empty if there is none, or if the help text gives it."""
        if self.default in (None, (), "", False):
            return ""
        default = _to_json(self.default)
        return f" (default: {json.dumps(default) if isinstance(default, dict) else default})"


def _to_json(default: Any) -> Any:
    """Return the default of an option as a JSON value."""
    if isinstance(default, Thresholds):
        return dataclasses.asdict(default)
    return list(default) if isinstance(default, tuple) else default


GROUPS = INPUT, REGIONS, CONFOUNDS, CENSORING, SIGNALS, CONNECTIVITY, OUTPUT, RUNNING = (
    "images",
    "regions",
    "confounds",
    "censoring",
    "signals",
    "connectivity",
    "output",
    "running",
)


def _option(
    option_type: OptionType,
    text: str,
    group: str,
    *,
    default: Any = None,
    short: str | None = None,
    only_command_line: bool = False,
    affects_results: bool = True,
    is_common: bool = False,
    varies: bool = False,
) -> Any:
    """Return the declaration of an option as a field of `Settings`; see `Option` for the arguments."""
    metadata = {
        "option_type": option_type,
        "help": text,
        "group": group,
        "short": short,
        "only_command_line": only_command_line,
        "affects_results": affects_results,
        "is_common": is_common,
        "varies": varies,
    }
    return field(default=default, metadata=metadata)


def _run_filter(text: str, *, is_common: bool = False) -> Any:
    """Return the declaration of an option that selects runs of a BIDS folder."""
    return _option(LABELS, text, INPUT, default=(), affects_results=False, is_common=is_common)


def make_label(pipeline: str) -> str:
    """Return what names of files hold of a pipeline's name: a BIDS label has letters, digits and + alone."""
    return "".join(character for character in pipeline if character.isalnum() or character == "+")


@dataclass(frozen=True)
class Pipeline:
    """A named way of cleaning.

    Parameters
    ----------
    options
        The options in which it differs from the call, by name, with checked values.
    """

    name: str
    options: tuple[tuple[str, Any], ...]

    @property
    def label(self) -> str:
        """What names of files hold of its name."""
        return make_label(self.name)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The checked value of every option, whether from the command line, a JSON file or `niimasker.extract`."""

    output_dir: Path = _option(
        FOLDER,
        "folder for the results; created, with its parents, if it does not exist",
        OUTPUT,
        short="",
        only_command_line=True,
        affects_results=False,
        is_common=True,
    )
    input_files: tuple[str, ...] = _option(
        FILES,
        "fMRIPrep's output folder, or images; 4D NIfTI, .dtseries.nii or .func.gii files, of which two that differ in "
        "the hemisphere alone are one run; a folder of other BIDS derivatives, of one subject or of one session works "
        "too; patterns (*, ?, [ ], **) are expanded, and their matches sorted by file name in natural order",
        INPUT,
        short="-i",
        default=(),
        affects_results=False,
        is_common=True,
    )
    participant_label: tuple[str, ...] = _run_filter(
        "process only these subjects of a BIDS folder; with or without sub-; this and the next options take patterns "
        "such as '0*', and none for images without the entity; default: all subjects",
        is_common=True,
    )
    session: tuple[str, ...] = _run_filter(
        "process only these sessions of a BIDS folder; with or without ses-; default: all sessions"
    )
    task: tuple[str, ...] = _run_filter("process only these tasks of a BIDS folder; default: all tasks")
    run: tuple[str, ...] = _run_filter(
        "process only these runs of a BIDS folder; 1 and 01 are the same run; none: images without run- in their "
        "names; default: all runs"
    )
    echo: tuple[str, ...] = _run_filter(
        "process only these single echoes of a BIDS folder; default: the image that combines the echoes"
    )
    space: str | None = _option(
        LABEL,
        "space of the images, such as MNI152NLin6Asym; surfaces are in fsaverage5 and the like, grayordinates in fsLR; "
        "required if a BIDS folder holds several; func: volumes without space- in their names; none: all images "
        "without it",
        INPUT,
        affects_results=False,
        is_common=True,
    )
    res: str | None = _option(
        LABEL,
        "resolution of the images, such as 2; required if a BIDS folder holds several; native: images without res- in "
        "their names",
        INPUT,
        affects_results=False,
    )
    den: str | None = _option(
        LABEL,
        "density of surfaces and grayordinates, such as 91k; required if a BIDS folder holds several; native: images "
        "without den- in their names",
        INPUT,
        affects_results=False,
    )
    desc: str = _option(
        DESC,
        "process the images of a BIDS folder with this desc-; none: images without desc- in their names; preproc also "
        "chooses surfaces and grayordinates without desc-",
        INPUT,
        default="preproc",
        affects_results=False,
    )
    entities: tuple[str, ...] = _option(
        ENTITIES,
        "process only the images of a BIDS folder with these entities, such as reg=default; several values of one "
        "entity are alternatives; none: images without the entity; default: all images",
        INPUT,
        default=(),
        affects_results=False,
    )
    exclude: tuple[str, ...] = _option(
        RUNS,
        "leave out the runs with these entities, such as sub-07 or sub-12_ses-2; or a text file that lists one on each "
        "line; or the file ratings.tsv that reports/index.html saves, of which runs rated leave are left out; default: "
        "no run is left out",
        INPUT,
        default=(),
        affects_results=False,
    )
    roi_file: tuple[str, ...] = _option(
        ROIS,
        "atlas, mask, maps, seed table or nilearn:<atlas>; an image is a parcellation (3D, whole numbers), a mask (3D, "
        "one value) or probabilistic maps (4D); a CIFTI atlas is one file, and atlas.dlabel.nii:<map> chooses one of "
        "its maps by name or number; a surface atlas has a file for each hemisphere (.annot, .label.gii, .shape.gii): "
        "give both, or one with the other beside it, or one name with {hemi}, such as {hemi}.aparc.annot; a .tsv or "
        ".csv table holds coordinates in columns x, y, z, in mm; nilearn:<atlas>:<parameters> is an atlas that nilearn "
        "provides; several are extracted while each image is read once; {sub}, {ses} and other entities in a file name "
        "are filled in from each image's name",
        REGIONS,
        short="-r",
        default=(),
        affects_results=False,
        is_common=True,
    )
    mask_img: Path | None = _option(
        MASK,
        "restrict the regions to the voxels or vertices of this mask; auto: each run's own brain mask or, of surfaces, "
        "cortex mask; files of hemispheres, maps and entities in braces as in --roi_file; ignored with --as_voxels",
        REGIONS,
        short="-m",
        affects_results=False,
    )
    labels: tuple[str, ...] = _option(
        TEXTS,
        "names of the regions, or a table of them; .tsv, .csv, or the label file of FreeSurfer, ITK-SNAP, FSL, SPM, "
        "Workbench and other programs; names are matched to the regions by the column that holds the indices of the "
        "image, or taken in ascending order of index if the table has no numbers; with several atlas files, one table "
        "for each; default: the BIDS look-up table of the atlas image or the label table in its header, if there is "
        "one, and a column of names in a table of coordinates",
        REGIONS,
        default=(),
        affects_results=False,
        is_common=True,
    )
    atlas_name: tuple[str, ...] = _option(
        NAMES,
        "name for each --roi_file, of letters and digits; used in the names of output files if there are several "
        "atlases or --output_layout is bids; default: taken from the file name or query",
        REGIONS,
        default=(),
        affects_results=False,
    )
    as_voxels: bool = _option(
        FLAG, "extract every voxel of the mask or of each region, instead of the mean", REGIONS, default=False
    )
    radius: float | None = _option(
        MILLIMETRES,
        "radius of the spheres around coordinates, in mm; default: only the voxel nearest to each",
        REGIONS,
        is_common=True,
    )
    allow_overlap: bool = _option(
        FLAG, "allow spheres to share voxels; default: overlapping spheres are an error", REGIONS, default=False
    )
    atlas_dir: Path | None = _option(
        FOLDER,
        "folder for nilearn's atlases; atlases that are not in it are downloaded into it; default: nilearn's own data "
        "folder",
        REGIONS,
        affects_results=False,
    )
    regressor_files: tuple[str, ...] = _option(
        FILES,
        "confounds tables (default: beside each image); one for each image: .tsv, .csv or separated by white space, "
        "with a header; several patterns that each have a table for every image are joined side by side; patterns are "
        "expanded; paired with the images by the BIDS entities in their names; if there are none, by folder where each "
        "image and its table have one of their own, else by order; without this option, "
        "*_desc-confounds_timeseries.tsv beside each image, of the same entities",
        CONFOUNDS,
        default=(),
        affects_results=False,
        is_common=True,
        varies=True,
    )
    regressors: tuple[str, ...] = _option(
        WORDS,
        "what to regress out, such as motion wm_csf; any combination of columns, patterns of columns (cosine*), "
        "strategies (Params2 Params6 Params9 Params24 Params36 AnatCompCor TempCompCor) and words, some of which take "
        "a parameter (motion=basic wm_csf global_signal high_pass compcor n_compcor=10 ica_aroma tedana); scrub and "
        "non_steady_state censor volumes; none: nothing is regressed out; default: all columns of --regressor_files, "
        "nothing without that option",
        CONFOUNDS,
        default=(),
        is_common=True,
        varies=True,
    )
    motion_format: str = _option(
        choice(MOTION_FORMATS),
        "the program whose motion parameters the tables of --regressor_files hold that have no header; fsl: mcflirt's "
        ".par; afni: 3dvolreg's -1Dfile or -dfile; spm: rp_*.txt; hcp: Movement_Regressors.txt; they then have the "
        "names and units of fMRIPrep's columns (trans_x ... rot_z, mm and radians); fmriprep: every table has a header",
        CONFOUNDS,
        default=MOTION_FORMATS[0],
    )
    smoothing_fwhm: float | None = _option(
        WIDTH,
        "FWHM of the Gaussian smoothing kernel, in mm; default: no smoothing",
        SIGNALS,
        is_common=True,
    )
    discard_scans: int | str = _option(
        COUNT_OR_AUTO,
        "number of first volumes to discard, or auto; they are removed from image and confounds before anything else; "
        "auto: as many as the confounds mark as non_steady_state_outlier; default: 0",
        SIGNALS,
        default=0,
        is_common=True,
    )
    motion_filter: str | None = _option(
        choice(MOTION_FILTERS),
        "filter respiration out of the motion parameters; lp: low-pass filter at --band_stop_min; notch: filter that "
        "removes what is from --band_stop_min to --band_stop_max; framewise displacement and the motion regressors are "
        "computed from the filtered parameters; default: no filter",
        CONFOUNDS,
        varies=True,
    )
    band_stop_min: float | None = _option(
        BREATHS,
        "cut-off of --motion_filter lp, or lower cut-off of --motion_filter notch, in breaths per minute; 6 breaths "
        "per minute are 0.1 Hz",
        CONFOUNDS,
        varies=True,
    )
    band_stop_max: float | None = _option(
        BREATHS,
        "upper cut-off of --motion_filter notch, in breaths per minute",
        CONFOUNDS,
        varies=True,
    )
    scrub: bool = _option(
        FLAG,
        "censor volumes with excessive motion; those whose framewise_displacement or std_dvars in the confounds is "
        "above its threshold",
        CENSORING,
        default=False,
        is_common=True,
        varies=True,
    )
    fd_threshold: float = _option(
        WIDTH,
        "motion limit of --scrub, in mm; volumes with more framewise displacement are censored; 0: no limit",
        CENSORING,
        default=0.5,
        is_common=True,
        varies=True,
    )
    head_radius: float | None = _option(
        MILLIMETRES,
        "radius of the head for framewise displacement, in mm; if it is given, framewise displacement is computed from "
        "the motion parameters even where the confounds have it; default: 50, where they do not have it",
        CENSORING,
    )
    std_dvars_threshold: float = _option(
        THRESHOLD,
        "limit of --scrub for standardised DVARS; volumes with a larger value are censored; 0: no limit",
        CENSORING,
        default=1.5,
        varies=True,
    )
    scrub_segment: int = _option(
        COUNT,
        "smallest number of consecutive volumes that --scrub keeps; shorter segments between censored volumes are "
        "censored too; 0: keep all",
        CENSORING,
        default=5,
        varies=True,
    )
    censor_before: int = _option(
        COUNT,
        "number of volumes before each volume with excessive motion that --scrub censors too; neighbours of volumes "
        "censored by --censor_file or non_steady_state are kept",
        CENSORING,
        default=0,
        varies=True,
    )
    censor_after: int = _option(
        COUNT,
        "number of volumes after each volume with excessive motion that --scrub censors too",
        CENSORING,
        default=0,
        varies=True,
    )
    censor_file: tuple[str, ...] = _option(
        FILES,
        "files that say which volumes to censor, one for each image; a vector or table with a row per volume, 1 where "
        "it is censored and 0 elsewhere, or the other way round with --censor_keep; patterns and pairing as in "
        "--regressor_files",
        CENSORING,
        default=(),
        affects_results=False,
        varies=True,
    )
    censor_keep: bool = _option(
        FLAG, "read 1 in the files of --censor_file as kept and 0 as censored", CENSORING, default=False, varies=True
    )
    censored: str = _option(
        choice(CENSORED_ROWS),
        "how the tables show censored volumes; drop: they have no row; nan: their rows hold n/a",
        CENSORING,
        default="drop",
        varies=True,
    )
    min_minutes: float | None = _option(
        MINUTES,
        "exclude runs of which fewer minutes are kept; that is, kept volumes times repetition time; an excluded run "
        "has tables and a page, but the group page and --tidy leave it out, and its status in summary.tsv is excluded; "
        "default: no limit",
        CENSORING,
        affects_results=False,
    )
    max_mean_fd: float | None = _option(
        MILLIMETRES,
        "exclude runs whose mean framewise displacement is above this, in mm; the mean is over all volumes that are "
        "not discarded, censored ones included; default: no limit",
        CENSORING,
        affects_results=False,
    )
    max_censored: float | None = _option(
        SHARE,
        "exclude runs of which a larger share of volumes is censored, from 0 to 1; discarded volumes do not count; "
        "default: no limit",
        CENSORING,
        affects_results=False,
    )
    judge: Thresholds = _option(
        JUDGE,
        "thresholds by which runs are judged, in a JSON file; amber and red values of minutes (kept), mean_fd (of kept "
        "volumes, in mm), degrees_of_freedom and coverage (the lowest of a region); null: a value is not judged; those "
        "that are not given keep their defaults; each page, summary.tsv and the last lines printed say which runs need "
        "a look; no run is left out",
        CENSORING,
        default=DEFAULT_THRESHOLDS,
        affects_results=False,
    )
    detrend: bool = _option(
        FLAG, "remove linear trends from signals and confounds", SIGNALS, default=False, varies=True
    )
    high_pass: float | None = _option(
        HERTZ, "cut-off of the high-pass filter, in Hz; default: no filter", SIGNALS, is_common=True, varies=True
    )
    low_pass: float | None = _option(
        HERTZ, "cut-off of the low-pass filter, in Hz; default: no filter", SIGNALS, is_common=True, varies=True
    )
    interpolation: str = _option(
        choice(INTERPOLATIONS),
        "what bridges the gaps of censored volumes for --detrend, --high_pass and --low_pass; pchip: a monotone cubic, "
        "which stays between the kept volumes around a gap; linear: a straight line; cubic: a cubic spline, as in "
        "nilearn and XCP-D, which can overshoot in long gaps; the bridges are dropped after filtering",
        SIGNALS,
        default=PCHIP,
        varies=True,
    )
    t_r: float | None = _option(
        SECONDS,
        "repetition time, in seconds; default: that of the JSON file beside the image, or of the image's header",
        SIGNALS,
    )
    standardize: bool = _option(
        FLAG,
        "standardise each column to z-scores; --standardize_method chooses another method",
        SIGNALS,
        default=False,
        is_common=True,
        varies=True,
    )
    standardize_method: str = _option(
        choice(STANDARDIZE_METHODS),
        "what --standardize does; zscore_sample: z-scores, by the sample standard deviation (n - 1); zscore: z-scores, "
        "by the population standard deviation (n); psc: percent signal change relative to the mean before cleaning",
        SIGNALS,
        default="zscore_sample",
        varies=True,
    )
    min_coverage: float | None = _option(
        SHARE,
        "smallest share of valid voxels that a region needs, from 0 to 1; a voxel is valid if it is finite and varies "
        "over time; columns of regions below that are n/a; default: no limit",
        SIGNALS,
    )
    valid_voxels: bool = _option(
        FLAG,
        "average only voxels that are finite and vary over time; cannot be combined with --smoothing_fwhm",
        SIGNALS,
        default=False,
    )
    connectivity: tuple[str, ...] = _option(
        choices(CONNECTIVITY_KINDS),
        "connectivity matrices to write, such as pearson; one table for each matrix and run; pearson: Pearson's "
        "correlation; correlation, partial_correlation, covariance, precision: nilearn's, with Ledoit-Wolf shrinkage; "
        "cannot be combined with --as_voxels",
        CONNECTIVITY,
        default=(),
        is_common=True,
        varies=True,
    )
    fisher_z: bool = _option(
        FLAG,
        "write the correlations of --connectivity as Fisher z; that is, their inverse hyperbolic tangent",
        CONNECTIVITY,
        default=False,
        varies=True,
    )
    pipelines: tuple[Pipeline, ...] = _option(
        PIPELINES,
        "clean each image in several ways while it is read once; names of presets (baseline, simple, simple+gsr, "
        "scrubbing.5, scrubbing.5+gsr, scrubbing.2, scrubbing.2+gsr, compcor, compcor6, aroma, 24P, 36P, 36P+scrub, "
        "aCompCor) or JSON files that hold the options of each pipeline by its name; each takes every other option "
        "from the call, and adds desc-<name> to the names of its tables",
        SIGNALS,
        default=(),
        affects_results=False,
    )
    n_decimals: int = _option(DECIMALS, "number of decimals in the tables of time series", OUTPUT, default=8)
    output_layout: str = _option(
        choice(OUTPUT_LAYOUTS),
        "how the output folder is arranged; flat: all tables in one folder; mirror: in the folders of the images, "
        "below their common root; bids: as a BIDS derivative, for images whose names have BIDS entities",
        OUTPUT,
        default="flat",
        affects_results=False,
    )
    tidy: str | None = _option(
        choice(TIDY_FORMATS),
        "also write one long table of all runs; timeseries.parquet or timeseries.tsv.gz, with a row for each volume of "
        "each region",
        OUTPUT,
        affects_results=False,
    )
    cifti_out: bool = _option(
        FLAG,
        "also write CIFTI files, for runs on surfaces or grayordinates; the time series as .ptseries.nii, and each "
        "matrix of --connectivity as .pconn.nii; not for maps or --as_voxels",
        OUTPUT,
        default=False,
    )
    no_report: bool = _option(
        FLAG, "write tables only, without the HTML pages in reports/", OUTPUT, default=False, affects_results=False
    )
    engine: str = _option(
        choice(ENGINES),
        "what extracts the signals; stream: reads each image once, block by block; nilearn: nilearn's own masker",
        RUNNING,
        default="stream",
    )
    n_jobs: int = _option(
        PROCESSES,
        "processes to use, -1 for all cores; fewer are started if the memory does not hold one per core",
        RUNNING,
        default=1,
        affects_results=False,
        is_common=True,
    )
    timeout: float | None = _option(
        SECONDS,
        "longest time that a run may take, in seconds; a run that takes longer is stopped and counts as failed; with "
        "--pipelines, the time of all pipelines of an image; "
        "default: no limit",
        RUNNING,
        affects_results=False,
    )
    scheduler: str | None = _option(
        SCHEDULER,
        "run on a Dask cluster; give the address of its scheduler, or the JSON file that the scheduler writes",
        RUNNING,
        affects_results=False,
    )
    shard: Shard | None = _option(
        SHARD,
        "process part I of N, such as 3/40; that is, every N-th run from the I-th on; all parts share one output "
        "folder and its summary",
        RUNNING,
        affects_results=False,
    )
    resume: bool = _option(
        FLAG,
        "skip runs that are already done; their outputs are complete and made from the same files, regions and "
        "settings",
        RUNNING,
        default=False,
        affects_results=False,
        is_common=True,
    )
    overwrite: bool = _option(
        FLAG,
        "remove runs from the output folder that were made with other settings, regions or versions and are not among "
        "the runs of this call; default: such runs are an error",
        RUNNING,
        default=False,
        affects_results=False,
    )
    dry_run: bool = _option(
        FLAG,
        "check the inputs, list the runs, write nothing; headers, tables and each run's own regions are read, and "
        "every problem is reported",
        RUNNING,
        default=False,
        affects_results=False,
        is_common=True,
    )
    fail_fast: bool = _option(FLAG, "stop at the first run that fails", RUNNING, default=False, affects_results=False)
    quiet: bool = _option(FLAG, "print only errors", RUNNING, default=False, short="-q", affects_results=False)
    verbose: bool = _option(
        FLAG, "print each step, and the traceback of errors", RUNNING, default=False, short="-v", affects_results=False
    )

    @cached_property
    def by_pipeline(self) -> Mapping[str, Settings]:
        """For each pipeline the settings that a call with it alone has, by name; these settings for none, as ""."""
        if not self.pipelines:
            return {"": self}
        return {each.name: dataclasses.replace(self, pipelines=(), **dict(each.options)) for each in self.pipelines}

    @property
    def averages_valid(self) -> bool:
        """Whether regions are averaged over their valid voxels only."""
        return self.valid_voxels and not self.as_voxels

    @property
    def requested_regressors(self) -> tuple[str, ...] | None:
        """The words of --regressors; empty for all columns of --regressor_files; None to regress out nothing."""
        if NO_REGRESSORS in self.regressors:
            return None
        return self.regressors or (() if self.regressor_files else None)

    @property
    def needs_confounds(self) -> bool:
        """Whether each run must have a confounds table."""
        has_words = bool(set(self.regressors) - {NO_REGRESSORS})
        needs_motion = self.scrub or self.motion_filter is not None or self.max_mean_fd is not None
        return has_words or needs_motion or self.discard_scans == "auto"

    @property
    def needs_only_motion(self) -> bool:
        """Whether a table of framewise displacement does in place of a confounds table."""
        return not set(self.regressors) - {"scrub", NO_REGRESSORS} and self.discard_scans != "auto"

    @property
    def scrubs(self) -> bool:
        """Whether volumes with excessive motion are censored."""
        return self.scrub or "scrub" in self.regressors

    @property
    def needs_displacement(self) -> bool:
        """Whether the framewise displacement of each run must be known."""
        return bool(self.scrubs and self.fd_threshold) or self.max_mean_fd is not None


OPTIONS: tuple[Option, ...] = tuple(
    Option(name=item.name, default=item.default, **item.metadata) for item in dataclasses.fields(Settings)
)
OPTIONS_BY_NAME = {option.name: option for option in OPTIONS}


def _command_line_option(
    name: str, option_type: OptionType, text: str, *, short: str | None = None, is_common: bool = True
) -> Option:
    """Return an option of the command line alone, which is not part of `Settings`."""
    return Option(
        name=name,
        option_type=option_type,
        default=None,
        help=text,
        group=RUNNING,
        short=short,
        only_command_line=True,
        affects_results=False,
        is_common=is_common,
    )


COMMAND_LINE_OPTIONS: tuple[Option, ...] = (
    _command_line_option(
        "config",
        FILE,
        "JSON file of options, or a parameters.json; the parameters.json of an earlier call gives that call's options; "
        "the file overrides the command line",
        short="-c",
    ),
    _command_line_option(
        "example",
        EXAMPLE,
        "process a small made-up data set; it is written to output_dir/data first; the data set study has 12 runs, "
        "which are cleaned by several pipelines and compared",
    ),
    _command_line_option("help", FLAG, "show the most common options and exit", short="-h", is_common=False),
    _command_line_option("help_all", FLAG, "show all options and exit", is_common=False),
    _command_line_option("version", FLAG, "show the version of niimasker and exit", is_common=False),
)

# Options about how one call runs. The JSON files do not record them: one call and several with --resume give the same.
PER_CALL_OPTIONS = frozenset(
    option.name for option in OPTIONS if option.group == RUNNING and not option.affects_results
)

# The limits beyond which runs are excluded, and the thresholds by which they are judged. They shape no table: in
# summary.tsv and on pages they say which runs are excluded, and what the verdict on each run is.
RUN_LIMITS = ("min_minutes", "max_mean_fd", "max_censored", "judge")

# Names of version 0.0.4 that are accepted with a warning. sphere_size was in its JSON template only.
DEPRECATED = {"regressor_names": "regressors", "sphere_size": "radius"}
DEPRECATED_ON_COMMAND_LINE = ("regressor_names",)


def config_template() -> dict[str, Any]:
    """Return every option of a JSON file with its default, as in config_template.json."""
    return {option.name: _to_json(option.default) for option in OPTIONS if not option.only_command_line}
