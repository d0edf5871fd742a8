"""The table of names that BIDS keeps for a segmentation: beside its image, or higher up in the dataset."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from niimasker.errors import RegionsError
from niimasker.inputs.descriptions import DESCRIPTION
from niimasker.inputs.images import image_stem

# The suffixes of the images that have one: parcellations and probabilistic maps.
_SUFFIXES = frozenset({"dseg", "probseg"})


def find_lookup_table(image_path: Path) -> Path | None:
    """Return the look-up table of a segmentation by BIDS's inheritance principle, None when there is none.

    It is a .tsv of the image's suffix whose entities are all the image's, in the image's folder or one above it inside
    the same dataset. The nearest folder wins, then the most entities. Words that are no entities count as such: the
    table of schaefer_dseg is not that of aal_dseg.

    Raises
    ------
    RegionsError
        Two tables fit equally well.
    """
    *_, suffix = of_image = image_stem(image_path).split("_")
    if suffix not in _SUFFIXES:
        return None
    for folder in _folders_of(image_path):
        # macOS leaves a hidden ._ file beside each on disks of other systems.
        paths = [path for path in sorted(folder.glob(f"*{suffix}.tsv")) if not path.name.startswith(".")]
        found = [(path, set(path.stem.split("_"))) for path in paths]
        fitting = [(path, of_table) for path, of_table in found if of_table <= set(of_image)]
        if fitting:
            most = max(len(of_table) for _, of_table in fitting)
            return _take_only([path for path, of_table in fitting if len(of_table) == most], image_path)
    return None


def _folders_of(image_path: Path) -> Iterator[Path]:
    """Yield an image's folder and those above it to its dataset's root; outside of a dataset the first alone."""
    # Not resolved: in a DataLad dataset an image is a link to elsewhere.
    folder = image_path.absolute().parent
    above = [folder, *folder.parents]
    root = next((place for place, each in enumerate(above) if (each / DESCRIPTION).is_file()), 0)
    yield from above[: root + 1]


def _take_only(paths: list[Path], image_path: Path) -> Path:
    if len(paths) > 1:
        raise RegionsError(
            f"{image_path}: {paths[0]} and {paths[1]} fit equally well as its table of names; say which with --labels."
        )
    return paths[0]
