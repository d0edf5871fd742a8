"""The files that a value of --roi_file or --mask_img stands for, and the map that it chooses in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from niimasker.inputs.gifti.arrays import list_external_files
from niimasker.inputs.hemisphere_pairs import choose_left, drop_hemisphere, find_hemispheres
from niimasker.inputs.map_choices import join_map, split_map
from niimasker.inputs.templates import is_template, name_of_template
from niimasker.options.paths import expand_home
from niimasker.regions.atlases.queries import is_atlas_query
from niimasker.regions.coordinates import SEED_SUFFIXES


@dataclass(frozen=True)
class RoiFile:
    """The files of an atlas or a mask.

    Parameters
    ----------
    text
        As it was given.
    paths
        One file, or those of the left and of the right hemisphere; none for an atlas that nilearn provides.
    map_name
        The name or the number of a map, where one of the file's maps is chosen.
    """

    text: str
    paths: tuple[Path, ...]
    map_name: str | None = None

    @property
    def path(self) -> Path:
        """The file, or that of the left hemisphere."""
        return self.paths[0]

    @property
    def value_paths(self) -> tuple[Path, ...]:
        """The files that hold the values of GIFTI files, where these are not in them."""
        return tuple(values for path in self.paths for values in list_external_files(path))

    @property
    def is_query(self) -> bool:
        """Whether nilearn provides the atlas."""
        return not self.paths

    @property
    def is_table(self) -> bool:
        """Whether it is a table of coordinates."""
        return not self.is_query and self.path.suffix.lower() in SEED_SUFFIXES

    @property
    def is_image(self) -> bool:
        """Whether it is neither a query nor a table of coordinates."""
        return not self.is_query and not self.is_table

    @property
    def name(self) -> str:
        """The names of its files and of the map, for messages."""
        names = " and ".join(path.name for path in self.paths)
        return Path(self.text).name if self.is_query else join_map(names, self.map_name)


def parse_roi_file(text: str) -> RoiFile:
    """Return the files that a value of --roi_file stands for; whether they exist is checked where they are read."""
    if is_atlas_query(text):
        return RoiFile(text, ())
    file, map_name = split_map(text)
    return RoiFile(text, find_hemispheres(expand_home(file)), map_name)


def parse_mask(mask_path: Path) -> RoiFile:
    """Return the files that a value of --mask_img stands for, in which a home directory is already filled in."""
    file, map_name = split_map(str(mask_path))
    return RoiFile(str(mask_path), find_hemispheres(Path(file)), map_name)


def list_roles(role: str, roi_file: RoiFile) -> dict[str, Path]:
    """Return its files by role: that of the right hemisphere beside the left is the role's `right`."""
    values = {f"{role} values {number}": path for number, path in enumerate(roi_file.value_paths, start=1)}
    return dict(zip((role, f"{role} right"), roi_file.paths, strict=False)) | values


def name_without_folder(text: str) -> str:
    """Return a value without the folder of its file."""
    file, map_name = split_map(text)
    return join_map(Path(file).name, map_name)


def name_without_hemisphere(text: str) -> str:
    """Return a value without the folder and the hemisphere of its file.

    It is the same whether both files of an atlas on surfaces are given, one of them, or one name with {hemi}.
    """
    file, map_name = split_map(text)
    return join_map(drop_hemisphere(Path(file).name), map_name)


def name_for_all_images(text: str) -> str:
    """Return the file name that a value stands for, without hemisphere, map and what differs between images."""
    file, _ = split_map(text)
    name = choose_left(expand_home(file).name)
    return drop_hemisphere(name_of_template(name) if is_template(file) else name)
