"""The files of regions and masks that a template gives one image, each as a text that stands for its hemispheres."""

from __future__ import annotations

import contextlib
from pathlib import Path

from niimasker.errors import RunError
from niimasker.inputs.hemisphere_pairs import list_spellings
from niimasker.inputs.hemispheres import find_other_hemisphere
from niimasker.inputs.map_choices import join_map, split_map
from niimasker.inputs.templates import resolve_template
from niimasker.options.hemisphere_names import FIELD, names_surface


def resolve_regions(template: str, image_path: Path, option: str) -> str:
    """Return the file that a template stands for, for one image, and the map that is chosen in it.

    With {hemi} it is the file of the left hemisphere, and that of the right lies beside it.

    Raises
    ------
    RunError
        The image's name lacks an entity, or there is not exactly one such file, or not one of each hemisphere.
    """
    file, map_name = split_map(template)
    has_both = FIELD in file and names_surface(file)
    path = _resolve_left(file, image_path, option) if has_both else resolve_template(file, image_path, option)
    return join_map(str(path), map_name)


def _resolve_left(template: str, image_path: Path, option: str) -> Path:
    pairs = list_spellings(template)
    left, right = next((pair for pair in pairs if _matches_any(pair, image_path, option)), pairs[0])
    left_path, right_path = (resolve_template(name, image_path, option) for name in (left, right))
    if find_other_hemisphere(left_path) != right_path:
        raise RunError(
            f"{image_path}: {option} {template} matches {left_path} and {right_path}; "
            "give a template that matches two files of one folder that differ in the hemisphere alone."
        )
    return left_path


def _matches_any(names: tuple[str, str], image_path: Path, option: str) -> bool:
    for name in names:
        with contextlib.suppress(RunError):
            resolve_template(name, image_path, option)
            return True
    return False
