"""Confounds: the columns of one run's table that named columns or a strategy choose."""

from __future__ import annotations

import csv
import difflib
import json
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from nilearn.interfaces import fmriprep

from niimasker.errors import ConfoundsError, warn

# load_confounds 0.6.5's strategies (Ciric et al. 2017, doi:10.1016/j.neuroimage.2017.03.020) as keyword arguments of
# nilearn.interfaces.fmriprep.load_confounds.
STRATEGIES: Mapping[str, Mapping[str, Any]] = {
    "Params2": {"strategy": ("high_pass", "wm_csf"), "wm_csf": "basic"},
    "Params6": {"strategy": ("high_pass", "motion"), "motion": "basic"},
    "Params9": {
        "strategy": ("high_pass", "motion", "wm_csf", "global_signal"),
        "motion": "basic",
        "wm_csf": "basic",
        "global_signal": "basic",
    },
    "Params24": {"strategy": ("high_pass", "motion"), "motion": "full"},
    "Params36": {
        "strategy": ("high_pass", "motion", "wm_csf", "global_signal"),
        "motion": "full",
        "wm_csf": "full",
        "global_signal": "full",
    },
    # load_confounds 0.6.5 took one component more than it was asked for, here and for the word compcor.
    "AnatCompCor": {
        "strategy": ("high_pass", "motion", "compcor"),
        "motion": "full",
        "compcor": "anat_combined",
        "n_compcor": 10,
    },
    "TempCompCor": {"strategy": ("high_pass", "compcor"), "compcor": "temporal", "n_compcor": 6},
}

# Words to be combined, with load_confounds 0.6.5's defaults.
FLEXIBLE_WORDS: Mapping[str, Mapping[str, Any]] = {
    "motion": {"strategy": ("motion",), "motion": "full"},
    "high_pass": {"strategy": ("high_pass",)},
    "wm_csf": {"strategy": ("wm_csf",), "wm_csf": "basic"},
    "compcor": {"strategy": ("compcor",), "compcor": "anat_combined", "n_compcor": 10},
    "global": {"strategy": ("global_signal",), "global_signal": "basic"},
}

# Only to say what a table lacks: nilearn chooses, but names no columns when it finds none of them.
_COMPONENT_COLUMNS = {
    "motion": ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"),
    "wm_csf": ("csf", "white_matter"),
    "global_signal": ("global_signal",),
}
_MODEL_SUFFIXES = {"basic": ("",), "full": ("", "_derivative1", "_power2", "_derivative1_power2")}
_COMPCOR_PREFIXES = {"anat_combined": "a_comp_cor_", "temporal": "t_comp_cor_"}

# fMRIPrep 1.0 and 1.1 on the left, 1.2 and later on the right.
_OLD_NAMES = frozenset({"X", "RotX", "CSF", "WhiteMatter"})
_NEW_NAMES = frozenset({"trans_x", "rot_x", "csf", "white_matter"})

_DELIMITERS = {".tsv": "\t", ".csv": ","}
# "nan" in any spelling is a number to float().
_MISSING = frozenset({"", "n/a", "na"})
_HOW_ROWS_COUNT = "the first row below the header is row 1"
_MOST_LISTED = 6


@dataclass(frozen=True, eq=False)
class Confounds:
    """One run's regressors.

    Attributes
    ----------
    names : tuple of str
        The regressors' names, in the order of the columns of `values`.
    values : ndarray of shape (n_volumes, n_regressors), float64
        Finite, in the table's units, column means not removed.
    """

    names: tuple[str, ...]
    values: np.ndarray


@dataclass(frozen=True)
class _Table:
    """A table as text: names are unique apart from empty ones, every row is as long as the header."""

    path: Path
    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def load_confounds(table_path: Path, regressors: Sequence[str], *, n_volumes: int, image_path: Path) -> Confounds:
    """Return the regressors of one run, one row per volume of its image.

    Parameters
    ----------
    table_path : Path
        Table with a header: `.tsv` is split at tabs, `.csv` at commas, anything else at white space. fMRIPrep's JSON is
        looked for beside it under the same stem, and only for CompCor.
    regressors : sequence of str
        Names of columns; or one of `STRATEGIES`; or some of `FLEXIBLE_WORDS`; or nothing for all columns.
    n_volumes : int
        Volumes of the image, before any is discarded.
    image_path : Path
        The image, for messages.

    Returns
    -------
    Confounds
        All rows of the table. A value missing in the first row (derivatives have none) is the next row's.

    Raises
    ------
    ConfoundsError
        The table cannot be read, does not fit the image, or lacks what `regressors` ask for.
    """
    table = _read_table(table_path)
    _check_length(table, n_volumes, image_path)
    names = _choose_columns(table, tuple(dict.fromkeys(regressors)))
    values = _fill_first_row(table, names, _read_numbers(table, names))
    if not regressors:
        _warn_of_many(table, names)
    return Confounds(names, values)


# Reading


def _read_table(path: Path) -> _Table:
    """Return the table's text, checked to be rectangular under a header."""
    try:
        # The csv module wants line ends as they are; utf-8-sig also takes the mark that Excel writes first.
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(_split(_check_text(file, path), _DELIMITERS.get(path.suffix.lower())))
    except UnicodeDecodeError as error:
        found = error.object[error.start]
        raise ConfoundsError(
            f"{path} is not UTF-8 text (byte 0x{found:02x}); give an uncompressed text table saved as UTF-8."
        ) from error
    except OSError as error:
        raise ConfoundsError(
            f"{path} cannot be read ({error.strerror}); give a text table with one row per volume."
        ) from error
    except csv.Error as error:
        raise ConfoundsError(f"{path} is not a table ({error}); give a text table with one row per volume.") from error
    if not rows:
        raise ConfoundsError(f"{path} is empty; a header and one row per volume are expected.")
    names = tuple(" ".join(cell.split()) for cell in rows[0])
    _check_header(path, names)
    _check_rectangular(path, len(names), rows[1:])
    return _Table(path, names, tuple(rows[1:]))


def _check_text(lines: Iterable[str], path: Path) -> Iterator[str]:
    """Yield the lines; raise at a zero byte, which is valid UTF-8 but in no text."""
    for line in lines:
        if "\0" in line:
            raise ConfoundsError(f"{path} is a binary file (it holds zero bytes); give a text table.")
        yield line


def _split(lines: Iterable[str], delimiter: str | None) -> Iterator[tuple[str, ...]]:
    """Yield the cells of every line that is not blank; without a delimiter, split at white space."""
    if delimiter is None:
        lines, delimiter = (" ".join(line.split()) for line in lines), " "
    for cells in csv.reader(lines, delimiter=delimiter, skipinitialspace=True):
        if len(cells) > 1 or "".join(cells).strip():
            yield tuple(cells)


def _check_header(path: Path, names: Sequence[str]) -> None:
    if all(_is_number(name) for name in names):
        raise ConfoundsError(
            f"{path} has no header: its first row holds no names ({_shorten(names)}); "
            "put a row with the columns' names above it."
        )
    repeated = [name for name in dict.fromkeys(names) if name and names.count(name) > 1]
    if repeated:
        raise ConfoundsError(f"{path} names columns twice: {_shorten(repeated)}; give every column its own name.")


def _check_rectangular(path: Path, n_names: int, rows: Sequence[Sequence[str]]) -> None:
    for row, cells in enumerate(rows, start=1):
        if len(cells) != n_names:
            # R's write.table puts a name before every row but not into the header.
            way_out = "save it without row names" if len(cells) == n_names + 1 else "correct that row"
            raise ConfoundsError(
                f"{path} has {len(cells)} values in row {row} but {n_names} names in the header "
                f"({_HOW_ROWS_COUNT}); {way_out}."
            )


def _check_length(table: _Table, n_volumes: int, image_path: Path) -> None:
    if len(table.rows) != n_volumes:
        raise ConfoundsError(
            f"{table.path} has {len(table.rows)} rows but {image_path} has {n_volumes} volumes; "
            "each confounds table must come from the same run as its image."
        )


# From text to numbers


def _read_numbers(table: _Table, names: Sequence[str]) -> np.ndarray:
    """Return the named columns, NaN where the table has no value."""
    return np.column_stack([_read_column(table, name) for name in names])


def _read_column(table: _Table, name: str) -> np.ndarray:
    position = table.names.index(name)
    values = np.empty(len(table.rows))
    for row, cells in enumerate(table.rows, start=1):
        try:
            values[row - 1] = _parse(cells[position])
        except ValueError as error:
            raise _make_cell_error(table, name, row, f"holds {cells[position][:40]!r}, which is no number,") from error
        if np.isinf(values[row - 1]):
            raise _make_cell_error(table, name, row, "is infinite")
    return values


def _fill_first_row(table: _Table, names: Sequence[str], values: np.ndarray) -> np.ndarray:
    """Return the values with those missing in the first row taken from the second; raise at any other gap."""
    n_excused = 1 if len(values) > 1 else 0
    gaps = np.argwhere(np.isnan(values[n_excused:]))
    if len(gaps):
        row, column = gaps[0]
        raise _make_cell_error(table, names[column], row + n_excused + 1, "has no value")
    if not n_excused:
        return values
    return np.vstack([np.where(np.isnan(values[0]), values[1], values[0]), values[1:]])


def _make_cell_error(table: _Table, name: str, row: int, found: str) -> ConfoundsError:
    return ConfoundsError(
        f"{table.path}: column {name!r} {found} in row {row} ({_HOW_ROWS_COUNT}); "
        "correct the table or leave this column out of --regressors."
    )


def _parse(cell: str) -> float:
    """Return the cell's number, NaN where it is missing; raise ValueError for text."""
    if cell.strip().lower() in _MISSING:
        return np.nan
    # float() reads the digits of 1_2 as 12.
    return float(cell.replace("_", "?"))


def _is_number(cell: str) -> bool:
    try:
        _parse(cell)
    except ValueError:
        return False
    return True


# Choosing columns


def _choose_columns(table: _Table, words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the columns that the words stand for."""
    if not words:
        return _name_all(table)
    if set(words) <= set(table.names):
        return words
    label = " ".join(words)
    if label in STRATEGIES:
        return _choose_by_strategy(table, label, STRATEGIES[label])
    if set(words) <= set(FLEXIBLE_WORDS):
        return _choose_by_strategy(table, label, _combine(words))
    raise ConfoundsError(_explain_words(table, words))


def _name_all(table: _Table) -> tuple[str, ...]:
    if "" in table.names:
        # Saved row numbers would be taken for a linear trend.
        raise ConfoundsError(
            f"{table.path}: column {table.names.index('') + 1} has no name; save the table without row numbers, "
            "or name the columns to use in --regressors."
        )
    return table.names


def _combine(words: Iterable[str]) -> dict[str, Any]:
    """Return the keyword arguments that several flexible words make together."""
    chosen = [FLEXIBLE_WORDS[word] for word in words]
    arguments = {key: value for choice in chosen for key, value in choice.items()}
    return {**arguments, "strategy": tuple(component for choice in chosen for component in choice["strategy"])}


def _explain_words(table: _Table, words: Sequence[str]) -> str:
    """Return why the words are neither columns, nor one strategy, nor flexible words."""
    columns = [word for word in words if word in table.names]
    others = [word for word in words if word not in columns]
    known = [*STRATEGIES, *FLEXIBLE_WORDS, *filter(None, table.names)]
    unknown = [_add_nearest(word, known) for word in others if word not in known]
    if unknown:
        found = f"has unknown words: {', '.join(unknown)}"
    elif columns:
        found = f"mixes columns ({', '.join(columns)}) with words for strategies ({', '.join(others)})"
    else:
        found = f"mixes strategies ({', '.join(others)})"
    return (
        f"{table.path}: --regressors {found}; it takes columns ({_shorten(table.names)}), or one strategy "
        f"({', '.join(STRATEGIES)}), or flexible words ({', '.join(FLEXIBLE_WORDS)})."
    )


def _add_nearest(word: str, known: Iterable[str]) -> str:
    spellings = {name.lower(): name for name in known}
    nearest = difflib.get_close_matches(word.lower(), spellings, n=1)
    return f"{word!r} (nearest: {spellings[nearest[0]]})" if nearest else repr(word)


def _warn_of_many(table: _Table, names: Sequence[str]) -> None:
    n_volumes = len(table.rows)
    if 4 * len(names) > n_volumes:
        warn(
            f"{table.path}: all {len(names)} columns are used for {n_volumes} volumes, more than a quarter, which can "
            "remove the signal itself; choose columns or a strategy with --regressors."
        )


# Strategies


def _choose_by_strategy(table: _Table, label: str, arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the columns that nilearn chooses."""
    _check_version(table, label)
    description = _read_description(table, label) if "compcor" in arguments["strategy"] else {}
    try:
        names = _ask_nilearn(table.names, description, arguments)
    # nilearn raises KeyError where a table has some of the columns it looks for, and for gaps in the JSON.
    except (KeyError, TypeError, ValueError) as error:
        raise ConfoundsError(_explain_refusal(table, label, description, arguments)) from error
    if not names:
        raise ConfoundsError(_explain_refusal(table, label, description, arguments))
    _warn_of_less(table, label, names, arguments)
    return names


def _ask_nilearn(names: Iterable[str], description: Mapping[str, Any], arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names that nilearn's loader chooses among these.

    The loader gets a stand-in table with these names over zeros: the values stay this module's, so that the same checks
    serve named columns and strategies, and no row is lost to the loader's sample mask.
    """
    strategy = arguments["strategy"]
    # nilearn refuses compcor without high_pass; load_confounds 0.6.5 did not.
    asked = {**arguments, "strategy": tuple(dict.fromkeys((*strategy, "high_pass")))}
    with _make_bids_folder() as folder:
        _write_stand_in(folder / "sub-1_desc-confounds_timeseries.tsv", names)
        (folder / "sub-1_desc-confounds_timeseries.json").write_text(json.dumps(description), encoding="utf-8")
        # The image's name is read, the image is not.
        chosen, _ = fmriprep.load_confounds(str(folder / "sub-1_desc-preproc_bold.nii.gz"), demean=False, **asked)
    return tuple(name for name in chosen.columns if "high_pass" in strategy or "cosine" not in name)


@contextmanager
def _make_bids_folder() -> Iterator[Path]:
    """Give a temporary folder in which nilearn finds a table's JSON.

    nilearn replaces "tsv" anywhere in the table's path. A random name of `tempfile` spells it once in 8000 times, which
    a batch meets; hexadecimal digits never do.
    """
    parent = tempfile.gettempdir()
    if "tsv" in parent:
        raise ConfoundsError(
            f"the folder for temporary files, {parent}, has 'tsv' in its name, which nilearn's loader of confounds "
            "mistakes for the table's ending; set TMPDIR to another folder."
        )
    folder = Path(parent, f"niimasker-{uuid.uuid4().hex}")
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _write_stand_in(path: Path, names: Iterable[str]) -> None:
    # nilearn takes one capital in any name for an old fMRIPrep, so a user's own columns are left out.
    written = [name for name in names if re.fullmatch("[a-z][a-z0-9_]*", name)]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t").writerows([written, *[["0"] * len(written)] * 2])


def _check_version(table: _Table, label: str) -> None:
    if _OLD_NAMES & set(table.names) and not _NEW_NAMES & set(table.names):
        raise ConfoundsError(
            f"{table.path} is of an fMRIPrep too old (before 1.2) for {label}; name columns in --regressors instead: "
            f"{', '.join(table.names)}."
        )


def _read_description(table: _Table, label: str) -> dict[str, Any]:
    """Return fMRIPrep's JSON beside the table."""
    path = table.path.with_suffix(".json")
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfoundsError(
            f"{label} needs the JSON file that fMRIPrep 1.4 and later writes beside the table: {path} is missing "
            f"({error.strerror}); put it there, or name columns in --regressors."
        ) from error
    except ValueError as error:
        raise ConfoundsError(f"{path} is not JSON ({error}); {label} needs it as fMRIPrep wrote it.") from error
    if not isinstance(description, dict):
        raise ConfoundsError(f"{path} is not a JSON object; {label} needs it as fMRIPrep wrote it.")
    return description


def _explain_refusal(table: _Table, label: str, description: Mapping[str, Any], arguments: Mapping[str, Any]) -> str:
    """Return what keeps nilearn from choosing the columns."""
    lacking = [name for name in _name_components(arguments) if name not in table.names]
    if lacking:
        return f"{table.path} lacks columns that {label} takes: {_shorten(lacking)}; it has {_shorten(table.names)}."
    if "compcor" in arguments["strategy"]:
        return _explain_compcor(table, label, description, _COMPCOR_PREFIXES[arguments["compcor"]])
    return f"{table.path} has no columns that {label} takes (cosine00, ...); it has {_shorten(table.names)}."


def _name_components(arguments: Mapping[str, Any]) -> list[str]:
    """Return the columns of motion, tissues and the global signal that the strategy takes."""
    return [
        f"{column}{suffix}"
        for component in arguments["strategy"]
        for column in _COMPONENT_COLUMNS.get(component, ())
        for suffix in _MODEL_SUFFIXES[arguments[component]]
    ]


def _explain_compcor(table: _Table, label: str, description: Mapping[str, Any], prefix: str) -> str:
    json_path = table.path.with_suffix(".json")
    listed = [name for name in description if name.startswith(prefix)]
    lacking = [name for name in listed if name not in table.names]
    if not listed:
        return f"{json_path} lists no components {prefix}00, ..., which {label} takes; it must come with {table.path}."
    if lacking:
        return (
            f"{json_path} lists components that {table.path} lacks: {_shorten(lacking)}; "
            f"for {label} both must come from the same run."
        )
    return (
        f"{json_path} does not describe the components {prefix}00, ... as fMRIPrep does (numbered without a gap, "
        f"each a_comp_cor with its Mask, some of them 'combined'); {label} needs it as fMRIPrep wrote it."
    )


def _warn_of_less(table: _Table, label: str, names: Sequence[str], arguments: Mapping[str, Any]) -> None:
    """Warn where fMRIPrep wrote less than the strategy asks for."""
    strategy = arguments["strategy"]
    # fMRIPrep writes no cosines for a run shorter than its filter's 128 s, so this cannot be an error.
    if "high_pass" in strategy and not any("cosine" in name for name in names):
        warn(f"{table.path} has no columns cosine00, ...; {label} filters nothing here, see --high_pass.")
    if "compcor" not in strategy:
        return
    n_found = sum("_comp_cor_" in name for name in names)
    if n_found < arguments["n_compcor"]:
        warn(f"{table.path} has {n_found} CompCor components of the {arguments['n_compcor']} that {label} takes.")
    if "high_pass" not in strategy:
        warn(
            f"{table.path}: fMRIPrep computes CompCor components after its high-pass filter; "
            "add high_pass to --regressors."
        )


def _shorten(names: Sequence[str]) -> str:
    """Return the names, the first of them where they are many."""
    if len(names) <= _MOST_LISTED:
        return ", ".join(names)
    return f"{', '.join(names[:_MOST_LISTED])}, ... ({len(names)} in all)"
