"""What makes an output directory a BIDS derivative: its description, its atlases, and what no validator knows yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from niimasker.inputs.descriptions import DESCRIPTION, PROGRAM, find_dataset, read_description
from niimasker.inputs.runs import Run
from niimasker.options.settings import TIDY_FORMATS
from niimasker.outputs.dictionaries import ATLAS
from niimasker.outputs.files import DATA_FOLDER, REPORTS_FOLDER, replacing, write_json
from niimasker.outputs.naming import long_table_path
from niimasker.outputs.tables import text_column, write_records
from niimasker.regions.definitions import Maps, Regions, Seeds

BIDS_VERSION = "1.11.0"

# The standard has no names for time series, their statistics and outliers yet: they are XCP-D's and of the proposals
# BEP012 and BEP017.
NOT_IN_STANDARD = (
    # Without a slash behind them: the validator wants folders so.
    DATA_FOLDER,
    REPORTS_FOLDER,
    "*_stat-*",
    "*_timeseries.*",
    "*_voxels.*",
    "*_outliers.*",
    "*_design.*",
    *(long_table_path(Path(), tidy).name for tidy in TIDY_FORMATS),
)

README = """\
Region time series, written by niimasker.

sub-*/**/*_timeseries.tsv          signals: a row per volume, a column per region; the JSON file beside them says how
                                   they were made
sub-*/**/*_stat-coverage_bold.tsv  facts of each region in this run
sub-*/**/*_relmat.tsv              matrices between regions, where they are wanted
sub-*/**/*_outliers.tsv            why volumes are left out, a row per volume of the image
sub-*/**/*_design.tsv              regressors, a row per volume of the image
atlas-*_dseg.tsv                   the regions of each atlas that all runs share
timeseries.parquet or .tsv.gz      all signals as one long table, where it is wanted
reports/index.html                 pages about the runs, where they are wanted
reports/group.html                 where there are matrices of 10 runs: their mean and spread, and how they go with
                                   head motion
niimasker_data/group.tsv           the numbers of that page
niimasker_data/group_edges.tsv     the numbers of each pair of regions
niimasker_data/                    settings, versions, a summary of all runs, and the regions used

n/a stands where there is no value. What the standard does not name yet is listed in .bidsignore, and is called as in
XCP-D and in the proposals BEP012 and BEP017.
"""


def write_dataset(output_dir: Path, runs: Sequence[Run], atlases: Mapping[str, Regions]) -> None:
    """Write the files that a BIDS derivative has once.

    Parameters
    ----------
    runs
        Of the whole study.
    atlases
        Those that all runs share, by what they are called.
    """
    write_json(output_dir / DESCRIPTION, describe_dataset(runs))
    _ignore(output_dir / ".bidsignore")
    if not any(output_dir.glob("README*")):
        with replacing(output_dir / "README") as temporary:
            temporary.write_text(README, encoding="utf-8")
    for key, regions in atlases.items():
        stem = f"atlas-{key}_dseg"
        write_records(output_dir / f"{stem}.tsv", _atlas_table(regions))
        write_json(output_dir / f"{stem}.json", {**_describe_atlas(regions), **ATLAS})


def describe_dataset(runs: Sequence[Run]) -> dict[str, Any]:
    """Return what dataset_description.json says."""
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
    says = read_description(folder)
    known = {"DOI": says.get("DatasetDOI"), "Version": says.get("Version")}
    return {"URL": folder.as_uri(), **{key: value for key, value in known.items() if isinstance(value, str)}}


def _ignore(path: Path) -> None:
    """Add to a list of files that validators leave out, which may have lines of somebody else's."""
    with replacing(path) as temporary:
        # In whatever encoding: the lines go back as they came.
        lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines() if path.is_file() else []
        text = "".join(f"{line}\n" for line in dict.fromkeys([*lines, *NOT_IN_STANDARD]))
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape")


def _atlas_table(regions: Regions) -> pd.DataFrame:
    x, y, z = regions.centres.T
    return pd.DataFrame({"index": regions.indices, "name": text_column(regions.names), "x": x, "y": y, "z": z})


def _describe_atlas(regions: Regions) -> dict[str, Any]:
    kinds = {Maps: "probabilistic maps", Seeds: "coordinates"}
    kind = kinds.get(type(regions.definition), "parcellation or mask")
    return {"Description": f"The regions of {regions.source}: {kind}."}
