"""The image of a run, which is one file or a file of each hemisphere, and what its name says."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from niimasker.errors import count, warn
from niimasker.inputs.entities import NONE, RUN_ENTITIES_WITHOUT_ECHO, BidsName, list_value_words, read_name
from niimasker.inputs.hemispheres import LEFT, SIDE_NAMES, Hemisphere, read_hemisphere
from niimasker.inputs.images import image_stem
from niimasker.options.hemisphere_names import names_gifti
from niimasker.options.settings import Settings

VOLUME_EXTENSIONS = (".nii", ".nii.gz", ".nii.bz2", ".nii.zst")
CIFTI_EXTENSIONS = (".dtseries.nii", ".dtseries.nii.gz")
# Series of surfaces and of grayordinates.
SURFACE_EXTENSIONS = (".func.gii", ".func.gii.gz", *CIFTI_EXTENSIONS)
IMAGE_EXTENSIONS = (*VOLUME_EXTENSIONS, *SURFACE_EXTENSIONS)

# The words of --space, --res and --den for images without that entity: fMRIPrep writes no space entity for volumes in
# the run's native space, and no res or den entity at the native resolution or density.
_WORDS_FOR_ABSENT = {"space": "func", "res": "native", "den": "native"}

# As in fMRIPrep's --output-spaces: each cohort of a template is a space of its own.
_COHORT = ":cohort-"


@dataclass(frozen=True)
class RunImage:
    """The image of a run and its parsed name.

    Parameters
    ----------
    path
        The file; of two hemispheres, that of the left one.
    name
        The parsed name; of two hemispheres, without the hemisphere.
    further_paths
        The file of the other hemisphere, if there are two.
    is_from_folder
        Whether it was found in a folder, not given by name or pattern.
    """

    path: Path
    name: BidsName
    further_paths: tuple[Path, ...] = ()
    is_from_folder: bool = False

    @classmethod
    def from_path(cls, path: Path) -> RunImage:
        """Return the image that a file is."""
        return cls(path, read_name(path.name))

    @property
    def paths(self) -> tuple[Path, ...]:
        """All its files, left before right."""
        return (self.path, *self.further_paths)

    @property
    def stem(self) -> str:
        """The file name without the ending and, of two hemispheres, without the hemisphere."""
        hemisphere = read_hemisphere(self.path.name) if self.further_paths else None
        return image_stem(self.path if hemisphere is None else Path(hemisphere.shared_name))

    @property
    def is_surface(self) -> bool:
        """Whether the name is that of a series of surfaces or grayordinates."""
        return self.path.name.endswith(SURFACE_EXTENSIONS)

    def value_of(self, entity: str) -> str:
        """Return the value of an entity, or the option's word for images without it."""
        value = self.name.entities.get(entity) or self._word_for_absent(entity)
        cohort = self.name.entities.get("cohort")
        return f"{value}{_COHORT}{cohort}" if entity == "space" and cohort else value

    def list_words(self, entity: str) -> frozenset[str]:
        """Return the words that stand for the image's value of an entity; a space's with or without its cohort."""
        value = self.name.entities.get(entity)
        if value is None:
            # fMRIPrep's preprocessed volumes are desc-preproc, its surfaces and grayordinates have no desc.
            preproc = {Settings.desc} if entity == "desc" and self.is_surface else set()
            return frozenset((NONE, self._word_for_absent(entity), *preproc))
        words = list_value_words(entity, value)
        if entity != "space":
            return words
        # Some programs write a cohort as space-MNIInfant+1.
        template, _, cohort = value.partition("+")
        cohort = self.name.entities.get("cohort", cohort)
        return words | {template, f"{template}{_COHORT}{cohort}", f"{template}+{cohort}"} if cohort else words

    def _word_for_absent(self, entity: str) -> str:
        # Before 20.0, fMRIPrep wrote grayordinates without a space, which are not in the run's native one.
        return NONE if entity == "space" and self.is_surface else _WORDS_FOR_ABSENT.get(entity, NONE)


def join_hemispheres(images: Sequence[RunImage]) -> list[RunImage]:
    """Return the images, those of the two hemispheres of a run as one in the place of the left one.

    These are GIFTI files of one folder whose names are equal but for the hemisphere.
    """
    found = {
        _identify(image.path): (image, hemisphere)
        for image in images
        if (hemisphere := find_hemisphere(image)) is not None
    }
    rights: dict[str, str] = {}
    for key, (image, hemisphere) in found.items():
        other_key = _identify(image.path.with_name(hemisphere.other_name))
        if other_key in found and found[other_key][1].side != hemisphere.side:
            left, right = (key, other_key) if hemisphere.side == LEFT else (other_key, key)
            rights.setdefault(left, right)
    if not rights:
        return list(images)
    joined = set(rights.values())
    kept = [(key, image) for image in images if (key := _identify(image.path)) not in joined]
    return [_join(image, found[rights[key]][0]) if key in rights else image for key, image in kept]


def find_hemisphere(image: RunImage) -> Hemisphere | None:
    """Return the hemisphere that an image is of by its name; None for both hemispheres and for other images."""
    is_single = names_gifti(image.path.name) and not image.further_paths
    return read_hemisphere(image.path.name) if is_single else None


def warn_of_missing_hemispheres(images: Sequence[RunImage], listed: Sequence[RunImage]) -> None:
    """Warn of images of one hemisphere whose other one is not among all that were listed, chosen or not."""
    found = {image.path: hemisphere for image in images if (hemisphere := find_hemisphere(image)) is not None}
    if not found:
        return
    known = {_identify(image.path) for image in listed}
    missing = {
        path: (hemisphere, other)
        for path, hemisphere in found.items()
        if _identify(other := path.with_name(hemisphere.other_name)) not in known
    }
    beside = {path: pair for path, pair in missing.items() if os.path.lexists(pair[1])}
    _warn_of_lone(beside, "lies beside it, but is not given", "give both to process them as one run")
    nowhere = {path: pair for path, pair in missing.items() if path not in beside}
    _warn_of_lone(nowhere, "does not lie beside it", "put it there to process both as one run")


def _warn_of_lone(images: Mapping[Path, tuple[Hemisphere, Path]], reason: str, way_out: str) -> None:
    if images:
        path, (hemisphere, other) = next(iter(images.items()))
        more = f" (and so for {count(len(images) - 1, 'other image')})" if len(images) > 1 else ""
        warn(
            f"--input_files: {path} is processed as a run of the {SIDE_NAMES[hemisphere.side]} hemisphere alone, "
            f"because {other.name} {reason}{more}; {way_out}."
        )


def _join(left: RunImage, right: RunImage) -> RunImage:
    entities = {key: value for key, value in left.name.entities.items() if key != "hemi"}
    return dataclasses.replace(
        left, name=dataclasses.replace(left.name, entities=entities), further_paths=(right.path,)
    )


def _identify(path: Path) -> str:
    # Links are not resolved: in a DataLad dataset they lead to a store without file names.
    return os.path.abspath(path)  # noqa: PTH100


def name_runs(images: Sequence[RunImage], among: Sequence[RunImage]) -> tuple[str, ...]:
    """Return the short names of the runs of images: subject, and the entities of runs that differ among others.

    Several images of a run have one name. A name without entities of runs is that of the file.
    """
    varying = [
        key
        for key in RUN_ENTITIES_WITHOUT_ECHO
        if key == "sub" or len({image.name.entities.get(key) for image in among}) > 1
    ]
    entities = [{key: image.name.entities.get(key) for key in varying} for image in images]
    names = ["_".join(f"{key}-{value}" for key, value in of_image.items() if value) for of_image in entities]
    return tuple(dict.fromkeys(name or image.stem for name, image in zip(names, images, strict=True)))
