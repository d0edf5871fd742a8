"""Every option once: its name, kind, default, unit and help; how given values are merged and checked.

argparse, the JSON check, config_template.json and the README's table are made from or compared with `OPTIONS`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from niimasker.errors import SettingsError, clip, nearest, warn
from niimasker.kinds import (
    COUNT,
    COUNT_OR_AUTO,
    DECIMALS,
    FILE,
    FILES,
    FLAG,
    FOLDER,
    HERTZ,
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
    HintError,
    Kind,
    Shard,
    choice,
)

ENGINES = ("stream", "nilearn")
OUTPUT_LAYOUTS = ("flat", "mirror")
STANDARDIZE_METHODS = ("zscore_sample", "zscore", "psc")
CENSORED_ROWS = ("drop", "nan")


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


GROUPS = INPUT, REGIONS, CONFOUNDS, CENSORING, SIGNALS, OUTPUT, RUNNING = (
    "images",
    "regions",
    "confounds",
    "censoring",
    "signals",
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
        "4D NIfTI images or patterns (*, ?, [ ], **), whose matches are sorted naturally by file name",
        INPUT,
        short="-i",
        default=(),
        shapes_results=False,
    )
    roi_file: tuple[str, ...] = _option(
        ROIS,
        "regions: a NIfTI image (parcellation, single mask, or 4D probabilistic maps), nilearn:<atlas>:<parameters>, "
        "or a .tsv or .csv table with columns x, y, z in mm; more than one are extracted in one reading of each image",
        REGIONS,
        short="-r",
        default=(),
        shapes_results=False,
    )
    mask_img: Path | None = _option(
        FILE,
        "mask that restricts a parcellation, maps or spheres to its voxels; ignored with --as_voxels",
        REGIONS,
        short="-m",
        shapes_results=False,
    )
    labels: tuple[str, ...] = _option(
        TEXTS,
        "the regions' names: a list, or a .tsv or .csv table with a column Labels, Label, label or name, "
        "joined by its column index where there is one, else in ascending order of index; "
        "with several atlases a table for each",
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
        "paired by BIDS entities where the names have them, else by order",
        CONFOUNDS,
        default=(),
        shapes_results=False,
    )
    regressors: tuple[str, ...] = _option(
        WORDS,
        "what to regress out, added up: columns or patterns of them (cosine*); strategies: Params2 Params6 Params9 "
        "Params24 Params36 AnatCompCor TempCompCor; words, some with a parameter: motion=basic wm_csf global_signal "
        "high_pass compcor n_compcor=10 ica_aroma tedana; scrub and non_steady_state censor volumes; "
        "all columns without this option",
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
    n_decimals: int = _option(DECIMALS, "number of decimals in the tables", OUTPUT, default=8)
    output_layout: str = _option(
        choice(OUTPUT_LAYOUTS),
        "flat: all tables in one folder; mirror: the images' folders below their common root are kept",
        OUTPUT,
        default="flat",
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
    def scrubs(self) -> bool:
        """Whether volumes with motion are censored."""
        return self.scrub or "scrub" in self.regressors


OPTIONS: tuple[Option, ...] = tuple(
    Option(name=item.name, default=item.default, **item.metadata) for item in dataclasses.fields(Settings)
)
_BY_NAME = {option.name: option for option in OPTIONS}

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


def suggest(name: str, names: Iterable[str]) -> str:
    """Return the part of an error message that names the nearest of some names, or lists them all."""
    close = nearest(name, names)
    return f"the nearest is {close!r}" if close else "the options are " + ", ".join(names)


def make_settings(given: Mapping[str, Any], config: Mapping[str, Any] | None = None) -> Settings:
    """Return checked settings: defaults, overruled by what is given, overruled by the JSON file.

    Parameters
    ----------
    given
        Options of the command line or of a Python call, as JSON values.
    config
        Options of the JSON file, as `niimasker.config.read_config` returns them.

    Raises
    ------
    SettingsError
        A value is not usable, or values do not go together.
    """
    merged = _rename_deprecated(_merge(given, config or {}))
    unknown = [name for name in merged if name not in _BY_NAME]
    if unknown:
        raise SettingsError(f"unknown option {unknown[0]!r}; {suggest(unknown[0], _BY_NAME)}.")
    settings = Settings(**{name: _checked(_BY_NAME[name], value) for name, value in merged.items()})
    _check_together(settings)
    return settings


def _merge(given: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in given.items() if value is not None and value not in ("", [], ())}
    for name in sorted(given.keys() & config.keys()):
        if _comparable(name, given[name]) != _comparable(name, config[name]):
            warn(
                f"--{name} is {_shown(given[name])} on the command line and {_shown(config[name])} in the JSON file; "
                "the JSON file wins."
            )
    return {**given, **config}


def _comparable(name: str, value: Any) -> Any:
    # A list of one and its item, or an object and its words, are the same value.
    with contextlib.suppress(SettingsError, KeyError):
        return _checked(_BY_NAME[name], value)
    return value


def _shown(value: Any) -> str:
    return clip(json.dumps(value, default=str))


def _rename_deprecated(merged: dict[str, Any]) -> dict[str, Any]:
    for old, new in DEPRECATED.items():
        if old not in merged:
            continue
        if new in merged:
            raise SettingsError(f"both {old!r} and {new!r} are given; {old!r} is the old name of {new!r}: keep one.")
        warn(f"{old!r} is deprecated; it is taken as {new!r}.")
        merged[new] = merged.pop(old)
    return merged


def _checked(option: Option, value: Any) -> Any:
    if isinstance(value, list) and len(value) == 1 and not isinstance(option.default, tuple):
        value = value[0]  # R's jsonlite writes every value as a list.
    try:
        return option.kind.check(value)
    except (ValueError, OverflowError) as error:
        name = option.name if option.positional else f"--{option.name}"
        why = f" ({error})" if isinstance(error, HintError) else ""
        raise SettingsError(f"{name}: expected {option.kind.expected}, found {_shown(value)}{why}.") from error


def _check_together(settings: Settings) -> None:
    if settings.output_dir is None:
        raise SettingsError("output_dir is missing; give it first, or last after --.")
    if not settings.input_files:
        raise SettingsError("--input_files is missing; give 4D NIfTI images or patterns.")
    if not settings.roi_file:
        raise SettingsError("--roi_file is missing; give an atlas, a mask, a table of coordinates or nilearn:<atlas>.")
    _check_confounds(settings)
    _check_scrubbing(settings)
    if settings.scheduler and settings.timeout:
        raise SettingsError("--timeout ends processes of this machine; it does not go with --scheduler.")
    if settings.scheduler and settings.n_jobs != 1:
        warn("--n_jobs is ignored: with --scheduler the cluster's workers do the runs.")
    if settings.quiet and settings.verbose:
        raise SettingsError("--quiet and --verbose contradict each other; leave one of them out.")
    if settings.valid_voxels and settings.smoothing_fwhm:
        raise SettingsError(
            "--valid_voxels does not go with --smoothing_fwhm: smoothing has already spread the invalid voxels' values "
            "over their neighbours; leave one of them out."
        )
    if settings.valid_voxels and settings.as_voxels:
        warn("--valid_voxels is ignored: with --as_voxels nothing is averaged.")
    if settings.standardize_method != "zscore_sample" and not settings.standardize:
        warn(f"--standardize_method {settings.standardize_method} is ignored without --standardize.")
    if settings.high_pass and settings.low_pass and settings.high_pass >= settings.low_pass:
        raise SettingsError(f"--high_pass {settings.high_pass:g} Hz is not below --low_pass {settings.low_pass:g} Hz.")


def _check_confounds(settings: Settings) -> None:
    if settings.regressor_files:
        return
    for name, is_given, what in (
        ("regressors", settings.regressors, "chooses columns of"),
        ("scrub", settings.scrub, "takes framewise_displacement and std_dvars from"),
        ("discard_scans auto", settings.discard_scans == "auto", "takes non_steady_state_outlier columns from"),
    ):
        if is_given:
            raise SettingsError(f"--{name} {what} --regressor_files, which is missing.")


def _check_scrubbing(settings: Settings) -> None:
    if settings.scrubs:
        if not (settings.fd_threshold or settings.std_dvars_threshold):
            raise SettingsError("--fd_threshold and --std_dvars_threshold are both 0: nothing is left to scrub by.")
        return
    for name in ("fd_threshold", "std_dvars_threshold", "scrub_segment"):
        if getattr(settings, name) != _BY_NAME[name].default:
            warn(f"--{name} is ignored without --scrub.")
