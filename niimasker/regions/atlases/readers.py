"""Readers of what nilearn's fetchers return: each gives an image and its regions' names by index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nibabel
import numpy as np
from nibabel.spatialimages import SpatialImage

from niimasker.errors import RegionsError

ImageAndNames = tuple[SpatialImage, dict[int, str]]


def read_labelled(bunch: Any, words: Mapping[str, str]) -> ImageAndNames:
    """Return a label image with the names of nilearn's look-up table."""
    return open_parcellation(bunch.maps), drop_background(zip(bunch.lut["index"], bunch.lut["name"], strict=True))


def read_numbered(bunch: Any, words: Mapping[str, str]) -> ImageAndNames:
    """Return a label image whose regions have numbers but no names."""
    img, names = read_labelled(bunch, words)
    return img, make_default_names(names)


def read_aal(bunch: Any, words: Mapping[str, str]) -> ImageAndNames:
    """Return AAL with its own labels; nilearn's look-up table sorts the indices without the names."""
    return open_parcellation(bunch.maps), drop_background(zip(bunch.indices, bunch.labels, strict=True))


def read_named_maps(bunch: Any, words: Mapping[str, str]) -> ImageAndNames:
    """Return maps with a list of names, one per map."""
    names = [name for name in bunch.labels if name != "Background"]  # FSL's lists include it
    return open_img(bunch.maps), {position: str(name) for position, name in enumerate(names, start=1)}


def read_unnamed_maps(bunch: Any, words: Mapping[str, str]) -> ImageAndNames:
    """Return maps without names."""
    img = open_img(bunch.maps)
    return img, make_default_names(range(1, img.shape[3] + 1))


def read_difumo(bunch: Any, words: Mapping[str, str]) -> ImageAndNames:
    """Return DiFuMo's maps with the names in its table."""
    table = bunch.labels
    return open_img(bunch.maps), drop_background(zip(table["component"], table["difumo_names"], strict=True))


def read_pauli(bunch: Any, words: Mapping[str, str]) -> ImageAndNames:
    """Return Pauli's nuclei as labels or maps."""
    readers = {"deterministic": read_labelled, "probabilistic": read_named_maps}
    return readers[bunch.atlas_type](bunch, words)


def read_allen(bunch: Any, words: Mapping[str, str]) -> ImageAndNames:
    """Return Allen's 28 resting-state networks with the paper's names, or all 75 components without names."""
    if words["set"] == "all75":
        return read_unnamed_maps(bunch, words)
    names = [f"{network} IC{component}" for network, components in bunch.rsn_indices for component in components]
    return open_img(bunch.rsn28), dict(enumerate(names, start=1))


def read_harvard_oxford(bunch: Any, words: Mapping[str, str]) -> ImageAndNames:
    """Return FSL's Harvard-Oxford atlas."""
    if words["split"] == "symmetric_split" and words["atlas"].startswith("sub-"):
        # Spelt as in nilearn's atlas that is not split.
        names = read_fsl_names(find_fsl_folder(bunch) / "HarvardOxford-Subcortical.xml")
        names = {index: name.replace("Ventrical", "Ventricle") for index, name in names.items()}
        return bunch.maps, split_names(bunch, names)
    read = read_named_maps if bunch.atlas_type == "probabilistic" else read_labelled
    # The file, which is read only when needed, rather than nilearn's reoriented copy; the split cortex is a file too.
    return open_img(bunch.filename), read(bunch, words)[1]


def read_juelich(bunch: Any, words: Mapping[str, str]) -> ImageAndNames:
    """Return FSL's Juelich atlas."""
    if bunch.atlas_type == "probabilistic":
        return read_named_maps(bunch, words)
    if words["split"] == "unsplit":
        return read_labelled(bunch, words)
    names = read_fsl_names(find_fsl_folder(bunch) / "Juelich.xml")
    return bunch.maps, split_names(bunch, {index: put_side_first(name) for index, name in names.items()})


def read_craddock(bunch: Any, words: Mapping[str, str]) -> ImageAndNames:
    """Return the parcellation of Craddock's 4D image that the query selects."""
    stack = open_img(bunch.maps)
    volumes = np.asarray(stack.dataobj)  # 47 x 56 x 46 x 43 small integers: 10 MB
    indices = [np.unique(volumes[..., position]) for position in range(volumes.shape[3])]
    indices = [values[values != 0] for values in indices]
    position = find_craddock_position(words, [len(values) for values in indices])
    return stack.slicer[..., position], make_default_names(int(index) for index in indices[position])


def find_craddock_position(words: Mapping[str, str], n_regions: Sequence[int]) -> int:
    """Return the position, from 0, of the volume that the query selects by "v<position from 1>" or its region count."""
    word = words["n_regions"]
    positions = {f"v{position}": [position - 1] for position in range(1, len(n_regions) + 1)}
    for position, n in enumerate(n_regions):
        positions.setdefault(str(n), []).append(position)
    found = positions.get(word, [])
    if len(found) == 1:
        return found[0]
    problem = f"{len(found)} volumes have {word} regions" if found else f"there is no parcellation {word!r}"
    nearest = "" if found else suggest_number(word, n_regions)
    volumes = ", ".join(f"v{position}: {n}" for position, n in enumerate(n_regions, start=1))
    raise RegionsError(
        f"nilearn:craddock: {problem} ({words['homogeneity']}, {words['group']}).{nearest} "
        f"Give the number of regions, or the volume as v<position>; volumes and their numbers of regions: {volumes}."
    )


def suggest_number(word: str, numbers: Sequence[int]) -> str:
    """Return a sentence that suggests the nearest number, "" if the word is not a number."""
    return f" The nearest is {min(numbers, key=lambda n: abs(n - int(word)))}." if word.isdecimal() else ""


def split_names(bunch: Any, names: Mapping[int, str]) -> dict[int, str]:
    """Return the names of an FSL atlas whose regions nilearn has split at the midline.

    nilearn pairs the values in the image with the names by position, so that all names after a region without voxels
    are wrong. Here each new index is traced back to the index that its voxels had before the split.

    Parameters
    ----------
    bunch : Bunch
        The fetcher's result: `maps` is the split image, `filename` the image before the split.
    names : Mapping of int to str
        Names by index before the split.

    Returns
    -------
    dict of int to str
        Names by index after it.
    """
    from nilearn.image import reorder_img

    before = np.asarray(reorder_img(bunch.filename).dataobj)  # as nilearn does before it splits
    new, voxels = np.unique(np.asarray(bunch.maps.dataobj), return_index=True)
    origins = {int(index): int(before.flat[voxel]) for index, voxel in zip(new, voxels, strict=True) if index != 0}
    n_parts = Counter(origins.values())
    split: dict[int, str] = {}
    for index, origin in origins.items():
        # The left part has the lower of the two new indices.
        side = "" if n_parts[origin] == 1 else "Right " if origins.get(index - 1) == origin else "Left "
        split[index] = side + names[origin]
    return split


def put_side_first(name: str) -> str:
    """Return "GM Amygdala L" as "Left GM Amygdala", as nilearn names regions when it splits Juelich."""
    sides = {" L": "Left ", " R": "Right "}
    return sides[name[-2:]] + name[:-2] if name[-2:] in sides else name


def find_fsl_folder(bunch: Any) -> Path:
    """Return the folder with the label files of an FSL atlas."""
    return Path(bunch.filename).parents[1]


def read_fsl_names(xml_path: Path) -> dict[int, str]:
    """Return the names in an FSL label file by their values in the label image."""
    labels = ElementTree.parse(xml_path).iter("label")
    return {int(label.attrib["index"]) + 1: (label.text or "").strip() for label in labels}


def open_img(maps: Any) -> SpatialImage:
    """Return an image that a fetcher returned as a path or as an image."""
    return nibabel.load(maps) if isinstance(maps, str | Path) else maps


def open_parcellation(maps: Any) -> SpatialImage:
    """Return a 3D label image."""
    img = open_img(maps)
    return img.slicer[..., 0] if len(img.shape) == 4 else img  # Yeo's files are 256 x 256 x 256 x 1


def drop_background(named: Iterable[tuple[Any, Any]]) -> dict[int, str]:
    """Return names by index without index 0, converted to int and str."""
    return {int(index): str(name) for index, name in named if int(index) != 0}


def make_default_names(indices: Iterable[int]) -> dict[int, str]:
    """Return the default names of regions without names."""
    return {index: f"roi {index}" for index in indices}
