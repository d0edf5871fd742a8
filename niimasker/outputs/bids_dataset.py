"""The files that make an output directory a BIDS derivative: description, README, .bidsignore and atlas tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from niimasker.inputs.descriptions import DESCRIPTION, PROGRAM, find_dataset, read_description
from niimasker.inputs.runs import Run
from niimasker.options.settings import TIDY_FORMATS
from niimasker.outputs.dictionaries import ATLAS, SURFACE_ATLAS
from niimasker.outputs.files import DATA_FOLDER, REPORTS_FOLDER, replacing, write_json
from niimasker.outputs.study_names import list_atlas_files, long_table_path
from niimasker.outputs.tables import structure_column, text_column, write_records
from niimasker.regions.definitions import Maps, PointMaps, Regions, Seeds
from niimasker.regions.placing.grayordinates import name_structures

BIDS_VERSION = "1.11.0"

# The standard does not name time series, their statistics and outliers yet. The names are those of XCP-D and of the
# proposals BEP012 and BEP017.
NOT_IN_STANDARD = (
    # The validator accepts folders only without a slash at the end.
    DATA_FOLDER,
    REPORTS_FOLDER,
    "*_stat-*",
    "*_timeseries.*",
    "*_voxels.*",
    "*_vertices.*",
    "*_outliers.*",
    "*_design.*",
    *(long_table_path(Path(), tidy).name for tidy in TIDY_FORMATS),
)

README = """\
Region time series, written by niimasker.

sub-*/**/*_timeseries.tsv          signals, one row per volume and one column per region; the JSON file with the same
                                   name says how they were made
sub-*/**/*_stat-coverage_bold.tsv  size, coverage, mean and tSNR of each region in the run
sub-*/**/*_voxels.tsv              where each voxel lies, if each has a column; on surfaces, *_vertices.tsv
sub-*/**/*_relmat.tsv              connectivity matrices between regions, if requested
sub-*/**/*.ptseries.nii            signals as CIFTI files of parcels, if requested
sub-*/**/*.pconn.nii               connectivity matrices as CIFTI files of parcels, if requested
sub-*/**/*_outliers.tsv            why volumes are left out, one row per volume of the image
sub-*/**/*_design.tsv              regressors, one row per volume of the image
atlas-*_dseg.tsv                   the regions of each atlas that all runs share
timeseries.parquet or .tsv.gz      all signals as one long table, if requested
reports/index.html                 report of all runs, with a page for each run, unless turned off
reports/group.html                 with connectivity matrices of 10 or more runs: their mean and standard deviation
                                   over runs, and their correlation with head motion
niimasker_data/group.tsv           the numbers of the group page
niimasker_data/group_edges.tsv     the numbers of each pair of regions
                                   with pipelines, group_desc-<pipeline> and the like
reports/pipelines.html             with pipelines and 10 or more runs: what each leaves of head motion; the numbers
                                   are in niimasker_data/pipelines.tsv
niimasker_data/                    settings, versions, a summary of all runs, and the regions used

Missing values are n/a. Files that the BIDS standard does not name yet are listed in .bidsignore; their names are those
of XCP-D and of the proposals BEP012 and BEP017.
"""


def write_dataset(output_dir: Path, runs: Sequence[Run], atlases: Mapping[str, Regions]) -> None:
    """Write the files that a BIDS derivative has once.

    Parameters
    ----------
    runs
        All runs of the study.
    atlases
        The atlases that all runs share, by their keys in file names.
    """
    write_json(output_dir / DESCRIPTION, describe_dataset(runs))
    _write_bidsignore(output_dir / ".bidsignore", [*NOT_IN_STANDARD, *_list_repeated(atlases)])
    if not any(output_dir.glob("README*")):
        with replacing(output_dir / "README") as temporary:
            temporary.write_text(README, encoding="utf-8")
    for key, regions in atlases.items():
        table_path, sidecar_path = list_atlas_files(output_dir, key)
        with replacing(table_path) as temporary:
            table = _atlas_table(regions)
            write_records(temporary, table)
        dictionary = SURFACE_ATLAS if "structure" in table else ATLAS
        write_json(sidecar_path, {**_describe_atlas(regions), **dictionary})


def describe_dataset(runs: Sequence[Run]) -> dict[str, Any]:
    """Return the content of dataset_description.json."""
    folders = dict.fromkeys(run.image_path.parent for run in runs)
    datasets = dict.fromkeys(find_dataset(folder) for folder in folders)
    return {
        "Name": "Region time series",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": PROGRAM, "Version": version(PROGRAM)}],
        "SourceDatasets": [_describe_source(dataset) for dataset in datasets],
    }


def _describe_source(folder: Path) -> dict[str, str]:
    description = read_description(folder)
    optional = {"DOI": description.get("DatasetDOI"), "Version": description.get("Version")}
    return {"URL": folder.as_uri(), **{key: value for key, value in optional.items() if isinstance(value, str)}}


def _list_repeated(atlases: Mapping[str, Regions]) -> Iterator[str]:
    """Yield the files of atlases whose indices are not unique, which the standard requires.

    Regions of the two hemispheres may have the same index.
    """
    for key, regions in atlases.items():
        if len(set(regions.indices)) < len(regions.indices):
            yield from (path.name for path in list_atlas_files(Path(), key))


def _write_bidsignore(path: Path, patterns: Sequence[str]) -> None:
    """Add our files to .bidsignore and keep the lines that it already has."""
    with replacing(path) as temporary:
        # surrogateescape writes existing lines back unchanged, whatever their encoding.
        lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines() if path.is_file() else []
        text = "".join(f"{line}\n" for line in dict.fromkeys([*lines, *patterns]))
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape")


def _atlas_table(regions: Regions) -> pd.DataFrame:
    x, y, z = regions.centres.T
    names = {"index": regions.indices, "name": text_column(regions.names)}
    return pd.DataFrame({**names, **structure_column(name_structures(regions)), "x": x, "y": y, "z": z})


def _describe_atlas(regions: Regions) -> dict[str, Any]:
    kinds = {Maps: "probabilistic maps", PointMaps: "maps", Seeds: "coordinates"}
    kind = kinds.get(type(regions.definition), "parcellation or mask")
    return {"Description": f"The regions of {regions.source}: {kind}."}
