"""The page of checks says what happens, and it does; its bounds are the code's."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from cifti_images import brain_models, label_axis, make_dtseries, make_parts, scalar_axis
from documentation import ATLAS, IMAGE, names_in, table
from example_runs import Example
from gifti_files import save_series
from nibabel.cifti2 import BrainModelAxis

from niimasker.errors import (
    EXIT_DONE,
    EXIT_RUN_FAILED,
    EXIT_WRONG_USE,
    TooFewVolumesError,
    record_warnings,
)
from niimasker.inputs.confounds import Confounds, load_confounds
from niimasker.inputs.repetition_times import T_R_MAX, T_R_MIN
from niimasker.regions.placing.weights import OK
from niimasker.signals.filtering import Cleaning
from niimasker.signals.nuisance import prepare_nuisance
from niimasker.signals.timeline import Timeline
from niimasker.workflow import extract

CHECKS = table("checked", "found", "what happens")
PLAIN_RUN = {
    "-i": [f"example_output/data/fmriprep/sub-01/func/{IMAGE}.nii.gz"],
    "-r": [f"example_output/data/atlas/{ATLAS}"],
    "--regressor_files": ["example_output/data/fmriprep/sub-01/func/sub-01_task-rest_desc-confounds_timeseries.tsv"],
    "--regressors": ["csf"],
    "--discard_scans": ["1"],
}
ATLAS_PATH, SEEDS = f"example_output/data/atlas/{ATLAS}", "example_output/data/atlas/seeds.tsv"
LEFT = (
    "-i example_output/data/surfaces/sub-01/func/sub-01_task-rest_hemi-L_space-fsaverage5_bold.func.gii "
    "-r example_output/data/atlas/tpl-fsaverage_den-10k_hemi-L_atlas-Example_dseg.label.gii"
)
GRAY = "-i gray.dtseries.nii -r gray.dlabel.nii --regressor_files --regressors --discard_scans 0"
TIMED = "-i timed/sub-{}_task-a_acq-b_bold.nii -r tpl-Odd_labels.nii --regressor_files --regressors --discard_scans 0"
# The longest name that a file may have; its outputs cannot have a longer one.
LONG = "x" * 245
ODD = "-i odd.nii -r tpl-Odd_labels.nii --regressor_files --regressors --discard_scans 0"
DENOISED = "-i sub-01_task-rest_space-MNI_desc-smoothAROMAnonaggr_bold.nii -r tpl-Odd_labels.nii"
AROMA = "--regressor_files aroma.tsv --regressors ica_aroma=basic"
ORTHOGONAL = "ica_aroma=orthogonal"
LOST = "--regressor_files lost_desc-confounds_timeseries.tsv"
ORTH = f"--regressor_files orth.tsv --regressors {ORTHOGONAL}"
NOTHING = "-r tpl-Odd_labels.nii --regressors --regressor_files"
OTHER_CASE = f"-i prefixed {NOTHING.replace('Odd', 'mni')}"
TWICE = f"-i twice/sub-01/func/*.nii {NOTHING}"
BREATHS = "--motion_filter lp --band_stop_min 6"
TWO_KEPT = "--regressor_files --regressors --discard_scans 118"
# What is checked, words of what is found, options that it is found with, and words of the message.
FOUND = [
    ("options", "out of their range", "--low_pass -1", "above 0"),
    ("options", "excluding each other", "--valid_voxels --smoothing_fwhm 4", "--valid_voxels"),
    ("options", "without effect", "--standardize_method psc", "is ignored"),
    ("options", "without effect", "--interpolation cubic --low_pass 0.1", "is ignored"),
    ("files", "does not exist", "-i missing.nii.gz", "does not exist"),
    ("files", "a pattern matches none", "-i missing*.nii.gz", "no file matches"),
    ("files", "none but files", "-i earlier_output/niimasker_data/*.nii", "but 1 file that niimasker wrote"),
    ("matches of a pattern", "in the `niimasker_data`", f"-i earlier_output/**/*.nii {NOTHING}", "which is left out"),
    ("matches of a pattern", "region signals", "--regressor_files earlier_output/*.tsv", "such as the region signals"),
    ("images in a folder", "several of one run", "-i twice", "2 images of one run"),
    ("images by name or pattern", "several of one run", TWICE, "2 images of one run"),
    ("images in a folder", "a prefix", f"-i prefixed {NOTHING}", "a prefix"),
    ("GIFTI images", "one hemisphere", f"{LEFT} --regressor_files --regressors", "lies beside it, but is not given"),
    ("images that options choose", "several of one run", f"-i twice --entities reg=a reg=b {NOTHING}", "2 images of"),
    ("runs that options choose", "lacks the entity", f"-i unnumbered --run 1 {NOTHING}", "without run-, left out"),
    ("folder of images", "only images with a prefix", "-i only_prefixed", "have a prefix before sub-"),
    ("folder of images", "only files of surfaces", "-i surfaces", "only 1 file of surfaces"),
    ("images", "links", f"-i links {NOTHING}", "no image has been fetched"),
    ("`--exclude`", "fits no image", "--exclude sub-99", "has the entities of sub-99"),
    ("ratings of `--exclude`", "of no image", "--exclude other_ratings.tsv", "give the ratings of this study"),
    ("ratings of `--exclude`", "that is not among", "--exclude ratings.tsv", "1 run that ratings.tsv rates leave"),
    ("ratings of `--exclude`", "lie elsewhere now", "--exclude moved_ratings.tsv", "images that lie elsewhere now"),
    ("`--space`", "upper and lower case", f"-i prefixed --space mni {NOTHING}", "read as MNI"),
    ("output names", "two atlases", f"-r {ATLAS_PATH} {ATLAS_PATH}", "more than one atlas"),
    ("output names", "before its ending", "-i .nii", "no name before its ending"),
    ("`--output_layout bids`", "no `sub-`", "-i odd.nii --output_layout bids", "some have no sub-"),
    ("`--output_layout bids`", "another program", "described_output --output_layout bids", "was written by fMRIPrep"),
    ("pairs of image and table", "not as many tables", f"--censor_file {SEEDS} {SEEDS}", "give one per image"),
    ("`--roi_file`", "one of the images", f"-r {PLAIN_RUN['-i'][0]}", "one of the --input_files"),
    ("image", "no 4D", f"-i {ATLAS_PATH} -r {SEEDS} --regressor_files --regressors", "expected a 4D series"),
    ("image", "ends early", "-i early.nii.gz --regressor_files --regressors", "broken"),
    ("image", "can be corrected", ODD.replace("odd.nii", "corrected.nii"), "qform_code 99"),
    ("JSON files", "nested too deeply", "-c deep.json", "nested too deeply"),
    ("voxels of regions", "NaN", ODD, "1 of the voxels read"),
    ("JSON files of the image", "cannot be read", ODD, "odd.json cannot be read"),
    ("JSON files of the image", "two that differ", TIMED.format("4"), "differ in RepetitionTime"),
    ("JSON files of the image", "ascending", TIMED.format("3"), "expected 120"),
    ("JSON files of the image", "both", TIMED.format("2"), "RepetitionTime is not used"),
    ("VolumeTiming", "with a filter", f"{TIMED.format('1')} --low_pass 0.1", "need evenly spaced volumes"),
    ("VolumeTiming", "unevenly", f"{TIMED.format('1')} --detrend", "as if volumes were evenly spaced"),
    (
        "tables of a run",
        "cannot be written",
        ODD.replace("odd", LONG),
        "cannot be written",
    ),
    ("files in the output folder", "has the name", "taken_output", "was not written by niimasker"),
    ("runs in the output folder", "not among", "other_output", "would stay there"),
    (
        "runs in the output folder",
        "all among",
        "same_output",
        "replaces 1 run made with detrend by no detrend",
    ),
    ("files in `niimasker_data`", "cannot be written", "blocked_output", "cannot be written"),
    ("parcellation", "no whole numbers", "-r halves.nii", "cannot be a region's index"),
    ("parcellation, mask or maps of `-r`", "NaN", "-r nan_labels.nii", "are NaN and counted as 0"),
    ("maps", "infinite", "-r infinite_maps.nii", "infinite values"),
    ("maps", "a stack of parcellations", "-r stack.nii", "a stack of 3 parcellations"),
    ("mask of `-m`", "one other value", f"-m {ATLAS_PATH}", "not a mask"),
    ("coordinates", "no columns x, y, z", f"-r {ATLAS_PATH.replace('.nii.gz', '.tsv')}", "no column x, y, z"),
    ("coordinates", "a column of radii", "-r radii.csv --radius 5", "its column of radii (8 mm) is not used"),
    ("coordinates", "diameters", "-r diameters.csv --radius 5", "column diameter is not used"),
    ("coordinates", "no `--radius`", f"-r {SEEDS}", "no --radius"),
    ("spheres", "share voxels", f"-r {SEEDS} --radius 30", "spheres overlap"),
    ("`--as_voxels`", "coordinates", f"-r {SEEDS} --as_voxels", "holds coordinates"),
    ("nilearn: query", "an unknown word", "-r nilearn:schafer", "no atlas 'schafer'"),
    ("names", "too few", "--labels one two", "has 2 names"),
    ("names", "names that are all numbers", "--labels numbers.csv", "its names are all numbers"),
    ("names", "two columns of indices that disagree", f"{ODD} --labels two.csv", "both hold the indices of"),
    ("names", "not the image's indices", f"{ODD} --labels other.csv", "is the first without a name"),
    ("names", "out of order", f"{ODD} --labels order.txt", "not in order"),
    ("names", "words that hold", f"{ODD} --labels words.csv", "in another order"),
    ("names", "a line that does not fit", f"{ODD} --labels broken.label", "line 2, '2 b', does not fit"),
    (
        "names joined by index",
        "does not have",
        f"{ODD} --labels more.csv",
        "names 1 region that the image does not have",
    ),
    (
        "label table in the header of the image",
        "keep their index",
        ODD.replace("tpl-Odd_labels", "afni"),
        "names 3 of 4 regions",
    ),
    (
        "look-up table of BIDS",
        "no row for a region",
        "-r tpl-Short_dseg.nii",
        "index 2 of the image is the first without a name",
    ),
    ("names", "used twice", f"--labels {'one ' * 30}", "index is appended"),
    ("spaces in the names of image and atlas", "`space-` and `tpl-`", DENOISED, "space MNI, but tpl-Odd_labels.nii"),
    (
        "spaces in the names of image and atlas",
        "one space",
        f"-i prefixed {NOTHING.replace('Odd', 'mni')}",
        "is taken for",
    ),
    ("header of the image", "codes are 0", ODD, "sform and qform codes are 0"),
    ("field of view", "less than", ODD, "only 24% of the atlas"),
    ("field of view and mask", "no region", "-r far.nii", "no region is left"),
    ("coverage of a region", "below 0.5", ODD, "roi 3 0.45"),
    ("coverage of a region", "below `--min_coverage`", f"{ODD} --min_coverage 0.5", "(coverage too low): roi 3"),
    ("signal of a region", "none that varies", ODD, "(constant): roi 2"),
    ("signal of a region", "no voxel", ODD, "(empty: outside the image): roi 4"),
    ("series", "no series over time", GRAY.replace("dtseries", "dscalar"), "a dscalar, which holds maps and no series"),
    ("series", "which they differ", GRAY.replace("gray.dtseries.nii", "rh.left.func.gii"), "its name says right"),
    ("series", "numbers of volumes", GRAY.replace("gray.dtseries.nii", "?h.pair.func.gii"), "the files of both hemi"),
    ("series", "a step of 1 s", GRAY.replace("gray.dt", "ones.dt"), "a start and a step of 1 s"),
    ("regions and image", "a volume and a surface", GRAY.replace("gray.dlabel.nii", ATLAS_PATH), "is in a volume"),
    (
        "regions and image",
        "numbers of vertices",
        GRAY.replace("gray.dl", "large.dl"),
        "12 vertices in the image and 13",
    ),
    ("regions and image", "missing structures", GRAY.replace("gray.dt", "left.dt"), "the image has no point of"),
    ("regions and image", "one hemisphere alone", GRAY.replace("gray.dl", "left.dl"), "is not on CORTEX_RIGHT"),
    ("atlas", "none is chosen", GRAY.replace("gray.dl", "maps.dl"), "holds 2 maps"),
    ("atlas", "without a point", GRAY.replace("gray.dl", "tables.dl"), "1 label of its table without a point (Gone)"),
    ("atlas", "without a name", GRAY.replace("gray.dl", "tables.dl"), "1 label without a name in its table (2)"),
    ("atlas", "for key 0", GRAY.replace("gray.dl", "tables.dl"), "key 0 ('Zero') is taken for background"),
    ("`--mask_img auto`", "a CIFTI file", f"{GRAY} -m auto", "leave --mask_img out"),
    ("`--smoothing_fwhm`", "a surface", f"{GRAY} --smoothing_fwhm 4", "-cifti-smoothing"),
    ("`--engine nilearn`", "grayordinates", f"{GRAY} --engine nilearn", "does not read CIFTI"),
    ("tables", "no UTF-8 text", f"--regressor_files {ATLAS_PATH}", "not UTF-8"),
    ("rows", "not as many", f"--regressor_files {SEEDS}", "10 rows"),
    ("`--motion_format`", "as many columns", "--regressor_files seven.par --motion_format fsl", "has 7 columns and no"),
    ("`--motion_filter`", "without its cut-offs", "--motion_filter lp", "needs --band_stop_min"),
    ("`--motion_filter`", "are missing", f"--regressor_files short.tsv {BREATHS}", "has not all motion parameters"),
    ("cut-offs of `--motion_filter`", "Nyquist", BREATHS.replace("6", "16"), "not below 15 breaths per minute"),
    (
        "`--head_radius`",
        "no motion parameters",
        "--regressor_files short.tsv --head_radius 40",
        "leave --head_radius out",
    ),
    ("motion parameters", "29 degrees", "--regressor_files turned.par --motion_format spm --regressors", "implausible"),
    ("columns used", "a gap", "--regressor_files gap.tsv --regressors b", "has no value in row 5"),
    ("tables of one run", "that differs", "--regressor_files short.tsv other.tsv", "both have a column 'csf'"),
    ("all columns", "without a name", "--regressor_files gap.tsv --regressors", "has no name"),
    ("all columns", "more than", "--regressors", "more than a quarter"),
    ("words", "unknown", "--regressors motoin", "nearest: motion"),
    ("words", "a pattern that matches in no run", "--regressors motoin*", "no column of any table matches motoin*"),
    ("words", "two parameters", "--regressors motion=basic motion=full", "motion=basic"),
    ("words", "without `compcor`", "--regressors n_compcor=5", "add compcor"),
    ("words", "`none` with other words", "--regressors none csf", "leave none or the other words out"),
    ("what words need", "columns", "--regressors ica_aroma", "aroma_motion"),
    ("what words need", "not denoised", "--regressors ica_aroma=full", "ica_aroma=full"),
    ("what words need", "nonaggr", "--regressors ica_aroma=nonaggr", "Give ica_aroma=orthogonal"),
    ("`tedana=orthogonal`, `ica_aroma=orthogonal`", "missing", f"{LOST} --regressors {ORTHOGONAL}", "MELODIC's mixing"),
    ("`ica_aroma=orthogonal`", "without its mixing", f"{ORTH} --low_pass 0.1", "only before detrending, filters"),
    ("cosines", "not in the table", "--regressor_files short.tsv --regressors Params2", "no columns cosine00"),
    ("CompCor", "fewer", "--regressors compcor high_pass n_compcor=20", "10 CompCor components of the 20"),
    ("CompCor", "neither high_pass", "--regressors compcor", "add high_pass"),
    ("`ica_aroma=basic`", "denoised already", f"{DENOISED} {AROMA}", "has taken out of the image already"),
    ("`--discard_scans`", "no volume is left", "--discard_scans 120", "leaves none"),
    ("`--discard_scans`", "fewer volumes", "--discard_scans 0", "--discard_scans auto"),
    ("`--scrub`", "a column is missing", "--regressor_files short.tsv --scrub", "no column framewise_displacement"),
    ("`--connectivity`", "with `--as_voxels`", "--connectivity pearson --as_voxels", "cannot be combined"),
    ("`--cifti_out`", "a volume", "--cifti_out", "is a volume"),
    ("`--cifti_out`", "`--as_voxels`", "--cifti_out --as_voxels", "cannot be combined"),
    ("`--min_minutes`", "is not known", f"{ODD} --min_minutes 1", "--min_minutes needs one"),
    ("`--min_minutes`", "VolumeTiming", f"{TIMED.format('1')} --min_minutes 1", "which --min_minutes needs"),
    ("`--max_mean_fd`", "is not known", "--regressor_files short.tsv --max_mean_fd 1", "cannot judge this run"),
    ("`--judge`", "a file that is missing", "--judge missing.json", "cannot be read"),
    ("`--judge`", "no JSON", "--judge no_thresholds.csv", "not valid JSON"),
    ("`--judge`", "an unknown key", "--judge unknown.json", "unknown key 'minute'"),
    ("`--judge`", "given twice", "--judge twice.json", "'minutes' is given twice"),
    ("`--judge`", "missing or no number", "--judge no_red.json", "has no 'red'"),
    ("`--judge`", "milder", "--judge swapped.json", "amber 5 is below red 9"),
    ("`--min_minutes`, `--max_mean_fd`, `--max_censored`", "all runs", "--max_mean_fd 0.001", "all runs are excluded"),
    ("`--connectivity`", "no kind of", "--connectivity precision --fisher_z", "--fisher_z transforms correlations"),
    ("`--connectivity`", "no regressors", "--regressors none --connectivity pearson", "without nuisance regression"),
    ("`--connectivity`", "fewer than 3", f"{TWO_KEPT} --connectivity pearson", "found 2 kept volumes"),
    ("`--connectivity`", "fewer than 20", "--discard_scans 104 --connectivity pearson", "14 degrees of freedom, fewer"),
    ("`--connectivity`", "more regions", "--discard_scans 91 --connectivity precision", "fewer than 30 regions"),
    ("`--censor_file`", "anything but 0 and 1", "--censor_file short.tsv", "expected 0, or 1"),
    ("`--censor_file`", "more than half", "--censor_file kept.txt", "which --censor_keep reads"),
    ("kept volumes", "none", "--scrub --fd_threshold 0.001", "all 119 volumes"),
    ("kept volumes", "a single one", "--discard_scans 119 --standardize", "found 1 volume"),
    ("repetition time", "given by `--t_r`", "--t_r 2000", "milliseconds"),
    ("repetition time", "but not needed", DENOISED, "implausible and ignored"),
    ("repetition time", "none, with a filter", f"{ODD} --low_pass 0.1", "give --t_r"),
    ("repetition time", "differs", "--t_r 2.1", "the sidecar says 2 s"),
    ("cut-offs", "Nyquist", "--low_pass 0.3", "not below 0.25 Hz"),
    ("cut-offs", "`--high_pass` not below", "--low_pass 0.1 --high_pass 0.1", "not below --low_pass"),
    ("length", "with one cut-off", "--low_pass 0.1 --discard_scans 110", "too few for the filter"),
    ("cosines", "together with `--high_pass`", "--regressors high_pass --high_pass 0.01", "filtered twice"),
    ("regressors", "constant", "--scrub --regressors motion_outlier00", "motion_outlier00 (constant)"),
    ("degrees of freedom", "fewer than 1", "--regressors Params36 --low_pass 0.05", "no degrees of freedom are left"),
    ("degrees of freedom", "fewer than 20", "--regressors Params36 --low_pass 0.12", "unreliable"),
]


@pytest.fixture(scope="module")
def spoilt(example, tmp_path_factory) -> Example:
    """The example beside an image that is cut short, and tables that lack a value, and columns."""
    shared, example = example, Example(tmp_path_factory.mktemp("checks"))
    (example.folder / "example_output").symlink_to(shared.folder / "example_output")
    whole = (example.folder / PLAIN_RUN["-i"][0]).read_bytes()
    (example.folder / "early.nii.gz").write_bytes(whole[:-1000])
    values = np.arange(240.0).reshape(120, 2)
    short = pd.DataFrame(values, columns=["csf", "white_matter"])
    short.to_csv(example.folder / "short.tsv", sep="\t", index=False)
    (short + 1).to_csv(example.folder / "other.tsv", sep="\t", index=False)
    short.set_axis(["aroma_motion_01", "aroma_motion_02"], axis=1).to_csv(
        example.folder / "aroma.tsv", sep="\t", index=False
    )
    shutil.copy(example.folder / "aroma.tsv", example.folder / LOST.split()[1])
    short[["csf"]].set_axis(["aroma_orth_motion_01"], axis=1).sample(frac=1, random_state=0).to_csv(
        example.folder / "orth.tsv", sep="\t", index=False
    )
    values[4, 1] = np.nan
    pd.DataFrame(values, columns=["", "b"]).to_csv(example.folder / "gap.tsv", sep="\t", index=False)
    np.savetxt(example.folder / "seven.par", np.zeros((120, 7)))
    np.savetxt(example.folder / "turned.par", np.random.default_rng(0).normal(size=(120, 6)))
    _write_ratings(example.folder)
    (example.folder / "kept.txt").write_text("1\n" * 100 + "0\n" * 20, "utf-8")
    (example.folder / "taken_output" / f"{IMAGE}_timeseries.tsv").mkdir(parents=True)
    (example.folder / "described_output").mkdir()
    description = '{"Name": "a", "BIDSVersion": "1.11.0", "GeneratedBy": [{"Name": "fMRIPrep"}]}'
    (example.folder / "described_output/dataset_description.json").write_text(description, "utf-8")
    (example.folder / "blocked_output").mkdir()
    (example.folder / "blocked_output/niimasker_data").write_text("a file", "utf-8")
    (example.folder / ".nii").symlink_to("odd.nii")
    (example.folder / "deep.json").write_text('{"labels": ' + "[" * 99_999 + "]" * 99_999 + "}", "utf-8")
    write_odd_images(example.folder)
    write_odd_tables(example.folder)
    write_folders(example.folder)
    write_timed_images(example.folder)
    write_surfaces(example.folder)
    (example.folder / f"{LONG}.nii").symlink_to(example.folder / "odd.nii")
    what_happens(example, f"other_output {ODD}", None)
    what_happens(example, "same_output --detrend", None)
    write_earlier_output(example.folder)
    return example


def write_odd_images(folder: Path) -> None:
    """Write an image whose regions are good, constant, mostly constant with a NaN, and outside; and wrong atlases."""
    volumes = np.random.default_rng(0).normal(100, 2, size=(6, 5, 4, 120)).astype(np.float32)
    volumes[1] = 100
    volumes[2].reshape(20, 120)[:10] = 100
    volumes[2, 4, 3, 7] = np.nan
    img = nib.Nifti1Image(volumes, np.diag([3.0, 3.0, 3.0, 1.0]))
    img.set_sform(None, 0)
    img.set_qform(None, 0)
    for name, sidecar in (("odd", "{"), (DENOISED.split()[1].removesuffix(".nii"), '{"RepetitionTime": 2000}')):
        nib.save(img, folder / f"{name}.nii")
        (folder / f"{name}.json").write_text(sidecar, "utf-8")
    header = bytearray((folder / "odd.nii").read_bytes())
    header[252:254] = (99).to_bytes(2, "little")  # qform_code, of which there are five
    (folder / "corrected.nii").write_bytes(header)
    affine = nib.load(folder / "odd.nii").affine
    labels = np.zeros((6, 5, 42), dtype=np.int16)
    labels[:3, :, :4] = np.arange(1, 4)[:, None, None]
    labels[0, :, 4:] = 4
    (folder / "tpl-Short_dseg.tsv").write_text("index\tname\n1\ta\n", "utf-8")
    wrong = {
        "tpl-Odd_labels": labels,
        "tpl-Short_dseg": labels,
        "halves": labels / 2,
        "far": labels,
        "nan_labels": np.where(labels, labels, np.nan),
        "infinite_maps": np.full((6, 5, 4, 2), np.inf),
        "stack": np.stack([labels] * 3, axis=-1),
        "afni": labels,
    }
    for name, values in wrong.items():
        shift = 10_000 if name == "far" else 0
        stored = values if values.dtype == np.int16 else values.astype(np.float32)
        img = nib.Nifti1Image(stored, affine + np.pad([[shift]], ((0, 3), (3, 0))))
        if name == "afni":
            content = b'<VALUE_LABEL_DTABLE ni_type="2*String" >"1" "a"\n"2" "b"\n"3" "c"</VALUE_LABEL_DTABLE>'
            img.header.extensions.append(nib.nifti1.Nifti1Extension(4, content))
        nib.save(img, folder / f"{name}.nii")


def write_odd_tables(folder: Path) -> None:
    """Write tables of names that do not fit the odd atlas, whose regions are 1 to 4, of coordinates, and thresholds."""
    tables = {
        "numbers.csv": "index,name\n1,7\n2,8\n3,9\n4,10\n",
        "two.csv": "this,that,name\n1,2,a\n2,1,b\n3,4,c\n4,3,d\n",
        "other.csv": "number,name\n11,a\n12,b\n13,c\n14,d\n",
        "more.csv": "1,a\n2,b\n3,c\n4,d\n5,e\n",
        "order.txt": "Area 2\nArea 1\nArea 4\nArea 3\n",
        "broken.label": '1 0 0 0 1 1 1 "a"\n2 b\n3 0 0 0 1 1 1 "c"\n4 0 0 0 1 1 1 "d"\n',
        "radii.csv": "x,y,z,radius\n0,0,0,8\n",
        "diameters.csv": "x,y,z,diameter\n0,0,0,8\n",
        "no_thresholds.csv": "minutes,9,5\n",
        "unknown.json": '{"minute": {"amber": 9, "red": 5}}',
        "twice.json": '{"minutes": null, "minutes": null}',
        "no_red.json": '{"minutes": {"amber": 9}}',
        "swapped.json": '{"minutes": {"amber": 5, "red": 9}}',
        "words.csv": "id,name\nROI2,a\nROI1,b\nROI4,c\nROI3,d\n",
    }
    for name, text in tables.items():
        (folder / name).write_text(text, "utf-8")


def write_surfaces(folder: Path) -> None:
    """Write small series on surfaces and in grayordinates, and atlases of which all but one do not fit."""
    axis = brain_models()
    one = {0: "???", 1: "One", 2: "Two"}
    keys = (np.arange(len(axis)) % 3).astype(np.float32)
    make_dtseries(120).write(folder / "gray.dtseries.nii")
    make_dtseries(120, start=1.0, step=1.0).write(folder / "ones.dtseries.nii")
    make_dtseries(120, ["CORTEX_LEFT"]).write(folder / "left.dtseries.nii")
    make_parts(keys[None], (scalar_axis(["a"]), axis), intent=3006).write(folder / "gray.dscalar.nii")
    tables = {"gray": [one], "maps": [one, one], "tables": [{0: "Zero", 1: "One", 9: "Gone"}]}
    for name, labels in tables.items():
        stored = np.repeat(keys[None], len(labels), axis=0)
        axes = (label_axis(labels, [f"map {number}" for number in range(len(labels))]), axis)
        make_parts(stored, axes, intent=3007).write(folder / f"{name}.dlabel.nii")
    left = brain_models(["CORTEX_LEFT"])
    make_parts(keys[None, : len(left)], (label_axis([one]), left), intent=3007).write(folder / "left.dlabel.nii")
    large = BrainModelAxis.from_surface(np.arange(13), 13, "CIFTI_STRUCTURE_CORTEX_LEFT")
    make_parts(keys[None, :13], (label_axis([one]), large), intent=3007).write(folder / "large.dlabel.nii")
    volumes = np.random.default_rng(0).normal(100, 2, (120, 12)).astype(np.float32)
    save_series(folder / "lh.pair.func.gii", volumes, structure="CortexLeft")
    save_series(folder / "rh.pair.func.gii", volumes[1:], structure="CortexRight")
    save_series(folder / "rh.left.func.gii", volumes, structure="CortexLeft")


def write_folders(folder: Path) -> None:
    """Write folders with two images of one run, with prefixes, with and without run-, of surfaces, and of links."""
    names = {
        "twice": ["sub-01_reg-a_desc-preproc_bold.nii", "sub-01_reg-b_desc-preproc_bold.nii"],
        "prefixed": ["sub-01_space-MNI_desc-preproc_bold.nii", "usub-01_space-MNI_desc-preproc_bold.nii"],
        "only_prefixed": ["usub-01_space-MNI_desc-preproc_bold.nii"],
        "unnumbered": ["sub-01_task-a_run-1_desc-preproc_bold.nii", "sub-01_task-b_desc-preproc_bold.nii"],
        "surfaces": ["sub-01_space-fsLR_den-91k_timeseries.ptseries.nii"],
        "links": ["sub-01_desc-preproc_bold.nii"],
    }
    for study, file_names in names.items():
        func = folder / study / "sub-01/func"
        func.mkdir(parents=True)
        for name in file_names:
            (func / name).symlink_to("nowhere" if study == "links" else folder / "odd.nii")
    (folder / "tpl-mni_labels.nii").symlink_to("tpl-Odd_labels.nii")


def write_timed_images(folder: Path) -> None:
    """Write images with JSON files: uneven times, such beside a repetition time, too few times, and two files."""
    times = [2 * volume + (volume > 60) for volume in range(120)]
    contents = {
        "sub-1_task-a_bold": {"VolumeTiming": times},
        "sub-2_task-a_bold": {"VolumeTiming": times, "RepetitionTime": 2},
        "sub-3_task-a_bold": {"VolumeTiming": times[1:]},
        "sub-4_task-a_bold": {"RepetitionTime": 2},
        "sub-4_acq-b_bold": {"RepetitionTime": 3},
    }
    (folder / "timed").mkdir()
    for name, content in contents.items():
        (folder / f"timed/{name}.json").write_text(json.dumps(content), "utf-8")
    for number in range(1, 5):
        (folder / f"timed/sub-{number}_task-a_acq-b_bold.nii").symlink_to(folder / "odd.nii")


def write_earlier_output(folder: Path) -> None:
    """Write what a call leaves, beside an image: the copy of an atlas, and a table of signals with its JSON file."""
    data_folder = folder / "earlier_output/niimasker_data"
    data_folder.mkdir(parents=True)
    (data_folder / "summary.tsv").touch()
    for path in (data_folder / "atlas.nii", data_folder.parent / "odd.nii"):
        path.symlink_to(folder / "odd.nii")
    signals = data_folder.with_name("sub-01_task-rest_bold_timeseries.tsv")
    signals.symlink_to(folder / "short.tsv")
    signals.with_suffix(".json").write_text(json.dumps({"Files": {signals.name: 1}, "Fingerprint": {}}), "utf-8")


def what_happens(example: Example, options: str, capsys: pytest.CaptureFixture[str] | None) -> tuple[str, str]:
    """What the plain run does with other options, in the page's words, and what it says."""
    given: dict[str, list[str]] = {"": []}
    for word in options.split():
        if re.match("--?[a-z]", word):
            given[word] = []
        else:
            given[[*given][-1]].append(word)
    output = given.pop("") or ["checks_output"]
    shutil.rmtree(example.folder / "checks_output", ignore_errors=True)
    # An option of the plain run that is given without a value is left out.
    asked = {**PLAIN_RUN, **given}
    words = [word for flag, values in asked.items() if values or flag not in PLAIN_RUN for word in (flag, *values)]
    code = example.run([*output, "--no_report", *words])
    said = capsys.readouterr().err if capsys else ""
    done = "warning" if "niimasker: warning:" in said else "nothing"
    return {EXIT_WRONG_USE: "error", EXIT_RUN_FAILED: "run fails", EXIT_DONE: done}[code], said


def _write_ratings(folder):
    """Tables of ratings of the plain run and of another, of the plain run elsewhere, and of another alone."""
    (path,) = PLAIN_RUN["-i"]
    tables = {
        "ratings.tsv": f"{path}\tkeep\nsub-99/sub-99_bold.nii.gz\tleave\n",
        "moved_ratings.tsv": f"elsewhere/{path}\tkeep\n",
        "other_ratings.tsv": "sub-99/sub-99_bold.nii.gz\tleave\n",
    }
    for name, rows in tables.items():
        (folder / name).write_text(f"image\trating\n{rows}", "utf-8")


def test_checks_find_nothing_in_the_plain_run(spoilt, capsys):
    assert what_happens(spoilt, "", capsys) == ("nothing", "")


@pytest.mark.parametrize(("checked", "found", "options", "message"), FOUND, ids=lambda text: text[:30])
def test_checks_do_what_the_table_says(spoilt, capsys, checked, found, options, message):
    (row,) = (row for row in CHECKS if row[0] == checked and found in row[1])
    happens, said = what_happens(spoilt, options, capsys)
    assert happens == row[2]
    assert message in said


def test_every_check_of_the_table_is_tried():
    tried = [next(row for row in CHECKS if row[0] == checked and found in row[1]) for checked, found, *_ in FOUND]
    assert [row for row in CHECKS if row not in tried] == []


def test_what_a_check_does_is_explained():
    assert {row[2] for row in CHECKS} == {row[0] for row in table("what happens", "meaning")}


def bounds(checked: str, pattern: str) -> list[float]:
    """The numbers that a pattern finds in the one row of the checks that it fits."""
    (found,) = (match.groups() for name, text, _ in CHECKS if name == checked and (match := re.search(pattern, text)))
    return [float(number) for number in found]


def test_bounds_of_the_repetition_time_are_the_codes(spoilt, capsys):
    assert bounds("repetition time", r"from ([\d.]+) to (\d+) s, given by") == [T_R_MIN, T_R_MAX]
    assert bounds("repetition time", r"from ([\d.]+) to (\d+) s, but") == [T_R_MIN, T_R_MAX]
    (within,) = bounds("repetition time", r"more than ([\d.]+) s")
    assert what_happens(spoilt, f"--t_r {2 + 0.9 * within}", capsys)[0] == "nothing"
    assert what_happens(spoilt, f"--t_r {2 + 1.1 * within}", capsys)[0] == "warning"


@pytest.mark.parametrize(("place", "cut_offs"), [(0, "--low_pass 0.2"), (1, "--low_pass 0.2 --high_pass 0.01")])
def test_bounds_of_the_length_are_the_codes(spoilt, capsys, place, cut_offs):
    n_too_few = int(bounds("length", r"one cut-off at most (\d+) volumes, with both at most (\d+)")[place])
    for n_volumes, fails in ((n_too_few, True), (n_too_few + 1, False)):
        happens, said = what_happens(spoilt, f"{cut_offs} --discard_scans {120 - n_volumes}", capsys)
        assert (happens == "run fails") == fails == ("too few for the filter" in said)


def regress(n_volumes: int, n_left: int) -> list[str]:
    """Warnings of regressors that leave so many degrees of freedom; the mean takes one."""
    n_regressors = n_volumes - 1 - n_left
    values = np.random.default_rng(0).normal(size=(n_volumes, n_regressors))
    confounds = Confounds(tuple(f"c{number}" for number in range(n_regressors)), values)
    with record_warnings() as said:
        prepare_nuisance(confounds, Timeline(n_volumes, 0), Cleaning(False, None, None, None, None, None))
    return said


def test_bounds_of_the_degrees_of_freedom_are_the_codes():
    (least,) = map(int, bounds("degrees of freedom", r"^fewer than (\d+), with"))
    few, percent = map(int, bounds("degrees of freedom", r"fewer than (\d+), or than (\d+) %"))
    with pytest.raises(TooFewVolumesError):
        regress(50, least - 1)
    assert [bool(regress(*counts)) for counts in ((50, least), (50, few - 1), (50, few))] == [True, True, False]
    assert [bool(regress(500, n_left)) for n_left in (500 * percent // 100 - 1, 500 * percent // 100)] == [True, False]


def test_bound_of_all_columns_is_the_codes(tmp_path):
    (percent,) = bounds("all columns", r"more than (\d+) %")
    n_most = int(40 * percent / 100)
    for n_columns in (n_most, n_most + 1):
        values = np.random.default_rng(0).normal(size=(40, n_columns))
        pd.DataFrame(values).add_prefix("c").to_csv(tmp_path / "all.tsv", sep="\t", index=False)
        with record_warnings() as said:
            load_confounds([tmp_path / "all.tsv"], (), n_volumes=40, image_path=tmp_path / "bold.nii.gz")
        assert bool(said) == (n_columns > n_most)


def cover(n_valid: int, n_outside: int, **options: object) -> tuple[list[str], str]:
    """Warnings about an atlas of one row of 20 voxels, n_outside of them beyond the image, and the region's status."""
    volumes = np.zeros((20 - n_outside, 5, 6, 12), dtype=np.float32)
    volumes[:n_valid] = 100 + np.arange(12) % 2
    labels = np.zeros((20, 5, 6), dtype=np.int16)
    labels[:, 2, 2] = 1
    for path, values in (("bold.nii", volumes), ("atlas.nii", labels)):
        nib.save(nib.Nifti1Image(values, np.diag([3.0, 3.0, 3.0, 1.0])), path)
    with record_warnings() as said:
        (outcome,) = extract("out", input_files="bold.nii", roi_file="atlas.nii", **options)
    return said, pd.read_csv(outcome.tables[0].regions_path, sep="\t")["status"][0]


@pytest.fixture
def in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("in_empty_folder")
def test_bound_of_coverage_is_the_codes():
    (least,) = bounds("coverage of a region", r"below ([\d.]+),")
    n_least = round(20 * least)
    assert cover(n_least, 0) == ([], OK)
    (warning,), _ = cover(n_least - 1, 0)
    assert f"coverage < {least:g}" in warning


@pytest.mark.usefixtures("in_empty_folder")
def test_bound_of_the_field_of_view_is_the_codes():
    (percent,) = bounds("field of view", r"less than (\d+) %")
    n_outside = round(20 * (1 - percent / 100))
    assert cover(20, n_outside) == ([], OK)
    (warning,), _ = cover(20, n_outside + 1)
    assert "field of view" in warning


@pytest.mark.usefixtures("in_empty_folder")
def test_status_of_a_region_below_min_coverage_is_written_as_shown():
    _, status = cover(6, 0, min_coverage=0.5)
    assert status == names_in("status", "column of the region")[-1].replace("0.31", "0.30")
