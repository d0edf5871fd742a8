"""The files of both hemispheres that one name stands for: by {hemi}, or as the file beside that of the other one."""

from __future__ import annotations

from pathlib import Path

from niimasker.inputs.hemispheres import LEFT, find_other_hemisphere, read_hemisphere
from niimasker.options.hemisphere_names import FIELD, fill_hemisphere, names_surface


def find_hemispheres(path: Path) -> tuple[Path, ...]:
    """Return the files that a path stands for: of a surface those of both hemispheres, left before right.

    {hemi} stands for the first spelling of which a file exists; the file of the other hemisphere is needed too. A file
    without {hemi} and without a file of the other hemisphere beside it stands for itself, and so does a volume.
    """
    if not names_surface(path.name):
        return (path,)
    if FIELD in str(path) and not _is_there(path):
        pairs = [(Path(left), Path(right)) for left, right in list_spellings(str(path))]
        return next((pair for pair in pairs if any(map(_is_there, pair))), pairs[0])
    other, hemisphere = find_other_hemisphere(path), read_hemisphere(path.name)
    if other is None or hemisphere is None or not _is_there(other):
        return (path,)
    return (path, other) if hemisphere.side == LEFT else (other, path)


def list_spellings(name: str) -> list[tuple[str, str]]:
    """Return the names of left and right that a name with {hemi} stands for, the spelling usual in its place first."""
    begins_with_field = Path(name).name.startswith(FIELD)

    def is_unusual(pair: tuple[str, str]) -> tuple[bool, bool]:
        left, right = map(Path, pair)
        return not _are_partners(left, right), begins_with_field and not left.name.startswith("lh")

    return sorted(fill_hemisphere(name), key=is_unusual)


def drop_hemisphere(name: str) -> str:
    """Return the name of a surface's file without its hemisphere, which both hemispheres share; others unchanged."""
    if not names_surface(name):
        return name
    hemisphere = read_hemisphere(choose_left(name))
    return name.replace(FIELD, "") if hemisphere is None else hemisphere.shared_name


def choose_left(name: str) -> str:
    """Return the name of a surface's file with the left hemisphere in the place of {hemi}; others unchanged."""
    return list_spellings(name)[0][0] if names_surface(name) else name


def _are_partners(left: Path, right: Path) -> bool:
    return find_other_hemisphere(left) == right


def _is_there(path: Path) -> bool:
    # A link whose target has not been fetched, as in a DataLad dataset, is reported when it is read.
    try:
        return path.is_file() or path.is_symlink()
    except OSError:
        return False
