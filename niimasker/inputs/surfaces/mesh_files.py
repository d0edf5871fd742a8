"""Find the files with meshes of the cortex that belong to a run: by folder, and by what their names say."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from niimasker.inputs.entities import is_hidden, read_name
from niimasker.inputs.hemispheres import read_hemisphere
from niimasker.inputs.image_folders import find_parent, list_anat_folders
from niimasker.options.paths import expand_home

FSAVERAGE, FSLR, FSNATIVE = "fsaverage", "fsLR", "fsnative"

# Meshes of fsaverage and of fsLR have this number of vertices, so that only their names tell them apart.
AMBIGUOUS_N_VERTICES = 163_842

# Surfaces on which regions are drawn, the most suitable first, and those whose coordinates are places in the brain.
DRAWN_KINDS = ("inflated", "very_inflated", "midthickness", "white", "smoothwm", "pial")
ANATOMICAL_KINDS = ("midthickness", "pial", "white", "smoothwm")

_KIND = re.compile(r"(?:^|[._-])(very_inflated|veryinflated|inflated|midthickness|smoothwm|pial|white)(?=[._-]|$)")
# FreeSurfer's files have no extension: lh.pial, and lh.pial.T1 since version 6.
_FREESURFER = re.compile(r"[lr]h\.(?:inflated|midthickness|smoothwm|pial|white)(?:\.T1)?")
_EXTENSIONS = (".surf.gii", ".surf.gii.gz")

# By the value of space- or tpl-, or as the HCP writes it (32k_fs_LR, fsaverage_LR32k).
_SPACE = re.compile(r"(?:^|_)(?:space|tpl)-([0-9A-Za-z+]+)")
_SPACE_WORDS = (
    (re.compile(r"fs(?:average)?_?LR", re.IGNORECASE), FSLR),
    (re.compile(r"fsaverage", re.IGNORECASE), FSAVERAGE),
)

_OWN, _TEMPLATE, _OTHER = range(3)


@dataclass(frozen=True)
class MeshName:
    """What the name of a mesh says.

    Parameters
    ----------
    side
        L or R.
    kind
        One of `DRAWN_KINDS`.
    space
        As `read_surface_space` returns it; a subject's mesh without space- is fsnative.
    stem
        The name without hemisphere and kind.
    """

    side: str
    kind: str
    space: str | None
    stem: str


@dataclass(frozen=True)
class MeshGroup:
    """The meshes of a folder whose names are equal but for the hemisphere and the kind.

    Parameters
    ----------
    files
        The files of each kind by their hemisphere, L or R.
    """

    folder: Path
    space: str | None
    files: Mapping[str, Mapping[str, Path]] = field(hash=False)


def read_surface_space(name: str) -> str | None:
    """Return the space of surfaces in a file's name: fsaverage for all its densities, fsLR, another value, or None.

    A volume's space, which CIFTI files of early versions of fMRIPrep have, is none of surfaces.
    """
    if found := _SPACE.search(name):
        space = found[1]
        if space.startswith(FSAVERAGE):
            return FSAVERAGE
        return None if space.startswith("MNI") else space
    return next((space for pattern, space in _SPACE_WORDS if pattern.search(name)), None)


def read_mesh_name(name: str) -> MeshName | None:
    """Return what the name of a mesh says, None if it is not named like one."""
    is_mesh = name.endswith(_EXTENSIONS) or _FREESURFER.fullmatch(name)
    hemisphere, kind = read_hemisphere(name), _KIND.search(name)
    if not is_mesh or is_hidden(name) or hemisphere is None or kind is None:
        return None
    space = read_surface_space(name)
    if space is None and "sub" in read_name(name).entities:
        space = FSNATIVE
    stem = _KIND.sub("", hemisphere.shared_name, count=1)
    return MeshName(hemisphere.side, kind[1].replace("veryinflated", "very_inflated"), space, stem)


def list_mesh_groups(image_name: str, folders: Iterable[Path]) -> list[MeshGroup]:
    """Return the meshes in folders that may be a run's, the most likely first.

    A mesh of another space or subject, by their names, is left out. In each folder the subject's own meshes come
    first, then those of templates, then others. If a folder has several others, nothing tells which of them is the
    run's, and none is returned.
    """
    space, subject = read_surface_space(image_name), _read_subject(image_name)
    groups: list[MeshGroup] = []
    for folder in dict.fromkeys(folders):
        files: dict[tuple[int, str, str | None], dict[str, dict[str, Path]]] = defaultdict(lambda: defaultdict(dict))
        for name in _list_names(folder):
            mesh = read_mesh_name(name)
            if mesh is None or (space and mesh.space and space != mesh.space):
                continue
            mesh_subject = _read_subject(name)
            if mesh_subject <= subject:
                source = _OWN if mesh_subject else _TEMPLATE if "tpl-" in name else _OTHER
                files[source, mesh.stem, mesh.space][mesh.kind].setdefault(mesh.side, folder / name)
        n_others = sum(source == _OTHER for source, *_ in files)
        groups += [
            MeshGroup(folder, mesh_space, files[source, stem, mesh_space])
            for source, stem, mesh_space in sorted(files, key=str)
            if source != _OTHER or n_others == 1
        ]
    return groups


def _read_subject(name: str) -> frozenset[tuple[str, str]]:
    return read_name(name).identity(("sub", "ses"))


def _list_names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 (a folder may hold many runs, and paths take long to make)
    except OSError:
        return []


def list_mesh_folders(image_path: Path, atlas_paths: Collection[Path]) -> tuple[Path, ...]:
    """Return the folders that may hold a run's meshes: its own, its subject's, and those of the atlases."""
    folder = image_path.parent
    # MNINonLinear/Results/rfMRI_REST1_LR holds a run of the HCP.
    hcp = find_parent(find_parent(folder)) / "fsaverage_LR32k"
    anat = list_anat_folders(image_path)
    return tuple(dict.fromkeys([folder, *anat, hcp, *(path.parent for path in atlas_paths)]))


def list_templateflow_folders(environment: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Return the folders in which TemplateFlow keeps the meshes of fsLR and fsaverage on this machine."""
    cache = expand_home(environment.get("TEMPLATEFLOW_HOME") or "~/.cache/templateflow")
    return tuple(cache / f"tpl-{space}" for space in (FSLR, FSAVERAGE))
