"""File names of a study; no other module makes them. Those of its runs are in `niimasker.outputs.naming`."""

from __future__ import annotations

import dataclasses
import itertools
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from niimasker.options.paths import DATA_FOLDER, RECORD_NAME, REPORTS_FOLDER, SUMMARY_NAME, expand_home
from niimasker.options.settings import Settings
from niimasker.regions.atlases.queries import is_atlas_query
from niimasker.regions.loading import is_image

# The files that all pages share.
ASSETS_FOLDER = "assets"
PLOTLY = "plotly.min.js"
OWN_ASSETS = ("style.css", "report.js", "table.js", "index.js")


@dataclass(frozen=True)
class GroupFiles:
    """The files of a group of runs, whether they exist or not."""

    page_path: Path
    numbers_path: Path
    edges_path: Path


@dataclass(frozen=True)
class RegionsUsed:
    """Where the regions of an atlas are kept beside the results, whether the files exist or not.

    Parameters
    ----------
    copy_path
        The copy of the file, or the image of an atlas that nilearn provides.
    spheres_path
        The image of the spheres around coordinates; None for other regions.
    """

    copy_path: Path
    spheres_path: Path | None


def summary_path(output_dir: Path) -> Path:
    """Return the path of the summary of all runs."""
    return output_dir / DATA_FOLDER / SUMMARY_NAME


def parameters_path(output_dir: Path) -> Path:
    """Return the path of the record of the last call."""
    return output_dir / DATA_FOLDER / RECORD_NAME


def list_pages(output_dir: Path) -> list[Path]:
    """Return the paths of the index page, and of the files that all pages share."""
    folder = output_dir / REPORTS_FOLDER
    return [folder / "index.html", *(folder / ASSETS_FOLDER / name for name in (*OWN_ASSETS, PLOTLY))]


def list_atlas_files(output_dir: Path, key: str) -> list[Path]:
    """Return the paths of the files that describe an atlas in a BIDS derivative."""
    return [output_dir / f"atlas-{key}_dseg{ending}" for ending in (".tsv", ".json")]


def name_group_files(output_dir: Path) -> GroupFiles:
    """Return the paths of the files of a group of runs."""
    folder = output_dir / DATA_FOLDER
    return GroupFiles(output_dir / REPORTS_FOLDER / "group.html", folder / "group.tsv", folder / "group_edges.tsv")


def name_regions_used(settings: Settings, keys: Sequence[str]) -> tuple[RegionsUsed, ...]:
    """Return where the regions of each atlas that all runs share are kept.

    A copy has the name of its file where no other file in the folder has it. Otherwise `atlas-<key>_` comes first.

    Parameters
    ----------
    keys
        The key of each atlas in file names.
    """
    folder = settings.output_dir / DATA_FOLDER
    spheres = [
        None if is_image(roi_file) or is_atlas_query(roi_file) else _spheres_name(key, keys)
        for roi_file, key in zip(settings.roi_file, keys, strict=True)
    ]
    copies = _distinct_names(list(map(_copy_name, settings.roi_file)), keys, list(filter(None, spheres)))
    return tuple(
        RegionsUsed(folder / copy, None if sphere is None else folder / sphere)
        for copy, sphere in zip(copies, spheres, strict=True)
    )


def _spheres_name(key: str, keys: Sequence[str]) -> str:
    return "spheres_img.nii.gz" if len(keys) == 1 else f"spheres_img_{key}.nii.gz"


def _copy_name(roi_file: str) -> str:
    return f"{roi_file.replace(':', '-')}.nii.gz" if is_atlas_query(roi_file) else expand_home(roi_file).name


def _distinct_names(names: Sequence[str], keys: Sequence[str], taken: Sequence[str]) -> list[str]:
    """Return the names; the key comes first where a name is not unique, is taken or is one of niimasker's own."""
    counts = Counter(map(_fold, [*names, *taken]))
    is_free = [counts[_fold(name)] == 1 and not _is_own_name(name) for name in names]
    used = {_fold(name) for name in [*names, *taken]}
    distinct = []
    for name, key, free in zip(names, keys, is_free, strict=True):
        if not free:
            name = next(each for each in _candidates(name, key) if _fold(each) not in used)
            used.add(_fold(name))
        distinct.append(name)
    return distinct


def _candidates(name: str, key: str) -> Iterator[str]:
    # None of niimasker's own files is called atlas-.
    yield f"atlas-{key}_{name}"
    yield from (f"atlas-{key}-{number}_{name}" for number in itertools.count(2))


def _fold(name: str) -> str:
    """Return what names have in common that are one file on some disks."""
    return unicodedata.normalize("NFC", name).casefold()


def _is_own_name(name: str) -> bool:
    """Return whether niimasker gives this name to a file of its own beside the copies."""
    own = (SUMMARY_NAME, RECORD_NAME, *(path.name for path in dataclasses.astuple(name_group_files(Path()))))
    return _fold(name) in own or name.startswith(".")


def long_table_path(output_dir: Path, tidy: str) -> Path:
    """Return the path of the long table that --tidy writes in a format."""
    return output_dir / f"timeseries.{tidy}"
