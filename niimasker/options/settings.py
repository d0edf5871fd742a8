"""Every option once: its name, kind, default, unit and help.

argparse, the JSON check, config_template.json and the README's table are made from or compared with `OPTIONS`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from niimasker.options.option_types import (
    COUNT,
    COUNT_OR_AUTO,
    DECIMALS,
    FILE,
    FILES,
    FLAG,
    FOLDER,
    HERTZ,
    LABEL,
    LABELS,
    NAMES,
    PROCESSES,
    RADIUS,
    ROIS,
    SCHEDULER,
    SECONDS,
    SHARD,
    SHARE,
    TEXTS,
    THRESHOLD,
    WIDTH,
    WORDS,
    Kind,
    Shard,
    choice,
    choices,
)

ENGINES = ("stream", "nilearn")
OUTPUT_LAYOUTS = FLAT, MIRROR, BIDS = ("flat", "mirror", "bids")
STANDARDIZE_METHODS = ("zscore_sample", "zscore", "psc")
CENSORED_ROWS = ("drop", "nan")
CORRELATION_KINDS = ("pearson", "correlation", "partial_correlation")
CONNECTIVITY_KINDS = (*CORRELATION_KINDS, "covariance", "precision")
TIDY_FORMATS = ("parquet", "tsv.gz")


@dataclass(frozen=True)
class Option:
    """One option, as its declaration in `Settings` gives it."""

    name: str
    kind: Kind
    default: Any
    help: str
    group: str
    short: str | None
    only_command_line: bool
    shapes_results: bool

    @property
    def positional(self) -> bool:
        """Whether the command line gives it by place."""
        return self.short == ""


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
    kind: Kind,
    text: str,
    group: str,
    *,
    default: Any = None,
    short: str | None = None,
    only_command_line: bool = False,
    shapes_results: bool = True,
) -> Any:
    """Return the declaration of an option; `shapes_results` but for files, whose content does, and for how to run."""
    metadata = {
        "kind": kind,
        "help": text,
        "group": group,
        "short": short,
        "only_command_line": only_command_line,
        "shapes_results": shapes_results,
    }
    return field(default=default, metadata=metadata)


def _choice_of_runs(which: str) -> Any:
    """Return the declaration of an option that chooses among the runs of a folder."""
    return _option(LABELS, f"of a folder: only these {which}", INPUT, default=(), shapes_results=False)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every option's checked value; what the command line, JSON and `niimasker.extract` agree on."""

    output_dir: Path = _option(
        FOLDER,
        "folder for the results, created with its parents",
        OUTPUT,
        short="",
        only_command_line=True,
        shapes_results=False,
    )
    input_files: tuple[str, ...] = _option(
        FILES,
        "the folder of fMRIPrep's outputs or of other BIDS derivatives, or 4D NIfTI images or patterns of them "
        "(*, ?, [ ], **), whose matches are sorted naturally by file name",
        INPUT,
        short="-i",
        default=(),
        shapes_results=False,
    )
    participant_label: tuple[str, ...] = _choice_of_runs("subjects, with or without sub-")
    session: tuple[str, ...] = _choice_of_runs("sessions")
    task: tuple[str, ...] = _choice_of_runs("tasks")
    run: tuple[str, ...] = _choice_of_runs("runs; 1 is 01")
    echo: tuple[str, ...] = _choice_of_runs("echoes; without it the combined image")
    space: str | None = _option(
        LABEL,
        "of a folder: the space of the images, needed where there are several; func for those without space-",
        INPUT,
        shapes_results=False,
    )
    res: str | None = _option(
        LABEL,
        "of a folder: the resolution, needed where there are several; native for images without res-",
        INPUT,
        shapes_results=False,
    )
    desc: str = _option(LABEL, "of a folder: the desc- of the images", INPUT, default="preproc", shapes_results=False)
    roi_file: tuple[str, ...] = _option(
        ROIS,
        "regions: a NIfTI image (parcellation, single mask, or 4D probabilistic maps), nilearn:<atlas>:<parameters>, "
        "or a .tsv or .csv table with columns x, y, z in mm; more than one are extracted in one reading of each image; "
        "{sub}, {ses} and other entities in a file's name are filled in from each image's name",
        REGIONS,
        short="-r",
        default=(),
        shapes_results=False,
    )
    mask_img: Path | None = _option(
        FILE,
        "mask that restricts a parcellation, maps or spheres to its voxels; auto: each run's own brain mask; "
        "may hold entities as --roi_file; ignored with --as_voxels",
        REGIONS,
        short="-m",
        shapes_results=False,
    )
    labels: tuple[str, ...] = _option(
        TEXTS,
        "the regions' names: a list, a .tsv or .csv table with a column of names (name, label, ROI Name, region, ...), "
        "joined by its column index where there is one, else in ascending order of index, or a .txt of FreeSurfer's "
        "colours; with several atlases a table for each; without it BIDS's table beside the image, if there is one",
        REGIONS,
        default=(),
        shapes_results=False,
    )
    atlas_name: tuple[str, ...] = _option(
        NAMES,
        "a name for each roi_file, in the names of its tables where there are several or --output_layout is bids; "
        "without it that of its file or query",
        REGIONS,
        default=(),
        shapes_results=False,
    )
    as_voxels: bool = _option(
        FLAG, "each voxel of a mask or of every region, instead of their mean", REGIONS, default=False
    )
    radius: float | None = _option(
        RADIUS, "radius in mm of the spheres around coordinates; the nearest voxel without it", REGIONS
    )
    allow_overlap: bool = _option(
        FLAG, "permit spheres that share voxels, an error without this option", REGIONS, default=False
    )
    atlas_dir: Path | None = _option(
        FOLDER,
        "folder where nilearn: atlases are kept and looked for; nilearn's own folder without it",
        REGIONS,
        shapes_results=False,
    )
    regressor_files: tuple[str, ...] = _option(
        FILES,
        "one table of confounds (.tsv, .csv, or separated by whitespace) with a header per image, or patterns; "
        "paired by BIDS entities where the names have them, else by order; "
        "without this option the table beside each image, by its entities",
        CONFOUNDS,
        default=(),
        shapes_results=False,
    )
    regressors: tuple[str, ...] = _option(
        WORDS,
        "what to regress out, added up: columns or patterns of them (cosine*); strategies: Params2 Params6 Params9 "
        "Params24 Params36 AnatCompCor TempCompCor; words, some with a parameter: motion=basic wm_csf global_signal "
        "high_pass compcor n_compcor=10 ica_aroma tedana; scrub and non_steady_state censor volumes; "
        "without this option all columns of --regressor_files",
        CONFOUNDS,
        default=(),
    )
    smoothing_fwhm: float | None = _option(
        WIDTH, "full width at half maximum in mm of a Gaussian filter applied to the volumes", SIGNALS
    )
    discard_scans: int | str = _option(
        COUNT_OR_AUTO,
        "number of first volumes removed from image and confounds before anything else; "
        "auto: those that the confounds mark as non_steady_state_outlier",
        SIGNALS,
        default=0,
    )
    scrub: bool = _option(
        FLAG,
        "censor volumes with motion, by framewise_displacement and std_dvars of the confounds",
        CENSORING,
        default=False,
    )
    fd_threshold: float = _option(
        WIDTH, "--scrub: highest framewise displacement in mm that is kept; 0: not looked at", CENSORING, default=0.5
    )
    std_dvars_threshold: float = _option(
        THRESHOLD, "--scrub: highest standardised DVARS that is kept; 0: not looked at", CENSORING, default=1.5
    )
    scrub_segment: int = _option(
        COUNT,
        "--scrub: stretches between censored volumes that are shorter than this are censored too; 0: none",
        CENSORING,
        default=5,
    )
    censor_file: tuple[str, ...] = _option(
        FILES,
        "a table or vector of 0 and 1 (1: censored) for each image, or patterns; paired like --regressor_files",
        CENSORING,
        default=(),
        shapes_results=False,
    )
    censored: str = _option(
        choice(CENSORED_ROWS),
        "drop: censored volumes have no row in the tables; nan: their rows hold n/a",
        CENSORING,
        default="drop",
    )
    detrend: bool = _option(FLAG, "remove linear trends", SIGNALS, default=False)
    high_pass: float | None = _option(HERTZ, "high-pass cut-off in Hz", SIGNALS)
    low_pass: float | None = _option(HERTZ, "low-pass cut-off in Hz", SIGNALS)
    t_r: float | None = _option(
        SECONDS, "repetition time in seconds; without it the JSON file beside the image, then its header", SIGNALS
    )
    standardize: bool = _option(FLAG, "standardise each column, as --standardize_method says", SIGNALS, default=False)
    standardize_method: str = _option(
        choice(STANDARDIZE_METHODS),
        "zscore_sample and zscore divide by the standard deviation of the sample or of the population; "
        "psc is percent of the mean before detrending",
        SIGNALS,
        default="zscore_sample",
    )
    min_coverage: float | None = _option(
        SHARE, "regions with a smaller share of voxels that are finite and vary over time become n/a", SIGNALS
    )
    valid_voxels: bool = _option(
        FLAG, "average over voxels that are finite and vary over time only; not with smoothing", SIGNALS, default=False
    )
    connectivity: tuple[str, ...] = _option(
        choices(CONNECTIVITY_KINDS),
        "matrices between regions, each in a table: pearson is Pearson's correlation; the others are nilearn's, "
        "with Ledoit-Wolf shrinkage; not with --as_voxels",
        CONNECTIVITY,
        default=(),
    )
    fisher_z: bool = _option(
        FLAG, "--connectivity: correlations as Fisher z, their inverse hyperbolic tangent", CONNECTIVITY, default=False
    )
    n_decimals: int = _option(DECIMALS, "number of decimals in the tables", OUTPUT, default=8)
    output_layout: str = _option(
        choice(OUTPUT_LAYOUTS),
        "flat: all tables in one folder; mirror: the images' folders below their common root are kept; "
        "bids: a BIDS derivative, from images whose names have BIDS entities",
        OUTPUT,
        default="flat",
        shapes_results=False,
    )
    tidy: str | None = _option(
        choice(TIDY_FORMATS),
        "also write one long table over all runs, timeseries.parquet or timeseries.tsv.gz: a row for each volume of "
        "each region",
        OUTPUT,
        shapes_results=False,
    )
    no_report: bool = _option(
        FLAG, "write no HTML pages: tables alone, without reports/", OUTPUT, default=False, shapes_results=False
    )
    engine: str = _option(
        choice(ENGINES),
        "what extracts the signals: stream reads each image once in blocks, nilearn is nilearn's own masker",
        RUNNING,
        default="stream",
    )
    n_jobs: int = _option(
        PROCESSES,
        "number of processes; 1 is this process alone, -1 is one per core",
        RUNNING,
        default=1,
        shapes_results=False,
    )
    timeout: float | None = _option(
        SECONDS,
        "time after which a run that has not ended fails; its process is ended",
        RUNNING,
        shapes_results=False,
    )
    scheduler: str | None = _option(
        SCHEDULER,
        "run on a Dask cluster: the address of its scheduler, or the JSON file that it writes",
        RUNNING,
        shapes_results=False,
    )
    shard: Shard | None = _option(
        SHARD,
        "do part I of N, every N-th run from the I-th on; the last part to end merges the summaries of all",
        RUNNING,
        shapes_results=False,
    )
    resume: bool = _option(
        FLAG,
        "skip runs whose outputs are complete and made from the same files, regions and settings",
        RUNNING,
        default=False,
        shapes_results=False,
    )
    dry_run: bool = _option(
        FLAG,
        "tell what would be done and everything that does not fit, read headers and tables, and write nothing",
        RUNNING,
        default=False,
        shapes_results=False,
    )
    fail_fast: bool = _option(FLAG, "stop at the first run that fails", RUNNING, default=False, shapes_results=False)
    quiet: bool = _option(FLAG, "say nothing but errors", RUNNING, default=False, short="-q", shapes_results=False)
    verbose: bool = _option(
        FLAG, "tell each step, and show tracebacks", RUNNING, default=False, short="-v", shapes_results=False
    )

    @property
    def regressed(self) -> tuple[str, ...] | None:
        """What is regressed out: words, none for all columns, None for nothing where the tables were not given."""
        return self.regressors or (() if self.regressor_files else None)

    @property
    def needs_confounds(self) -> bool:
        """Whether each run must have a table of confounds."""
        return bool(self.regressors) or self.scrub or self.discard_scans == "auto"

    @property
    def scrubs(self) -> bool:
        """Whether volumes with motion are censored."""
        return self.scrub or "scrub" in self.regressors


OPTIONS: tuple[Option, ...] = tuple(
    Option(name=item.name, default=item.default, **item.metadata) for item in dataclasses.fields(Settings)
)
BY_NAME = {option.name: option for option in OPTIONS}

# How a call is run, of which its results know nothing: the same come out of a later call with --resume.
OF_ONE_CALL = frozenset(option.name for option in OPTIONS if option.group == RUNNING and not option.shapes_results)

# Names of 0.0.4 that are still taken, with a warning. Its template had sphere_size; its command line never did.
DEPRECATED = {"regressor_names": "regressors", "sphere_size": "radius"}
DEPRECATED_ON_COMMAND_LINE = ("regressor_names",)


def config_template() -> dict[str, Any]:
    """Return every option of a JSON file with its default, as config_template.json holds it."""
    return {
        option.name: list(option.default) if isinstance(option.default, tuple) else option.default
        for option in OPTIONS
        if not option.only_command_line
    }
