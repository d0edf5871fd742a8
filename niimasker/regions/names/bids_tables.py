"""BIDS look-up tables of segmentations: a .tsv beside the image, or higher up in its dataset."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from niimasker.errors import RegionsError
from niimasker.inputs.descriptions import DESCRIPTION
from niimasker.inputs.hemisphere_pairs import drop_hemisphere
from niimasker.inputs.images import image_stem

# The suffixes of images that may have a look-up table: parcellations and probabilistic maps.
_SUFFIXES = frozenset({"dseg", "probseg"})


def find_lookup_table(image_path: Path, other_path: Path | None = None) -> Path | None:
    """Return a segmentation's look-up table by BIDS's inheritance principle, None if there is none.

    The table is a .tsv with the image's suffix and no other entities than the image's. It lies in the image's folder or
    in one above it in the same dataset. The nearest folder takes precedence, then the table with the most entities.
    Parts of a name that are not entities are compared too: the table of schaefer_dseg does not belong to aal_dseg.

    Parameters
    ----------
    other_path
        The image of the right hemisphere, if `image_path` is that of the left. Then the table must serve both.

    Raises
    ------
    RegionsError
        Two tables fit equally well.
    """
    *_, suffix = image_stem(image_path).split("_")
    if suffix not in _SUFFIXES:
        return None
    image_parts = _list_parts(image_path) if other_path is None else _list_parts(image_path) & _list_parts(other_path)
    for folder in _list_folders(image_path):
        # macOS writes a hidden ._ file beside each file on disks of other systems.
        paths = [path for path in sorted(folder.glob(f"*{suffix}.tsv")) if not path.name.startswith(".")]
        parts_of_tables = {path: set(path.stem.split("_")) for path in paths}
        fitting = [path for path, parts in parts_of_tables.items() if parts <= image_parts]
        if fitting:
            n_shared = max(len(parts_of_tables[path]) for path in fitting)
            return _check_single([path for path in fitting if len(parts_of_tables[path]) == n_shared], image_path)
    return None


def _list_parts(image_path: Path) -> set[str]:
    """Return the parts of an image's name, and those of the name without its hemisphere."""
    shared_path = Path(drop_hemisphere(image_path.name))
    return {*image_stem(image_path).split("_"), *image_stem(shared_path).split("_")}


def _list_folders(image_path: Path) -> Iterator[Path]:
    """Yield an image's folder and the folders above it up to its dataset's root; without a dataset only the first."""
    # Links are not resolved: in a DataLad dataset an image is a link to a store elsewhere.
    folder = image_path.absolute().parent
    parents = [folder, *folder.parents]
    root = next((level for level, parent in enumerate(parents) if (parent / DESCRIPTION).is_file()), 0)
    yield from parents[: root + 1]


def _check_single(paths: list[Path], image_path: Path) -> Path:
    """Return the only path; raise RegionsError if there are several."""
    if len(paths) > 1:
        raise RegionsError(
            f"{image_path}: {paths[0]} and {paths[1]} fit equally well as its table of names; choose one with --labels."
        )
    return paths[0]
