"""File names with entities in braces, such as sub-{sub}_dseg.nii.gz: one file for each image."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

from niimasker.errors import RunError
from niimasker.inputs.entities import RUN_ENTITIES, BidsName, Entities, read_name
from niimasker.options.paths import describe_missing_file, expand_home

_ENTITY = re.compile(r"(?:^|_)([a-z]+)-")
_FIELD = re.compile(r"\{([a-z]+)\}")
# With the entity's name before it and what separates it: of sub-{sub}_space-T1w, space-T1w is the same for all images.
_FIELD_WITH_NAME = re.compile(r"[A-Za-z0-9]*-?\{[a-z]+\}_?")
_FIELD_WITH_ENTITY = re.compile(r"(?:[A-Za-z0-9]+-)?\{([a-z]+)\}")


def is_template(text: str) -> bool:
    """Return whether a file's name has entities to be filled in; a file of that very name is that file."""
    return bool(_FIELD.search(text)) and describe_missing_file(expand_home(text)) is not None


def name_of_template(text: str) -> str:
    """Return the file name of a template without what differs from image to image; of sub-{sub}.nii.gz, sub.nii.gz."""
    name = Path(text).name
    shared = _FIELD_WITH_NAME.sub("", name)
    return shared if shared.partition(".")[0] else _FIELD_WITH_ENTITY.sub(r"\1", name)


def resolve(template: str, image_path: Path, option: str) -> Path:
    """Return the file that a template stands for, for one image.

    A name without folders is looked for beside the image, then in the folder `anat` beside that of the image; any other
    from where niimasker is started. It may be a pattern: of its matches those count that are not another run's.

    Raises
    ------
    RunError
        The image's name lacks an entity, or not exactly one file is there.
    """
    filled = str(expand_home(_fill(template, read_name(image_path.name).entities, image_path, option)))
    is_bare = Path(filled).parent == Path()
    folders = [image_path.parent, *_anat_folders(image_path)] if is_bare else [Path()]
    for pattern in [str(Path(glob.escape(str(folder)), filled)) for folder in folders]:
        found = _of_image(_matches(pattern), template, image_path)
        if len(found) == 1:
            return found[0]
        if found:
            listed = ", ".join(map(str, found[:3]))
            raise RunError(f"{image_path}: {option} {template} is {len(found)} files here ({listed}); say which.")
    places = f"{filled} beside it or in {', '.join(map(str, folders[1:]))}" if is_bare else filled
    raise RunError(f"{image_path}: {option}: no file {places}; put it there, or correct {template}.")


def _anat_folders(image_path: Path) -> list[Path]:
    """Return the anat folder beside that of an image; of several sessions there is one a level higher."""
    session = _above(image_path.parent)
    is_session = Path(os.path.abspath(session)).name.startswith("ses-")  # noqa: PTH100
    return [session / "anat", _above(session) / "anat"] if is_session else [session / "anat"]


def _above(folder: Path) -> Path:
    # The parent of "." is itself, that of ".." is ".".
    return folder / ".." if folder.name in ("", "..") else folder.parent


def _fill(template: str, entities: Mapping[str, str], image_path: Path, option: str) -> str:
    missing = [name for name in _FIELD.findall(template) if name not in entities]
    if missing:
        raise RunError(
            f"{image_path}: {option} {template} takes {{{missing[0]}}} from the image's name, which has "
            f"{', '.join(entities) or 'no entities'}; use * in its place, or rename the image."
        )
    return _FIELD.sub(lambda field: entities[field[1]], template)


def _of_image(found: Sequence[Path], template: str, image_path: Path) -> Sequence[Path]:
    """Return the files that share most entities with an image, and differ in none that the template leaves open."""
    if not glob.has_magic(template):
        return found
    said = set(_ENTITY.findall(Path(template).name))
    of_image = read_name(image_path.name).identity(RUN_ENTITIES)
    shared = {path: _run_of(read_name(path.name), said) for path in found}
    fitting = [path for path, theirs in shared.items() if theirs <= of_image]
    most = max((len(shared[path]) for path in fitting), default=0)
    return [path for path in fitting if len(shared[path]) == most]


def _run_of(name: BidsName, said: Set[str]) -> Entities:
    # An anatomical image has no task, and its acq and run are not those of a functional one.
    entities = RUN_ENTITIES if "task" in name.entities else ("sub", "ses")
    return name.identity(tuple(entity for entity in entities if entity not in said))


def _matches(pattern: str) -> list[Path]:
    if describe_missing_file(Path(pattern)) is None:
        return [Path(pattern)]
    # pathlib's glob takes no absolute pattern.
    return [Path(match) for match in sorted(glob.glob(pattern, recursive=True)) if Path(match).is_file()]  # noqa: PTH207
