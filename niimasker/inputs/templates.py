"""Templates: file names with entities in braces, such as sub-{sub}_dseg.nii.gz, that give each image its own file."""

from __future__ import annotations

import glob
import re
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

from niimasker.errors import RunError
from niimasker.inputs.closest_files import choose_closest
from niimasker.inputs.entities import RUN_ENTITIES, BidsName, Entities, read_name
from niimasker.inputs.file_search import find_matches
from niimasker.inputs.image_folders import list_anat_folders
from niimasker.inputs.map_choices import split_map
from niimasker.options.hemisphere_names import names_surface
from niimasker.options.paths import describe_missing_file, expand_home

_ENTITY = re.compile(r"(?:^|_)([a-z]+)-")
_FIELD = re.compile(r"\{([a-z]+)\}")
# A field with its entity's name and separator: what remains of sub-{sub}_space-T1w, the same for all images, is
# space-T1w.
_FIELD_WITH_NAME = re.compile(r"[A-Za-z0-9]*-?\{[a-z]+\}_?")
_FIELD_WITH_ENTITY = re.compile(r"(?:[A-Za-z0-9]+-)?\{([a-z]+)\}")


def is_template(text: str) -> bool:
    """Return whether a file name has entities to be filled in; an existing file with braces in its name has none.

    {hemi} in the name of a surface's file stands for both hemispheres.
    """
    if not _FIELD.search(text):
        return False
    file, _ = split_map(text)
    fields = set(_FIELD.findall(file)) - ({"hemi"} if names_surface(file) else set())
    return bool(fields) and describe_missing_file(expand_home(file)) is not None


def name_of_template(text: str) -> str:
    """Return a template's file name without the parts that differ between images.

    If no other part is left, the entities' names stand for them: sub-{sub}.nii.gz gives sub.nii.gz.
    """
    name = Path(text).name
    shared = _FIELD_WITH_NAME.sub("", name)
    return shared if shared.partition(".")[0] else _FIELD_WITH_ENTITY.sub(r"\1", name)


def resolve_template(template: str, image_path: Path, option: str) -> Path:
    """Return the file that a template stands for, for one image.

    A template without folders is looked for beside the image, then in the `anat` folder beside the image's folder; any
    other is looked for from the working directory. If it is also a pattern, the match that belongs to the image's run
    is preferred.

    Raises
    ------
    RunError
        The image's name lacks an entity, or there is not exactly one such file.
    """
    filled = str(expand_home(_fill_template(template, read_name(image_path.name).entities, image_path, option)))
    has_no_folder = Path(filled).parent == Path()
    folders = [image_path.parent, *list_anat_folders(image_path)] if has_no_folder else [Path()]
    for pattern in [str(Path(glob.escape(str(folder)), filled)) for folder in folders]:
        found = _select_matches(_list_matches(pattern), template, image_path)
        if len(found) == 1:
            return found[0]
        if found:
            listed = ", ".join(map(str, found[:3]))
            raise RunError(
                f"{image_path}: {option} {template} matches {len(found)} files ({listed}); "
                "give a template that matches one."
            )
    places = f"{filled} beside it or in {', '.join(map(str, folders[1:]))}" if has_no_folder else filled
    raise RunError(f"{image_path}: {option}: no file {places}; put it there, or correct {template}.")


def _fill_template(template: str, entities: Mapping[str, str], image_path: Path, option: str) -> str:
    missing = [name for name in _FIELD.findall(template) if name not in entities]
    if missing:
        raise RunError(
            f"{image_path}: {option} {template} takes {{{missing[0]}}} from the image's name, which has "
            f"{', '.join(entities) or 'no entities'}; use * in its place, or rename the image."
        )
    return _FIELD.sub(lambda field: entities[field[1]], template)


def _select_matches(found: Sequence[Path], template: str, image_path: Path) -> Sequence[Path]:
    """Return the matches that belong to an image's run: those that share most entities with it and differ in none.

    Entities that the template itself gives are not compared. Of several matches, those that share most of the image's
    other entities, such as reg or space, are preferred.
    """
    if not glob.has_magic(template):
        return found
    given = set(_ENTITY.findall(Path(template).name))
    image_entities = read_name(image_path.name).identity(RUN_ENTITIES)
    match_entities = {path: _identify_run(read_name(path.name), given) for path in found}
    fitting = [path for path, entities in match_entities.items() if entities <= image_entities]
    n_shared = max((len(match_entities[path]) for path in fitting), default=0)
    fitting = [path for path in fitting if len(match_entities[path]) == n_shared]
    return choose_closest(read_name(image_path.name), fitting) if len(fitting) > 1 else fitting


def _identify_run(name: BidsName, given: Set[str]) -> Entities:
    # A file without a task is anatomical: its acq and run do not refer to a functional run.
    entities = RUN_ENTITIES if "task" in name.entities else ("sub", "ses")
    return name.identity(tuple(entity for entity in entities if entity not in given))


def _list_matches(pattern: str) -> list[Path]:
    if describe_missing_file(Path(pattern)) is None:
        return [Path(pattern)]
    return [path for path in sorted(find_matches(pattern), key=str) if path.is_file()]
