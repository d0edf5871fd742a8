"""Leave what niimasker itself has written out of the matches of a pattern."""

from __future__ import annotations

import contextlib
import glob
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from niimasker.errors import RunsError, count, shorten_text, warn
from niimasker.inputs.associated_files import CONFOUNDS
from niimasker.inputs.entities import read_name
from niimasker.inputs.file_patterns import expand_patterns
from niimasker.options.json_files import read_json
from niimasker.options.paths import (
    DATA_FOLDER,
    RECORD_NAME,
    REPORTS_FOLDER,
    SUMMARY_NAME,
    describe_missing_file,
    expand_home,
)
from niimasker.options.settings import TIDY_FORMATS

_OWN_FOLDERS = frozenset((DATA_FOLDER, REPORTS_FOLDER))
_SIGNALS, _SIDECAR = "_timeseries.tsv", "_timeseries.json"
_CIFTI_OUTPUTS = (".ptseries.nii", ".pconn.nii")
# Tables of a study beside its folder niimasker_data.
_STUDY_TABLES = ("atlas-*_dseg.tsv", *(f"timeseries.{tidy}" for tidy in TIDY_FORMATS))


def expand_images(text: str, output_dir: Path) -> list[Path]:
    """Return the images that a name or pattern stands for; a pattern without those that niimasker has written.

    These are the copies of atlases beside results, and the signals and matrices of runs as CIFTI files.

    Raises
    ------
    RunsError
        The file does not exist, or the pattern matches nothing else.
    """
    paths = expand_patterns([text], "--input_files")
    if not _is_pattern(text):
        return paths
    is_own = _make_folder_check(output_dir)
    of_runs = _find_files_of_runs(path for path in paths if path.name.endswith(_CIFTI_OUTPUTS))
    own = [path for path in paths if path in of_runs or is_own(path.parent)]
    return _leave_out(text, paths, own, "--input_files")


def expand_tables(text: str, option: str, output_dir: Path) -> list[Path]:
    """Return the tables that a name or pattern stands for; a pattern without those that niimasker has written.

    If all matches are tables of one or more earlier calls, the pattern was written for these: only those in this call's
    output directory, which it replaces, and those of whole studies are left out.

    Raises
    ------
    RunsError
        The file does not exist, or the pattern matches nothing else.
    """
    paths = expand_patterns([text], option)
    if not _is_pattern(text):
        return paths
    of_runs = _find_files_of_runs(paths)
    of_studies = _find_tables_of_studies(paths, output_dir)
    own = of_runs | of_studies
    if not own:
        return paths
    if own == set(paths):
        own = of_studies | {path for path in of_runs if _lies_in(path, output_dir)}
    kept = _leave_out(text, paths, [path for path in paths if path in own], option)
    signals = [path for path in kept if path in of_runs and path.name.endswith(_SIGNALS)]
    if signals:
        warn(
            f"{option}: {shorten_text(text)} matches no tables but those that niimasker wrote, such as the region "
            f"signals {signals[0]}; they are used."
        )
    return kept


def leave_out_folders(
    text: str, folders: Sequence[Path], output_dir: Path, holds_images: Callable[[Path], bool]
) -> list[Path]:
    """Return the folders that a pattern matches without those of results, which hold no images.

    Raises
    ------
    RunsError
        The pattern matches no other folder.
    """
    if not _is_pattern(text) or not folders:
        return list(folders)
    own_dir = _absolute(output_dir)

    @cache
    def is_in_results(folder: Path) -> bool:
        is_root = folder == own_dir or _is_data_folder(folder / DATA_FOLDER)
        return is_root or (folder.parent != folder and is_in_results(folder.parent))

    left_out = [folder for folder in folders if is_in_results(_absolute(folder)) and not holds_images(folder)]
    return _leave_out(text, folders, left_out, "--input_files", noun="folder")


def _is_pattern(text: str) -> bool:
    path = expand_home(text)
    # An existing file or folder is not taken as a pattern, even if its name holds brackets.
    return glob.has_magic(str(path)) and describe_missing_file(path) not in (None, "a folder")


def _leave_out(
    text: str, paths: Sequence[Path], left_out: Sequence[Path], option: str, noun: str = "file"
) -> list[Path]:
    """Return the paths without those to leave out, with a warning."""
    if not left_out:
        return list(paths)
    found = f"{count(len(left_out), noun)} that niimasker wrote, such as {left_out[0]}"
    way_out = f"to use {'it' if len(left_out) == 1 else 'them'}, give {noun}s by name"
    if len(left_out) == len(paths):
        raise RunsError(
            f"{option}: no {noun} matches {shorten_text(text)} but {found} (searched from {Path.cwd()}); {way_out}."
        )
    warn(f"{option}: {shorten_text(text)} matches {found}, {_is_are(left_out)} left out; {way_out}.")
    excluded = set(left_out)
    return [path for path in paths if path not in excluded]


def _is_are(paths: Sequence[Path]) -> str:
    return "which is" if len(paths) == 1 else "which are"


def _absolute(path: Path) -> Path:
    # Links are not resolved: in a DataLad dataset they lead to a store without readable names.
    return Path(os.path.abspath(path))  # noqa: PTH100


def _lies_in(path: Path, folder: Path) -> bool:
    return _absolute(path).is_relative_to(_absolute(folder)) or path.resolve().is_relative_to(folder.resolve())


def _make_folder_check(output_dir: Path) -> Callable[[Path], bool]:
    """Return a function that says whether a folder lies in niimasker_data of any call, or in this call's reports."""
    own_folders = {_absolute(output_dir) / name for name in _OWN_FOLDERS}

    @cache
    def is_own(folder: Path) -> bool:
        absolute = _absolute(folder)
        # First by the names alone, as a study may have 10,000 folders.
        return not _OWN_FOLDERS.isdisjoint(absolute.parts) and any(
            parent in own_folders or _is_data_folder(parent) for parent in (absolute, *absolute.parents)
        )

    return is_own


def _is_data_folder(folder: Path) -> bool:
    """Return whether a folder is the niimasker_data of an earlier call."""
    if folder.name != DATA_FOLDER:
        return False
    return any((folder / name).is_file() for name in (RECORD_NAME, SUMMARY_NAME))


def _find_tables_of_studies(paths: Iterable[Path], output_dir: Path) -> set[Path]:
    """Return the tables of whole studies: those in niimasker_data, and those beside it."""
    is_own = _make_folder_check(output_dir)
    is_root = cache(lambda folder: _is_data_folder(folder / DATA_FOLDER))
    return {
        path
        for path in paths
        if is_own(path.parent)
        or (any(fnmatchcase(path.name, pattern) for pattern in _STUDY_TABLES) and is_root(path.parent))
    }


def _find_files_of_runs(paths: Iterable[Path]) -> set[Path]:
    """Return the files of runs, which a JSON file of niimasker in their folder lists."""
    by_folder: dict[Path, list[Path]] = defaultdict(list)
    for path in paths:
        # Most matches are fMRIPrep's confounds, whose folders need not be listed.
        if not _is_confounds(path.name):
            by_folder[path.parent].append(path)
    found: set[Path] = set()
    for folder, tables in by_folder.items():
        names = _list_own_names(folder)
        found.update(path for path in tables if path.name in names)
    return found


def _is_confounds(name: str) -> bool:
    if f"_desc-{CONFOUNDS.desc}_{CONFOUNDS.suffix}." not in name:
        return False
    parsed = read_name(name)
    return (parsed.suffix, parsed.entities.get("desc")) == (CONFOUNDS.suffix, CONFOUNDS.desc)


def _list_own_names(folder: Path) -> set[str]:
    """Return the names of the files of runs that the JSON files of a folder list."""
    try:
        names = os.listdir(folder)  # noqa: PTH208
    except OSError:
        return set()
    sidecars = [name for name in names if name.endswith(_SIDECAR) and not _is_confounds(name)]
    return {Path(file).name for name in sidecars for file in _list_files(folder / name)}


def _list_files(sidecar_path: Path) -> Iterable[str]:
    """Return the files of a run that its JSON file lists; none if niimasker did not write it."""
    content = None
    with contextlib.suppress(OSError, ValueError):
        content = read_json(sidecar_path)
    if not isinstance(content, dict) or not isinstance(content.get("Fingerprint"), dict):
        return []
    files = content.get("Files")
    return files if isinstance(files, dict) else []
