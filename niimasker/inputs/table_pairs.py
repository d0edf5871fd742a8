"""Pair images with the tables that options give: one for each image, or several confounds tables that are joined."""

from __future__ import annotations

import itertools
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from niimasker.errors import RunsError, count, shorten_text
from niimasker.inputs.associated_files import CONFOUNDS
from niimasker.inputs.closest_files import choose_closest
from niimasker.inputs.earlier_outputs import expand_tables
from niimasker.inputs.entities import RUN_ENTITIES_WITHOUT_ECHO, Entities, read_name, run_entities, show_entities
from niimasker.inputs.output_stems import list_paths

# The largest number of confounds tables that are joined for one run.
_MAX_JOINED = 8


def pair_confounds(
    image_paths: Sequence[Path], patterns: Sequence[str], output_dir: Path, *, allow_unused: bool
) -> Sequence[tuple[Path, ...]]:
    """Return the confounds tables of each image.

    Items of --regressor_files that each have one table for every image are joined, else all their tables are paired
    with the images.
    """
    option = "--regressor_files"
    if not patterns:
        return [()] * len(image_paths)
    files = {pattern: expand_tables(pattern, option, output_dir) for pattern in dict.fromkeys(patterns)}
    paired, refused = _pair_items(image_paths, files, allow_unused=allow_unused)
    if len(paired) > 1 and not refused:
        return _join_pairs(image_paths, paired)
    tables = [path for pattern in patterns for path in files[pattern]]
    try:
        return [(table,) for table in pair_tables(image_paths, tables, allow_unused=allow_unused)]
    except RunsError as error:
        if not (paired and refused):
            raise
        item, why = next(iter(refused.items()))
        raise RunsError(
            f"{option}: {shorten_text(next(iter(paired)))} has a table for every image, but {shorten_text(item)} has "
            f"not: {why} Files that are joined side by side must each be there for every image."
        ) from error


def _pair_items(
    image_paths: Sequence[Path], files: Mapping[str, Sequence[Path]], *, allow_unused: bool
) -> tuple[dict[str, list[Path]], dict[str, RunsError]]:
    """Return the tables of each item that has one for every image, and the errors of the others."""
    paired: dict[str, list[Path]] = {}
    refused: dict[str, RunsError] = {}
    # Trying each of thousands of single files would take long, and no run has as many tables.
    for pattern in files if 1 < len(files) <= _MAX_JOINED else ():
        try:
            paired[pattern] = pair_tables(image_paths, files[pattern], allow_unused=allow_unused)
        except RunsError as error:
            refused[pattern] = error
    return paired, refused


def _join_pairs(image_paths: Sequence[Path], paired: Mapping[str, Sequence[Path]]) -> list[tuple[Path, ...]]:
    """Return the tables of each image; raise RunsError if two items share some of them, but not all."""
    for (item, tables), (other, others) in itertools.combinations(paired.items(), 2):
        shared = [path for path, table, its in zip(image_paths, tables, others, strict=True) if table == its]
        if shared and len(shared) < len(image_paths):
            raise RunsError(
                f"--regressor_files: {shorten_text(item)} and {shorten_text(other)} have the same table for "
                f"{shared[0]}, but different ones for other images; narrow the patterns, so that they share no file."
            )
    return [tuple(dict.fromkeys(tables)) for tables in zip(*paired.values(), strict=True)]


def pair_censor_files(
    image_paths: Sequence[Path], patterns: Sequence[str], output_dir: Path, *, allow_unused: bool
) -> Sequence[Path | None]:
    """Return the file of each image that --censor_file gives, None without the option."""
    if not patterns:
        return [None] * len(image_paths)
    files = [path for pattern in patterns for path in expand_tables(pattern, "--censor_file", output_dir)]
    return pair_tables(image_paths, files, "censor file", allow_unused=allow_unused)


def pair_tables(
    image_paths: Sequence[Path],
    table_paths: Sequence[Path],
    noun: str = "confounds table",
    *,
    allow_unused: bool = False,
) -> list[Path]:
    """Return the table of each image, paired by BIDS entities if all names have them, else by folder or by order.

    Parameters
    ----------
    allow_unused
        Ignore tables that fit no image, such as those of runs in a folder that are not selected.
    """
    images = {path: run_entities(path.name) for path in image_paths}
    tables = {path: run_entities(path.name) for path in table_paths}
    if not any(images.values()) or not any(tables.values()):
        if len(image_paths) != len(table_paths):
            raise RunsError(
                f"{count(len(image_paths), 'image')} but {count(len(table_paths), noun)}; give one per image."
            )
        return _pair_by_place(image_paths, table_paths)
    nameless = [path for path, entities in [*images.items(), *tables.items()] if not entities]
    if nameless:
        raise RunsError(
            f"some images and {noun}s are named by BIDS entities, others are not: {list_paths(nameless)}; "
            "rename these, or process them separately."
        )
    by_entities: dict[Entities, list[Path]] = defaultdict(list)
    for path, entities in tables.items():
        by_entities[entities].append(path)
    paired = [_find_table(path, images[path], by_entities, noun) for path in image_paths]
    _check_one_run_per_table(image_paths, paired)
    unused = sorted(tables.keys() - set(paired))
    if unused and not allow_unused:
        raise RunsError(f"no image has the BIDS entities of {unused[0]}; its image is missing or misnamed.")
    return paired


def _pair_by_place(image_paths: Sequence[Path], table_paths: Sequence[Path]) -> list[Path]:
    """Return the table in each image's folder if each has a folder of its own with one table, else in the order given.

    The HCP's images, which are named after their run, and its tables, which all have one name, sort differently.
    """
    folders = [os.path.abspath(path.parent) for path in image_paths]  # noqa: PTH100
    by_folder = {os.path.abspath(path.parent): path for path in table_paths}  # noqa: PTH100
    if len(by_folder) == len(table_paths) == len(set(folders)) and by_folder.keys() == set(folders):
        return [by_folder[folder] for folder in folders]
    return list(table_paths)


def _check_one_run_per_table(image_paths: Sequence[Path], paired: Sequence[Path]) -> None:
    """Raise RunsError if a table is paired with both run-1 and run-01; images of one run in several spaces share it."""
    runs_of_table: dict[Path, dict[Entities, Path]] = defaultdict(dict)
    for image_path, table_path in zip(image_paths, paired, strict=True):
        run = read_name(image_path.name).identity(RUN_ENTITIES_WITHOUT_ECHO, keeps_zeros=True)
        runs_of_table[table_path][run] = image_path
    for table_path, images in runs_of_table.items():
        if len(images) > 1:
            raise RunsError(
                f"{table_path} has the BIDS entities of more than one run: {list_paths(list(images.values()))}; "
                "give each a table of its own."
            )


def _find_table(image_path: Path, entities: Entities, tables: Mapping[Entities, list[Path]], noun: str) -> Path:
    # fMRIPrep writes one table for all echoes of a run, under a name without echo.
    without_echo = frozenset(entity for entity in entities if entity[0] != "echo")
    candidates = tables.get(entities) or tables.get(without_echo) or []
    if len(candidates) > 1:
        candidates = choose_closest(read_name(image_path.name), candidates) or candidates
    shown = show_entities(entities)
    if not candidates:
        raise RunsError(f"no {noun} has the BIDS entities of {image_path} ({shown}).")
    if len(candidates) > 1:
        way_out = "; to join them, give a pattern for each in quotes" if noun == CONFOUNDS.noun else ""
        raise RunsError(
            f"more than one {noun} has the BIDS entities of {image_path} ({shown}): {list_paths(candidates)}{way_out}."
        )
    return candidates[0]
