"""From patterns to runs: which images, which confounds with them, which output name."""

from __future__ import annotations

import glob
import os
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from natsort import natsorted

from niimasker.errors import RunsError, clip, count
from niimasker.inputs.images import image_stem
from niimasker.kinds import to_path, why_no_file

# The entities that tell one run's confounds from another's; space, res and desc are not among them.
RUN_ENTITIES = ("sub", "ses", "task", "acq", "ce", "rec", "dir", "run", "echo")
_ENTITY = re.compile(rf"(?:^|_)({'|'.join(RUN_ENTITIES)})-([A-Za-z0-9]+)(?=[_.]|$)")

Entities = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Run:
    """One image, its confounds and censored volumes, and the name of its outputs below the output directory."""

    image_path: Path
    confounds_path: Path | None
    output_stem: str
    censor_path: Path | None = None


def find_runs(
    input_files: Sequence[str],
    regressor_files: Sequence[str] = (),
    censor_files: Sequence[str] = (),
    *,
    output_layout: str = "flat",
) -> list[Run]:
    """Return the runs that patterns and file names stand for.

    Raises
    ------
    RunsError
        A pattern matches nothing, a file does not exist, images and confounds do not pair, or two images would share
        an output name.
    """
    image_paths = expand(input_files, "--input_files")
    output_stems = name_outputs(image_paths, output_layout)
    confounds_paths = _pair_option(image_paths, regressor_files, "--regressor_files", "confounds table")
    censor_paths = _pair_option(image_paths, censor_files, "--censor_file", "censor file")
    return [Run(*parts) for parts in zip(image_paths, confounds_paths, output_stems, censor_paths, strict=True)]


def _pair_option(image_paths: Sequence[Path], patterns: Sequence[str], option: str, noun: str) -> Sequence[Path | None]:
    return pair(image_paths, expand(patterns, option), noun) if patterns else [None] * len(image_paths)


def expand(patterns: Sequence[str], option: str) -> list[Path]:
    """Return the files that names and patterns stand for; a pattern's matches sorted naturally by file name."""
    return [path for pattern in patterns for path in _expand_one(str(to_path(pattern)), option)]


def _expand_one(pattern: str, option: str) -> list[Path]:
    # A file whose own name holds a bracket is that file.
    found = why_no_file(Path(pattern))
    if found is None:
        return [Path(pattern)]
    if not glob.has_magic(pattern):
        is_what = {"a folder": "is a folder", "no such file": "does not exist"}.get(found, f"cannot be used ({found})")
        raise RunsError(f"{option}: {clip(pattern)} {is_what}; give files or patterns.")
    # pathlib's glob takes no absolute pattern.
    matches = [Path(match) for match in glob.glob(pattern, recursive=True) if not why_no_file(Path(match))]  # noqa: PTH207
    if not matches:
        raise RunsError(f"{option}: no file matches {clip(pattern)} (looked from {Path.cwd()}).")
    in_order: list[Path] = natsorted(matches, key=lambda path: (path.name, str(path)))
    return in_order


def name_outputs(image_paths: Sequence[Path], output_layout: str) -> list[str]:
    """Return each image's output name: flat, or with its folders below the images' common root."""
    # Not resolved: in a DataLad dataset the links' own names are the ones that people know.
    places = [Path(os.path.abspath(path)) for path in image_paths]  # noqa: PTH100
    folders = [place.parent for place in places]
    root = Path(os.path.commonpath(folders))
    stems = [
        image_stem(path) if output_layout == "flat" else (folder.relative_to(root) / image_stem(path)).as_posix()
        for path, folder in zip(image_paths, folders, strict=True)
    ]
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for stem, path in zip(stems, image_paths, strict=True):
        by_stem[stem].append(path)
    shared = [path for paths in by_stem.values() if len(paths) > 1 for path in paths]
    if shared:
        helps = output_layout == "flat" and len({str(path.parent) for path in shared}) == len(shared)
        way_out = "rename them or use --output_layout mirror" if helps else "rename one, or give each image once"
        raise RunsError(f"these images would write outputs of the same name: {_listed(shared)}; {way_out}.")
    return stems


def pair(image_paths: Sequence[Path], confounds_paths: Sequence[Path], noun: str = "confounds table") -> list[Path]:
    """Return the table of each image: by BIDS entities where all names have them, else by order."""
    if len(image_paths) != len(confounds_paths):
        raise RunsError(
            f"{count(len(image_paths), 'image')} but {count(len(confounds_paths), noun)}; give one per image."
        )
    image_entities = [run_entities(path.name) for path in image_paths]
    confounds_entities = {path: run_entities(path.name) for path in confounds_paths}
    if not any(image_entities) or not any(confounds_entities.values()):
        return list(confounds_paths)
    nameless = [path for path, entities in zip(image_paths, image_entities, strict=True) if not entities]
    nameless += [path for path, entities in confounds_entities.items() if not entities]
    if nameless:
        raise RunsError(
            f"some images and {noun}s are named by BIDS entities, others are not: {_listed(nameless)}; "
            "rename these, or run them apart."
        )
    paired = [
        _find_table(path, entities, confounds_entities, noun)
        for path, entities in zip(image_paths, image_entities, strict=True)
    ]
    left_over = [path for path in confounds_entities if path not in paired]
    if left_over:
        raise RunsError(f"no image has the BIDS entities of {left_over[0]}; its image is missing or misnamed.")
    return paired


def run_entities(name: str) -> Entities:
    """Return the BIDS entities of a file name that tell its run from others; run-1 and run-01 are the same."""
    return frozenset(
        (key, value.lstrip("0") or "0" if key in ("run", "echo") else value) for key, value in _ENTITY.findall(name)
    )


def _find_table(image_path: Path, entities: Entities, tables: dict[Path, Entities], noun: str) -> Path:
    candidates = [path for path, theirs in tables.items() if theirs == entities]
    # fMRIPrep writes one table for all echoes of a run, under a name without echo.
    without_echo = frozenset(entity for entity in entities if entity[0] != "echo")
    candidates = candidates or [path for path, theirs in tables.items() if theirs == without_echo]
    shown = " ".join(f"{key}-{value}" for key, value in sorted(entities, key=lambda item: RUN_ENTITIES.index(item[0])))
    if not candidates:
        raise RunsError(f"no {noun} has the BIDS entities of {image_path} ({shown}).")
    if len(candidates) > 1:
        raise RunsError(f"more than one {noun} has the BIDS entities of {image_path} ({shown}): {_listed(candidates)}.")
    return candidates[0]


def _listed(paths: Sequence[Path], most: int = 10) -> str:
    shown = ", ".join(map(str, paths[:most]))
    return f"{shown} and {len(paths) - most} more" if len(paths) > most else shown
