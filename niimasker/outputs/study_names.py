"""File names of a study; no other module makes them. Those of its runs are in `niimasker.outputs.naming`."""

from __future__ import annotations

import dataclasses
import itertools
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from niimasker.options.paths import DATA_FOLDER, RECORD_NAME, REPORTS_FOLDER, SUMMARY_NAME
from niimasker.options.settings import Settings
from niimasker.regions.roi_files import RoiFile, parse_roi_file

# The files that all pages share.
ASSETS_FOLDER = "assets"
PLOTLY = "plotly.min.js"
OWN_ASSETS = (
    "style.css",
    "arrays.js",
    "selection.js",
    "labels.js",
    "report.js",
    "downloads.js",
    "marks.js",
    "brain_volumes.js",
    "brain.js",
    "brainsprite.min.js",
    "brainsprite.LICENSE.txt",
    "cortex.js",
    "table.js",
    "index.js",
    "ratings.js",
    "study.js",
)
# What the page of a run shows of the other runs.
RUNS_SCRIPT = "runs.js"


@dataclass(frozen=True)
class GroupFiles:
    """The files of a group of runs, whether they exist or not."""

    page_path: Path
    numbers_path: Path
    edges_path: Path


@dataclass(frozen=True)
class ComparisonFiles:
    """The files of a comparison of pipelines, whether they exist or not."""

    page_path: Path
    numbers_path: Path


@dataclass(frozen=True)
class RegionsUsed:
    """Where the regions of an atlas are kept beside the results, whether the files exist or not.

    Parameters
    ----------
    copy_paths
        The copies of the atlas's files, or the image of an atlas that nilearn provides.
    spheres_path
        The image of the spheres around coordinates; None for other regions.
    """

    roi_file: RoiFile
    copy_paths: tuple[Path, ...]
    spheres_path: Path | None = None

    @property
    def source_paths(self) -> dict[Path, Path]:
        """The file of which each copy is made."""
        return dict(zip(self.copy_paths, self.roi_file.paths, strict=not self.roi_file.is_query))


def summary_path(output_dir: Path) -> Path:
    """Return the path of the summary of all runs."""
    return output_dir / DATA_FOLDER / SUMMARY_NAME


def parameters_path(output_dir: Path) -> Path:
    """Return the path of the record of the last call."""
    return output_dir / DATA_FOLDER / RECORD_NAME


def list_index_files(output_dir: Path) -> list[Path]:
    """Return the paths of the index page, and of what the pages of runs show of the other runs."""
    folder = output_dir / REPORTS_FOLDER
    return [folder / "index.html", folder / RUNS_SCRIPT]


def list_pages(output_dir: Path) -> list[Path]:
    """Return the paths of the index page, and of the files that all pages share."""
    folder = output_dir / REPORTS_FOLDER
    return [*list_index_files(output_dir), *(folder / ASSETS_FOLDER / name for name in (*OWN_ASSETS, PLOTLY))]


def list_atlas_files(output_dir: Path, key: str) -> list[Path]:
    """Return the paths of the files that describe an atlas in a BIDS derivative."""
    return [output_dir / f"atlas-{key}_dseg{ending}" for ending in (".tsv", ".json")]


def name_group_files(output_dir: Path, label: str = "") -> GroupFiles:
    """Return the paths of the files of a group of runs.

    Parameters
    ----------
    label
        That of the pipeline of the runs.
    """
    desc = f"_desc-{label}" if label else ""
    folder = output_dir / DATA_FOLDER
    return GroupFiles(
        output_dir / REPORTS_FOLDER / f"group{desc}.html",
        folder / f"group{desc}.tsv",
        folder / f"group_edges{desc}.tsv",
    )


_GROUP_PREFIXES = ("group_desc-", "group_edges_desc-")


def is_group_file(path: Path) -> bool:
    """Return whether a path is that of a file of the group of runs of some pipeline."""
    return path.name.startswith(_GROUP_PREFIXES)


def name_comparison_files(output_dir: Path) -> ComparisonFiles:
    """Return the paths of the files of a comparison of pipelines."""
    return ComparisonFiles(output_dir / REPORTS_FOLDER / "pipelines.html", output_dir / DATA_FOLDER / "pipelines.tsv")


def name_regions_used(settings: Settings, keys: Sequence[str]) -> tuple[RegionsUsed, ...]:
    """Return where the regions of each atlas that all runs share are kept.

    A copy has the name of its file where no other file in the folder has it. Otherwise `atlas-<key>_` comes first, for
    the files of both hemispheres. A file of which several maps are chosen is copied once.

    Parameters
    ----------
    keys
        The key of each atlas in file names.
    """
    folder = settings.output_dir / DATA_FOLDER
    roi_files = list(map(parse_roi_file, settings.roi_file))
    spheres = [_spheres_name(key, keys) if each.is_table else None for each, key in zip(roi_files, keys, strict=True)]
    # Maps of the same files share the copies.
    shares = [each.paths if each.map_name else number for number, each in enumerate(roi_files)]
    first = {share: shares.index(share) for share in shares}
    names = _distinct_names(
        [_copy_names(roi_files[number]) for number in first.values()],
        [keys[number] for number in first.values()],
        list(filter(None, spheres)),
    )
    copies = dict(zip(first, names, strict=True))
    return tuple(
        RegionsUsed(
            roi_file,
            tuple(folder / name for name in copies[share]),
            None if sphere is None else folder / sphere,
        )
        for roi_file, share, sphere in zip(roi_files, shares, spheres, strict=True)
    )


def _spheres_name(key: str, keys: Sequence[str]) -> str:
    return "spheres_img.nii.gz" if len(keys) == 1 else f"spheres_img_{key}.nii.gz"


def _copy_names(roi_file: RoiFile) -> list[str]:
    if roi_file.is_query:
        return [f"{roi_file.text.replace(':', '-')}.nii.gz"]
    names = [path.name for path in roi_file.paths]
    # The files of two hemispheres may have one name in two folders.
    return names if len(set(names)) == len(names) else [f"{side}.{names[0]}" for side in ("lh", "rh")]


def _distinct_names(names: Sequence[list[str]], keys: Sequence[str], taken: Sequence[str]) -> list[list[str]]:
    """Return each atlas's names; the key comes first where one is not unique, is taken or is one of niimasker's own."""
    counts = Counter(map(_fold, [*itertools.chain(*names), *taken]))
    used = set(counts)
    distinct = []
    for of_atlas, key in zip(names, keys, strict=True):
        if not all(counts[_fold(name)] == 1 and not _is_own_name(name) for name in of_atlas):
            of_atlas = next(each for each in _candidates(of_atlas, key) if used.isdisjoint(map(_fold, each)))
            used.update(map(_fold, of_atlas))
        distinct.append(of_atlas)
    return distinct


def _candidates(names: Sequence[str], key: str) -> Iterator[list[str]]:
    # None of niimasker's own files is called atlas-.
    yield [f"atlas-{key}_{name}" for name in names]
    yield from ([f"atlas-{key}-{number}_{name}" for name in names] for number in itertools.count(2))


def _fold(name: str) -> str:
    """Return what names have in common that are one file on some disks."""
    return unicodedata.normalize("NFC", name).casefold()


def _is_own_name(name: str) -> bool:
    """Return whether niimasker gives this name to a file of its own beside the copies."""
    files = (*dataclasses.astuple(name_group_files(Path())), *dataclasses.astuple(name_comparison_files(Path())))
    own = (SUMMARY_NAME, RECORD_NAME, *(path.name for path in files))
    return _fold(name) in own or name.startswith((".", *_GROUP_PREFIXES))


def long_table_path(output_dir: Path, tidy: str) -> Path:
    """Return the path of the long table that --tidy writes in a format."""
    return output_dir / f"timeseries.{tidy}"
