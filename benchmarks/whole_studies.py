"""Cost of the steps that handle a whole study. Usage: python benchmarks/whole_studies.py [--listed N] [--grouped N].

Listing: find the runs of a folder with the file names of fMRIPrep, with their confounds and masks; the folder has eight
empty files per run. For comparison, pybids indexes a tenth as many runs, if it is installed. Group: mean, spread and
QC-FC of matrices of 400 regions, with the group page. Both are measured in this process, after its first imports.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from niimasker.inputs.runs import find_runs
from niimasker.options.merging import make_settings
from niimasker.outputs.naming import name_files
from niimasker.outputs.study_names import name_group_files
from niimasker.outputs.tables import write_relmat
from niimasker.running.group_files import try_group_files

RUN_FILES = (
    "_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz",
    "_space-MNI152NLin2009cAsym_desc-preproc_bold.json",
    "_space-MNI152NLin2009cAsym_desc-brain_mask.nii.gz",
    "_space-MNI152NLin2009cAsym_boldref.nii.gz",
    "_space-T1w_desc-preproc_bold.nii.gz",
    "_desc-confounds_timeseries.tsv",
    "_desc-confounds_timeseries.json",
    "_from-scanner_to-T1w_mode-image_xfm.txt",
)
RUNS_PER_SUBJECT, RUNS_PER_SESSION = 10, 5
N_REGIONS = 400


def main() -> None:
    """Print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listed", type=int, default=10_000)
    parser.add_argument("--grouped", type=int, default=1000)
    arguments = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as folder:
        list_runs(Path(folder) / "fmriprep", arguments.listed)
        list_by_pybids(Path(folder) / "tenth", arguments.listed // 10)
        group_runs(Path(folder) / "out", arguments.grouped)


def list_runs(folder: Path, n_runs: int) -> None:
    """Print how long it takes to find the runs of a folder."""
    write_tree(folder, n_runs)
    given = {"output_dir": "out", "input_files": folder, "roi_file": "atlas.nii", "space": "MNI152NLin2009cAsym"}
    settings = make_settings({**given, "regressors": "Params24", "mask_img": "auto"})
    start = time.perf_counter()
    runs = find_runs(settings)
    seconds = time.perf_counter() - start
    n_complete = sum(run.confounds_path is not None and not run.faults for run in runs)
    print(
        f"listing: {seconds:.1f} s for {len(runs)} runs, {n_complete} with confounds and mask (target: 5 s for 10,000)"
    )


def list_by_pybids(folder: Path, n_runs: int) -> None:
    """Print how long pybids takes to index a folder."""
    try:
        from bids import BIDSLayout
    except ImportError:
        print("pybids is not installed")
        return
    write_tree(folder, n_runs)
    start = time.perf_counter()
    BIDSLayout(folder, validate=False, is_derivative=True)
    print(f"pybids: {time.perf_counter() - start:.1f} s to index {n_runs} runs")


def write_tree(folder: Path, n_runs: int) -> None:
    """Write files with the folders and names of fMRIPrep: a JSON file contains {}, and all others are empty."""
    folder.mkdir()
    description = (
        '{"Name": "made up", "BIDSVersion": "1.9.0", "DatasetType": "derivative", "GeneratedBy": [{"Name": "a"}]}'
    )
    (folder / "dataset_description.json").write_text(description)
    for number in range(n_runs):
        subject, position = divmod(number, RUNS_PER_SUBJECT)
        session, run = divmod(position, RUNS_PER_SESSION)
        func = folder / f"sub-{subject:04}/ses-{session + 1}/func"
        func.mkdir(parents=True, exist_ok=True)
        for ending in RUN_FILES:
            name = f"sub-{subject:04}_ses-{session + 1}_task-rest_run-{run + 1}{ending}"
            (func / name).write_text("{}" if name.endswith(".json") else "")


def group_runs(folder: Path, n_runs: int) -> None:
    """Print the time and memory that the group tables of many runs take."""
    given = {"output_dir": folder, "input_files": "bold.nii", "roi_file": "atlas.nii", "connectivity": "pearson"}
    settings = make_settings(given)
    rows = [write_matrix(settings, f"sub-{number:04}_bold", number) for number in range(n_runs)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    try_group_files(settings, rows, ["atlas"])
    seconds = time.perf_counter() - start
    assert name_group_files(folder).edges_path.is_file()
    megabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"group: {seconds:.1f} s for {n_runs} matrices of {N_REGIONS} regions, peak memory {megabytes:.0f} MB higher")


def write_matrix(settings: object, stem: str, seed: int) -> dict[str, object]:
    """Write the matrix and the regions of a run, and return its row of the summary."""
    rng = np.random.default_rng(seed)
    names = [f"region {number}" for number in range(N_REGIONS)]
    (tables,) = name_files(settings, stem, ["atlas"]).tables
    write_relmat(tables.relmat_paths[0], np.corrcoef(rng.normal(size=(N_REGIONS, 200))), names)
    rows = "\n".join(f"{n}\t{name}\t{n}\t{n % 20}\t{n % 7}" for n, name in enumerate(names))
    tables.regions_path.write_text(f"index\tname\tx\ty\tz\n{rows}\n")
    return {"image": f"{stem}.nii", "output": stem, "status": "done", "mean_fd": float(rng.uniform(0.1, 0.5))}


if __name__ == "__main__":
    main()
