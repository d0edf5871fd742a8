"""Every option once: its name, kind, default, unit and help; how given values are merged and checked.

argparse, the JSON check, config_template.json and the README's table are made from or compared with `OPTIONS`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from niimasker.errors import SettingsError, nearest, warn

ENGINES = ("stream", "nilearn")
OUTPUT_LAYOUTS = ("flat", "mirror")


@dataclass(frozen=True)
class Kind:
    """What an option's value may be.

    Parameters
    ----------
    expected
        The values that are allowed, as an error message names them.
    check
        Returns the value as Settings holds it, from a JSON value; raises ValueError for any other.
    read
        Returns a JSON value from the words of a command line; raises ValueError for words it cannot read.
    """

    expected: str
    check: Callable[[Any], Any]
    read: Callable[[Any], Any] = lambda words: words
    argparse: Mapping[str, Any] = field(default_factory=dict)


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

    @property
    def positional(self) -> bool:
        """Whether the command line gives it by place."""
        return self.short == ""


def _number(minimum: float, *, above: bool) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError
        # Written so that NaN fails; infinity is no cut-off, no width and no duration.
        if not ((value > minimum if above else value >= minimum) and value < float("inf")):
            raise ValueError
        return float(value)

    return check


def _whole(allowed: Callable[[int], bool]) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
            raise ValueError
        if not allowed(int(value)):
            raise ValueError
        return int(value)

    return check


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


class _HintError(ValueError):
    """Why a value is not usable, where what is expected does not say it."""


def _text(value: Any) -> str:
    text = str(value) if isinstance(value, Path) else value
    if not isinstance(text, str):
        raise ValueError
    if any(ord(character) < 32 for character in text):
        raise _HintError("it holds a control character; in JSON a path is written with / or \\\\")
    return text


def _texts(value: Any) -> tuple[str, ...]:
    values = [value] if isinstance(value, (str, Path)) else value
    if not isinstance(values, (list, tuple)):
        raise ValueError
    return tuple(str(item) if type(item) is int else _text(item) for item in values)


def _path(value: Any) -> Path:
    return to_path(_text(value))


def to_path(text: str) -> Path:
    """Return a path, with ~ for the home directory where there is one of that name."""
    with contextlib.suppress(RuntimeError):
        return Path(text).expanduser()
    return Path(text)


def _choice(choices: tuple[str, ...]) -> Kind:
    def check(value: Any) -> str:
        if value not in choices:
            raise ValueError
        return str(value)

    return Kind("one of " + ", ".join(choices), check, argparse={"metavar": "|".join(choices)})


def _positive(unit: str) -> Kind:
    return Kind(f"a number above 0, in {unit}", _number(0, above=True), float, {"metavar": unit})


FLAG = Kind("true or false", _flag, argparse={"action": "store_true"})
ROIS = Kind("a file or nilearn: query, or a list of them", _texts, argparse={"nargs": "+", "metavar": "ROI"})
TEXTS = Kind("a text or a list of texts", _texts, argparse={"nargs": "+", "metavar": "NAME"})
FILES = Kind("a file name or a list of file names", _texts, argparse={"nargs": "+", "metavar": "FILE"})
FILE = Kind("a file name", _path, argparse={"metavar": "FILE"})
FOLDER = Kind("a folder", _path, argparse={"metavar": "FOLDER"})
SECONDS = _positive("s")
HERTZ = _positive("Hz")
RADIUS = _positive("mm")
WIDTH = Kind("a number, 0 or above, in mm", _number(0, above=False), float, {"metavar": "mm"})
COUNT = Kind("a whole number, 0 or above", _whole(lambda n: n >= 0), json.loads, {"metavar": "N"})
DECIMALS = Kind("a whole number from 0 to 17", _whole(lambda n: 0 <= n <= 17), json.loads, {"metavar": "N"})
PROCESSES = Kind("a whole number, 1 or above, or -1", _whole(lambda n: n >= 1 or n == -1), json.loads, {"metavar": "N"})

GROUPS = INPUT, REGIONS, CONFOUNDS, SIGNALS, OUTPUT, RUNNING = (
    "images",
    "regions",
    "confounds",
    "signals",
    "output",
    "running",
)


def _option(
    kind: Kind, text: str, group: str, *, default: Any = None, short: str | None = None, only_command_line: bool = False
) -> Any:
    metadata = {"kind": kind, "help": text, "group": group, "short": short, "only_command_line": only_command_line}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every option's checked value; what the command line, JSON and `niimasker.extract` agree on."""

    output_dir: Path = _option(
        FOLDER, "folder for the results, created with its parents", OUTPUT, short="", only_command_line=True
    )
    input_files: tuple[str, ...] = _option(
        FILES,
        "4D NIfTI images or patterns (*, ?, [ ], **), whose matches are sorted naturally by file name",
        INPUT,
        short="-i",
        default=(),
    )
    roi_file: tuple[str, ...] = _option(
        ROIS,
        "regions: a NIfTI image (parcellation, single mask, or 4D probabilistic maps), nilearn:<atlas>:<parameters>, "
        "or a .tsv or .csv table with columns x, y, z in mm; more than one are extracted in one reading of each image",
        REGIONS,
        short="-r",
        default=(),
    )
    mask_img: Path | None = _option(
        FILE,
        "mask that restricts a parcellation, maps or spheres to its voxels; ignored with --as_voxels",
        REGIONS,
        short="-m",
    )
    labels: tuple[str, ...] = _option(
        TEXTS,
        "the regions' names: a list, or a .tsv or .csv table with a column Labels, Label, label or name, "
        "joined by its column index where there is one, else in ascending order of index; "
        "with several atlases a table for each",
        REGIONS,
        default=(),
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
        FOLDER, "folder where nilearn: atlases are kept and looked for; nilearn's own folder without it", REGIONS
    )
    regressor_files: tuple[str, ...] = _option(
        FILES,
        "one table of confounds (.tsv, .csv, or separated by whitespace) with a header per image, or patterns; "
        "paired by BIDS entities where the names have them, else by order",
        CONFOUNDS,
        default=(),
    )
    regressors: tuple[str, ...] = _option(
        TEXTS,
        "columns to regress out; or a strategy: Params2 Params6 Params9 Params24 Params36 AnatCompCor TempCompCor; "
        "or flexible words: motion high_pass wm_csf compcor global; all columns without it",
        CONFOUNDS,
        default=(),
    )
    smoothing_fwhm: float | None = _option(
        WIDTH, "full width at half maximum in mm of a Gaussian filter applied to the volumes", SIGNALS
    )
    discard_scans: int = _option(
        COUNT, "number of first volumes removed from image and confounds before anything else", SIGNALS, default=0
    )
    detrend: bool = _option(FLAG, "remove linear trends", SIGNALS, default=False)
    high_pass: float | None = _option(HERTZ, "high-pass cut-off in Hz", SIGNALS)
    low_pass: float | None = _option(HERTZ, "low-pass cut-off in Hz", SIGNALS)
    t_r: float | None = _option(
        SECONDS, "repetition time in seconds; without it the JSON file beside the image, then its header", SIGNALS
    )
    standardize: bool = _option(FLAG, "z-score each column with the sample standard deviation", SIGNALS, default=False)
    n_decimals: int = _option(DECIMALS, "number of decimals in the tables", OUTPUT, default=8)
    output_layout: str = _option(
        _choice(OUTPUT_LAYOUTS),
        "flat: all tables in one folder; mirror: the images' folders below their common root are kept",
        OUTPUT,
        default="flat",
    )
    engine: str = _option(
        _choice(ENGINES),
        "what extracts the signals: stream reads each image once in blocks, nilearn is nilearn's own masker",
        RUNNING,
        default="stream",
    )
    n_jobs: int = _option(
        PROCESSES, "number of processes; 1 is this process alone, -1 is one per core", RUNNING, default=1
    )
    verbose: bool = _option(FLAG, "tell each step, and show tracebacks", RUNNING, default=False, short="-v")


OPTIONS: tuple[Option, ...] = tuple(
    Option(name=item.name, default=item.default, **item.metadata) for item in dataclasses.fields(Settings)
)
_BY_NAME = {option.name: option for option in OPTIONS}

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
        if _comparable(given[name]) != _comparable(config[name]):
            warn(
                f"--{name} is {_shown(given[name])} on the command line and {_shown(config[name])} in the JSON file; "
                "the JSON file wins."
            )
    return {**given, **config}


def _comparable(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [str(item) for item in value]
    return [value] if isinstance(value, str) else value


def _shown(value: Any) -> str:
    return json.dumps(value, default=str)


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
        why = f" ({error})" if isinstance(error, _HintError) else ""
        raise SettingsError(f"{name}: expected {option.kind.expected}, found {_shown(value)}{why}.") from error


def _check_together(settings: Settings) -> None:
    if settings.output_dir is None:
        raise SettingsError("output_dir is missing; give it first, or last after --.")
    if not settings.input_files:
        raise SettingsError("--input_files is missing; give 4D NIfTI images or patterns.")
    if not settings.roi_file:
        raise SettingsError("--roi_file is missing; give an atlas, a mask, a table of coordinates or nilearn:<atlas>.")
    if settings.regressors and not settings.regressor_files:
        raise SettingsError("--regressors chooses columns of --regressor_files, which is missing.")
    if settings.high_pass and settings.low_pass and settings.high_pass >= settings.low_pass:
        raise SettingsError(f"--high_pass {settings.high_pass:g} Hz is not below --low_pass {settings.low_pass:g} Hz.")
