"""Find the cortex mask of the same mesh that lies with a run of surfaces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from niimasker.errors import RunError
from niimasker.inputs.associated_files import AssociatedFiles, FileKind, check_fetched
from niimasker.inputs.entities import RUN_ENTITIES, BidsName, Entities, read_name
from niimasker.inputs.hemispheres import find_other_hemisphere, read_hemisphere
from niimasker.inputs.image_folders import list_anat_folders

_KIND = FileKind(
    "cortex mask", "--mask_img", "mask", "cortex", (".label.gii", ".shape.gii", ".gii"), (*RUN_ENTITIES, "hemi")
)

# fMRIPrep names the densities of fsaverage as FreeSurfer's subjects, and the masks of fsnative without a space.
_MESHES = {
    "fsaverage": ("fsaverage", "164k"),
    "fsaverage6": ("fsaverage", "41k"),
    "fsaverage5": ("fsaverage", "10k"),
    "fsaverage4": ("fsaverage", "3k"),
}
_NATIVE = "fsnative"


def find_cortex_mask(image_paths: Sequence[Path], associated: AssociatedFiles) -> Path:
    """Return the cortex mask that lies with a run, that of its first hemisphere.

    It lies beside the image, in the anat folder beside the image's folder, or in that of the subject.

    Raises
    ------
    RunError
        There is none of the run's mesh, or more than one, or it lacks the other hemisphere.
    """
    image_path = image_paths[0]
    name, hemisphere = read_name(image_path.name), read_hemisphere(image_path.name)
    if hemisphere is None:
        raise RunError(f"{image_path}: its name has no hemisphere to find its cortex mask by; give {_KIND.option}.")
    folders = [image_path.parent, *list_anat_folders(image_path)]
    of_run = [
        folder / file
        for folder in folders
        if folder.is_dir()
        for file in associated.list_files(folder, _KIND)
        if _belongs_to(read_name(file), name, hemisphere.side)
    ]
    ranks = {
        path: (-folders.index(path.parent), len(_identify_run(mask)))
        for path in of_run
        if _identify_mesh(mask := read_name(path.name)) == _identify_mesh(name)
    }
    if not ranks:
        found = f", only {of_run[0]}, of another mesh" if of_run else ""
        raise RunError(
            f"{image_path}: no cortex mask beside it or in {', '.join(map(str, folders[1:]))}{found}; expected "
            f"{_expected_name(name, hemisphere.side)}; put it there, or give {_KIND.option}."
        )
    closest = [path for path, rank in ranks.items() if rank == max(ranks.values())]
    if len(closest) > 1:
        listed = ", ".join(map(str, closest))
        raise RunError(f"{image_path}: more than one cortex mask: {listed}; remove one, or give {_KIND.option}.")
    _check_hemispheres(closest[0], image_paths)
    return closest[0]


def _check_hemispheres(mask_path: Path, image_paths: Sequence[Path]) -> None:
    """Raise RunError if a mask is a broken link, or a run of two hemispheres has none of the other."""
    other_path = find_other_hemisphere(mask_path) if len(image_paths) > 1 else None
    for path in filter(None, (mask_path, other_path)):
        check_fetched(path, image_paths[0], _KIND)
    if other_path is not None and not other_path.exists():
        raise RunError(
            f"{image_paths[0]}: its {_KIND.noun} {mask_path} has no {other_path.name} beside it; put it there, or give "
            f"{_KIND.option}."
        )


def _belongs_to(mask: BidsName, image: BidsName, side: str) -> bool:
    return mask.entities.get("hemi") == side and _identify_run(mask) <= image.identity(RUN_ENTITIES)


def _identify_run(name: BidsName) -> Entities:
    # A file without a task is anatomical: its acq and run do not refer to a functional run.
    return name.identity(RUN_ENTITIES if "task" in name.entities else ("sub", "ses"))


def _identify_mesh(name: BidsName) -> tuple[str, str, str]:
    space, cohort, density = (name.entities.get(entity, "") for entity in ("space", "cohort", "den"))
    template, default_density = _MESHES.get(space, (space or _NATIVE, ""))
    return template, cohort, density or default_density


def _expected_name(image: BidsName, side: str) -> str:
    entities = {"sub": image.entities.get("sub", ""), "ses": image.entities.get("ses", ""), "hemi": side}
    entities |= {key: image.entities[key] for key in ("space", "cohort", "den") if key in image.entities}
    if entities.get("space") == _NATIVE:
        del entities["space"]
    shown = [f"{key}-{value}" for key, value in entities.items() if value]
    return "_".join([*shown, f"desc-{_KIND.desc}", f"{_KIND.suffix}{_KIND.extensions[0]}"])
