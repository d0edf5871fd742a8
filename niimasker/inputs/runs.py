"""From patterns and folders to runs: which images, which files with them, which output name."""

from __future__ import annotations

import dataclasses
import glob
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from natsort import natsorted

from niimasker.errors import RunError, RunsError, count, shorten_text
from niimasker.inputs.datasets import Choice, choices_of, find_images
from niimasker.inputs.entities import BUT_ECHO, Entities, read_name, run_entities, show_entities
from niimasker.inputs.neighbours import BRAIN_MASK, CONFOUNDS, Neighbours
from niimasker.inputs.stems import list_paths, name_outputs
from niimasker.inputs.templates import is_template, resolve
from niimasker.options.paths import describe_missing_file, expand_home
from niimasker.options.settings import Settings

Value = TypeVar("Value")

# A word of --mask_img: each run's own.
AUTO = Path("auto")

# What the folders in a dataset that hold runs are called.
_FOLDERS_OF_DATASETS = ("sub-", "ses-", "func")


@dataclass(frozen=True)
class RegionFiles:
    """The atlases, and the mask if there is one, of one run alone."""

    roi_files: tuple[str, ...]
    mask_path: Path | None


@dataclass(frozen=True)
class Run:
    """One image, what belongs to it, and the name of its outputs below the output directory.

    Parameters
    ----------
    own_regions
        Where regions or mask differ from run to run.
    faults
        Why it cannot be done, where a file is missing or more than one fits.
    """

    image_path: Path
    confounds_path: Path | None
    output_stem: str
    censor_path: Path | None = None
    own_regions: RegionFiles | None = None
    faults: tuple[str, ...] = ()


def find_runs(settings: Settings) -> list[Run]:
    """Return the runs that patterns, file names and folders stand for.

    Raises
    ------
    RunsError
        A pattern matches nothing, a file does not exist, a folder holds several versions of its images, images and
        confounds do not pair, two images would share an output name, one has none in the layout, or no run has a file
        that each must have.
    """
    image_paths, of_folders = _find_images(settings)
    output_stems = name_outputs(image_paths, settings.output_layout)
    confounds_paths = _pair_option(
        image_paths, settings.regressor_files, "--regressor_files", "confounds table", takes_more=bool(of_folders)
    )
    censor_paths = _pair_option(
        image_paths, settings.censor_file, "--censor_file", "censor file", takes_more=bool(of_folders)
    )
    neighbours = Neighbours()
    runs = [
        _complete(Run(*parts), settings, neighbours, is_of_folder=parts[0] in of_folders)
        for parts in zip(image_paths, confounds_paths, output_stems, censor_paths, strict=True)
    ]
    if all(run.faults for run in runs):
        more = f" (and so for all {len(runs)} images)" if len(runs) > 1 else ""
        raise RunsError(f"{runs[0].faults[0]}{more}")
    return runs


def has_own_atlases(settings: Settings) -> bool:
    """Return whether atlases differ from run to run."""
    return any(map(is_template, settings.roi_file))


def has_own_mask(settings: Settings) -> bool:
    """Return whether each run has a mask of its own."""
    # With --as_voxels the regions themselves say which voxels.
    mask_img = None if settings.as_voxels else settings.mask_img
    return mask_img is not None and (mask_img == AUTO or is_template(str(mask_img)))


def _find_images(settings: Settings) -> tuple[list[Path], set[Path]]:
    """Return the images, and which of them were found in folders."""
    choices = choices_of(settings)
    image_paths: list[Path] = []
    of_folders: set[Path] = set()
    for text in settings.input_files:
        folders = _folders_of(text)
        for folder in folders:
            _check_apart(folder, settings.output_dir)
            found = find_images(folder, choices)
            of_folders.update(found)
            image_paths += found
        if not folders:
            image_paths += expand([text], "--input_files")
    if not of_folders:
        _refuse_choices(choices)
    return image_paths, of_folders


def _folders_of(text: str) -> list[Path]:
    """Return the folder that a text is, or those of subjects that match it, as sub-*; none where it is of files."""
    path = expand_home(text)
    if describe_missing_file(path) == "a folder":
        return [path]
    if not (glob.has_magic(text) and path.name.startswith(_FOLDERS_OF_DATASETS)):
        return []
    matches = map(Path, glob.glob(str(path)))  # noqa: PTH207
    folders: list[Path] = natsorted(match for match in matches if describe_missing_file(match) == "a folder")
    return folders


def _check_apart(folder: Path, output_dir: Path) -> None:
    if folder.resolve() == output_dir.resolve():
        raise RunsError(f"output_dir: {output_dir} is the folder of the images; give another one for the results.")


def _refuse_choices(choices: Sequence[Choice]) -> None:
    # The desc that is the default was not given, or might as well not have been.
    given = next((choice for choice in choices if choice.values != (Settings.desc,)), None)
    if given is not None:
        raise RunsError(
            f"--{given.option} chooses among the runs of a folder, but --input_files gives files; "
            "give the folder, or choose by a pattern."
        )


def _complete(run: Run, settings: Settings, neighbours: Neighbours, *, is_of_folder: bool) -> Run:
    """Return a run with the files that are found by its image's name."""
    faults: list[str] = []
    if not settings.regressor_files and (is_of_folder or settings.needs_confounds):
        confounds_path = _found(lambda: neighbours.find(run.image_path, CONFOUNDS), faults)
        # Where nothing hangs on it, a run without a table has no framewise displacement.
        faults = faults if settings.needs_confounds else []
        run = dataclasses.replace(run, confounds_path=confounds_path)
    if has_own_atlases(settings) or has_own_mask(settings):
        own_regions = _found(lambda: _find_regions(run.image_path, settings, neighbours), faults)
        run = dataclasses.replace(run, own_regions=own_regions)
    return dataclasses.replace(run, faults=tuple(faults))


def _found(find: Callable[[], Value], faults: list[str]) -> Value | None:
    """Return what is found; None, and the reason among the faults, where nothing is."""
    try:
        return find()
    except RunError as error:
        faults.append(str(error))
        return None


def _find_regions(image_path: Path, settings: Settings, neighbours: Neighbours) -> RegionFiles:
    roi_files = tuple(
        str(resolve(text, image_path, "--roi_file")) if is_template(text) else text for text in settings.roi_file
    )
    return RegionFiles(roi_files, _find_mask(image_path, settings, neighbours))


def _find_mask(image_path: Path, settings: Settings, neighbours: Neighbours) -> Path | None:
    if settings.as_voxels:
        return None  # as in has_own_mask
    if not has_own_mask(settings):
        return settings.mask_img
    if settings.mask_img == AUTO:
        return neighbours.find(image_path, BRAIN_MASK)
    return resolve(str(settings.mask_img), image_path, "--mask_img")


def _pair_option(
    image_paths: Sequence[Path], patterns: Sequence[str], option: str, noun: str, *, takes_more: bool
) -> Sequence[Path | None]:
    if not patterns:
        return [None] * len(image_paths)
    return pair(image_paths, expand(patterns, option), noun, takes_more=takes_more)


def expand(patterns: Sequence[str], option: str) -> list[Path]:
    """Return the files that names and patterns stand for; a pattern's matches sorted naturally by file name."""
    return [path for pattern in patterns for path in _expand_one(str(expand_home(pattern)), option)]


def _expand_one(pattern: str, option: str) -> list[Path]:
    # A file whose own name holds a bracket is that file.
    found = describe_missing_file(Path(pattern))
    if found is None:
        return [Path(pattern)]
    if not glob.has_magic(pattern):
        is_what = {"a folder": "is a folder", "no such file": "does not exist"}.get(found, f"cannot be used ({found})")
        folder = "a folder, " if option == "--input_files" else ""
        raise RunsError(f"{option}: {shorten_text(pattern)} {is_what}; give {folder}files or patterns.")
    # pathlib's glob takes no absolute pattern.
    matches = [path for path in map(Path, glob.glob(pattern, recursive=True)) if _is_match(path)]  # noqa: PTH207
    if not matches:
        raise RunsError(f"{option}: no file matches {shorten_text(pattern)} (looked from {Path.cwd()}).")
    in_order: list[Path] = natsorted(matches, key=lambda path: (path.name, str(path)))
    return in_order


def _is_match(path: Path) -> bool:
    # A link to what is not fetched is kept: its run must not go missing in silence.
    found = describe_missing_file(path)
    return found is None or (found == "no such file" and path.is_symlink())


def pair(
    image_paths: Sequence[Path],
    table_paths: Sequence[Path],
    noun: str = "confounds table",
    *,
    takes_more: bool = False,
) -> list[Path]:
    """Return the table of each image: by BIDS entities where all names have them, else by order.

    Parameters
    ----------
    takes_more
        Leave out tables whose entities no image has: those of a folder's runs that are not chosen.
    """
    images = {path: run_entities(path.name) for path in image_paths}
    tables = {path: run_entities(path.name) for path in table_paths}
    if not any(images.values()) or not any(tables.values()):
        if len(image_paths) != len(table_paths):
            raise RunsError(
                f"{count(len(image_paths), 'image')} but {count(len(table_paths), noun)}; give one per image."
            )
        return list(table_paths)
    nameless = [path for path, entities in [*images.items(), *tables.items()] if not entities]
    if nameless:
        raise RunsError(
            f"some images and {noun}s are named by BIDS entities, others are not: {list_paths(nameless)}; "
            "rename these, or run them apart."
        )
    by_entities: dict[Entities, list[Path]] = defaultdict(list)
    for path, entities in tables.items():
        by_entities[entities].append(path)
    paired = [_find_table(path, images[path], by_entities, noun) for path in image_paths]
    _check_served(image_paths, paired)
    left_over = sorted(tables.keys() - set(paired))
    if left_over and not takes_more:
        raise RunsError(f"no image has the BIDS entities of {left_over[0]}; its image is missing or misnamed.")
    return paired


def _check_served(image_paths: Sequence[Path], paired: Sequence[Path]) -> None:
    """Refuse a table for run-1 and run-01 both; images of one run in several spaces or echoes share theirs."""
    served: dict[Path, dict[Entities, Path]] = defaultdict(dict)
    for image_path, table_path in zip(image_paths, paired, strict=True):
        served[table_path][read_name(image_path.name).identity(BUT_ECHO, is_padded=True)] = image_path
    for table_path, images in served.items():
        if len(images) > 1:
            raise RunsError(
                f"{table_path} has the BIDS entities of more than one run: {list_paths(list(images.values()))}; "
                "give each a table of its own."
            )


def _find_table(image_path: Path, entities: Entities, tables: Mapping[Entities, list[Path]], noun: str) -> Path:
    # fMRIPrep writes one table for all echoes of a run, under a name without echo.
    without_echo = frozenset(entity for entity in entities if entity[0] != "echo")
    candidates = tables.get(entities) or tables.get(without_echo) or []
    shown = show_entities(entities)
    if not candidates:
        raise RunsError(f"no {noun} has the BIDS entities of {image_path} ({shown}).")
    if len(candidates) > 1:
        raise RunsError(
            f"more than one {noun} has the BIDS entities of {image_path} ({shown}): {list_paths(candidates)}."
        )
    return candidates[0]
