"""A folder of fMRIPrep's outputs from the command line to the tables."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bids_trees import (
    GENERATIONS,
    LABELS,
    MNI,
    N_VOLUMES,
    NATIVE,
    T1W,
    make_brain,
    mark_unsteady,
    name_files,
    to_annex,
    touch_tree,
    write_confounds,
    write_image,
    write_parcellation,
    write_tree,
)
from images import OBLIQUE, save
from studies import results_in, summary
from studies import statuses as statuses_in

from niimasker.cli import main

RUNS = ["sub-01_ses-a_task-rest_run-1", "sub-01_ses-b_task-rest_run-1", "sub-02_ses-a_task-rest_run-1"]
OWN_ATLAS = "sub-{sub}_space-T1w_desc-aparcaseg_dseg.nii.gz"
TROUBLE = tuple(f"niimasker: {kind}:" for kind in ("warning", "failed", "error"))
CONFOUNDS = ["--regressors", "motion=basic", "wm_csf"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """The current folder, with an atlas."""
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "atlas.nii.gz", LABELS)
    return tmp_path


@pytest.fixture
def files():
    """Files of two subjects, one with two sessions; each run has confounds and a mask, each subject an atlas."""
    for number, sub in enumerate(("01", "02")):
        write_parcellation(Path(f"prep/sub-{sub}/anat/{OWN_ATLAS.format(sub=sub)}"), number)
    return write_tree(Path("prep"), RUNS, spaces=[T1W])


@pytest.fixture
def niimasker(capsys):
    """Return a function that runs a command and returns exit code, output and messages."""

    def run(output_dir, *words):
        capsys.readouterr()
        inputs = [] if "-i" in words else ["-i", "prep"]
        atlas = [] if "-r" in words else ["-r", "atlas.nii.gz"]
        code = main([str(output_dir), *inputs, *atlas, "--no_report", *map(str, words)])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def done(niimasker):
    """Return a function that runs a study that succeeds and returns what it wrote."""

    def run(output_dir, *words, replaces=False):
        code, _, said = niimasker(output_dir, *words)
        lines = [line for line in said.splitlines() if line.startswith(TROUBLE)]
        assert (code, ["this call replaces" in line for line in lines]) == (0, [True] * replaces)
        return tables_in(output_dir)

    return run


def tables_in(output_dir):
    """Return the content of all tables, without the JSON files beside them."""
    return {name: content for name, content in results_in(Path(output_dir)).items() if name.endswith(".tsv")}


def signals_of(output_dir, files):
    stem = files.image.name.removesuffix(".nii.gz")
    return pd.read_csv(Path(output_dir, f"{stem}_timeseries.tsv"), sep="\t")


def sidecar_of(output_dir, files):
    return Path(output_dir, f"{files.image.name.removesuffix('.nii.gz')}_timeseries.json")


def statuses(output_dir):
    return statuses_in(Path(output_dir)).tolist()


# Tables.


def test_folder_gives_the_tables_of_its_files_by_patterns(files, done):
    for each in files:
        mark_unsteady(each.confounds)
    of_folder = done("folder", *CONFOUNDS, "--scrub", "--discard_scans", "auto", "--standardize")
    patterns = [
        "prep/sub-*/**/func/*_space-T1w_desc-preproc_bold.nii.gz",
        "prep/sub-*/**/func/*desc-confounds_timeseries.tsv",
    ]
    of_files = done(
        *("files", "-i", patterns[0], "--regressor_files", patterns[1], *CONFOUNDS),
        *("--scrub", "--discard_scans", "auto", "--standardize"),
    )
    assert len([name for name in of_folder if name.endswith("timeseries.tsv")]) == len(RUNS)
    assert of_folder == of_files


def test_patterns_find_the_tables_by_themselves(files, done):
    pattern = "prep/sub-*/**/func/*_space-T1w_desc-preproc_bold.nii.gz"
    assert done("folder", *CONFOUNDS) == done("files", "-i", pattern, *CONFOUNDS)


def test_nothing_is_regressed_without_regressors(files, done):
    done("out")
    signals = signals_of("out", files[0])
    noise = np.random.default_rng(0).normal(size=N_VOLUMES).round(3)
    # Voxels 1 to 7 of each region along the third axis hold index * 10 + volume + position.
    expected = 10 + np.arange(N_VOLUMES) + 4 + noise
    np.testing.assert_allclose(signals["roi 1"], expected, atol=1e-5)
    assert not list(Path("out").glob("*_regressors.tsv"))


def test_mean_framewise_displacement_is_known_without_regressors(files, done):
    done("out")
    of_still = [(number + 1) / 100 for number in range(3)]
    expected = [((N_VOLUMES - 2) * fd + 2 * 2.0) / N_VOLUMES for fd in of_still]
    assert summary(Path("out"))["mean_fd"].tolist() == pytest.approx(expected)


def test_run_without_table_is_done_if_no_option_needs_it(files, done):
    files[1].confounds.unlink()
    done("out")
    rows = summary(Path("out"))
    assert rows["status"].tolist() == ["done"] * 3
    assert rows["mean_fd"].isna().tolist() == [False, True, False]


def test_generations_of_one_folder_are_done_together(done):
    runs = [f"sub-{number}_task-rest" for number in range(len(GENERATIONS))]
    for run, generation in zip(runs, GENERATIONS, strict=True):
        (each,) = touch_tree(Path("prep"), [run], generation)
        for path in each.image.parent.iterdir():
            path.unlink()
        write_tree(Path("prep"), [run], generation)
    done("out", "--mask_img", "auto", "--regressors", "[Rr]ot_*", "Rot[XYZ]")
    assert statuses("out") == ["done"] * len(runs)


def test_processes_write_the_same(files, done):
    words = ["--mask_img", "auto", "-r", OWN_ATLAS]
    assert done("one", *words) == done("two", *words, "--n_jobs", "2")


def test_processes_share_an_atlas_on_which_each_run_has_a_mask_of_its_own(files, done):
    words = ["--mask_img", "auto", "--smoothing_fwhm", "4"]
    assert done("one", *words) == done("two", *words, "--n_jobs", "2")


def test_unknown_query_beside_own_atlases_stops_the_study(files, niimasker):
    code, _, said = niimasker("out", "-r", OWN_ATLAS, "nilearn:shaefer:100")
    assert code == 2
    assert "nilearn:shaefer:100" in said
    assert not Path("out").exists()


def test_own_masks_are_those_given_singly(files, done):
    together = done("together", "--mask_img", "auto")
    singly = {}
    for number, each in enumerate(files):
        singly |= done(f"single-{number}", "-i", each.image, "-m", each.mask)
    assert together == singly
    means = [signals_of("together", each)["roi 1"].iloc[0] for each in files]
    assert len({round(mean) for mean in means}) > 1


def test_own_parcellations_are_those_given_singly(files, done):
    together = done("together", "-r", OWN_ATLAS)
    singly = {}
    for number, each in enumerate(files):
        sub = each.image.name[4:6]
        singly |= done(
            *(f"single-{number}", "-i", each.image),
            *("-r", f"prep/sub-{sub}/anat/{OWN_ATLAS.format(sub=sub)}"),
        )
    assert together == singly
    assert together


def test_own_parcellation_and_shared_atlas_go_together(files, done):
    together = done("together", "-r", OWN_ATLAS, "atlas.nii.gz", "-m", "auto")
    assert len([name for name in together if name.endswith("_timeseries.tsv")]) == 6
    shared = done("shared", "-m", "auto")
    for name, content in shared.items():
        head, _, what = name.rpartition("_")
        assert together[f"{head}_atlas-atlas_{what}"] == content


def test_native_space_is_chosen_with_its_own_masks(done):
    both = write_tree(Path("prep"), ["sub-01_task-rest"], spaces=[MNI, T1W, NATIVE])
    done("out", "--space", "func", "--mask_img", "auto")
    assert summary(Path("out"))["image"].tolist() == [str(both[2].image)]
    sidecar = json.loads(next(Path("out").glob("*_timeseries.json")).read_text())
    assert both[2].mask.name in json.dumps(sidecar)


def test_links_of_datalad_are_done_under_their_own_names(files, done):
    before = done("before", *CONFOUNDS, "-m", "auto", "-r", OWN_ATLAS)
    to_annex(Path("prep"))
    assert done("after", *CONFOUNDS, "-m", "auto", "-r", OWN_ATLAS) == before


def test_found_tables_scrub_and_discard(files, done):
    for each in files:
        mark_unsteady(each.confounds)
    done("out", "--scrub", "--discard_scans", "auto", "--scrub_segment", "0")
    rows = summary(Path("out"))
    assert rows["n_discarded"].tolist() == [1] * 3
    assert rows["n_censored"].tolist() == [2] * 3
    assert not list(Path("out").glob("*_regressors.tsv"))


def test_echoes_share_their_table(done):
    runs = ["sub-01_task-rest_echo-1", "sub-01_task-rest_echo-2"]
    write_tree(Path("prep"), runs)
    done("out", "--echo", "1", "2", *CONFOUNDS, "-m", "auto")
    assert statuses("out") == ["done"] * 2


def test_tables_of_runs_that_are_not_chosen_are_left_out(files, done):
    for each in files:
        Path(each.image.parent, each.image.name.split("_space")[0] + "_censor.txt").write_text("0\n" * 59 + "1\n")
    tables = ["--regressor_files", "prep/**/*timeseries.tsv", *CONFOUNDS, "--censor_file", "prep/**/*_censor.txt"]
    of_session = done("session", "--session", "b", *tables)
    whole = done("whole", *tables)
    stem = files[1].image.name.removesuffix(".nii.gz")
    assert of_session == {name: content for name, content in whole.items() if name.startswith(stem)}
    assert of_session


# Errors of one run fail only that run.


@pytest.mark.parametrize("what", ["confounds", "mask", "atlas"])
def test_missing_file_fails_its_run(files, niimasker, done, what):
    words = [*CONFOUNDS, "-m", "auto", "-r", OWN_ATLAS]
    before = done("before", *words)
    of_run = {"confounds": files[2].confounds, "mask": files[2].mask}
    missing = of_run.get(what, Path("prep/sub-02/anat", OWN_ATLAS.format(sub="02")))
    missing.unlink()
    code, _, said = niimasker("out", *words)
    assert code == 1
    assert statuses("out") == ["done", "done", "failed"]
    assert str(files[2].image) in said
    reason = summary(Path("out"))["reason"].tolist()[2]
    assert {"confounds": "no confounds table", "mask": "no brain mask", "atlas": missing.name}[what] in reason
    stem = files[2].image.name.removesuffix(".nii.gz")
    assert tables_in("out") == {name: content for name, content in before.items() if not name.startswith(stem)}


@pytest.mark.parametrize("what", ["confounds", "mask", "atlas"])
def test_file_that_all_runs_lack_stops_the_study(files, niimasker, what):
    for each in files:
        each.confounds.unlink() if what == "confounds" else each.mask.unlink()
    words = {"confounds": CONFOUNDS, "mask": ["-m", "auto"], "atlas": ["-r", "sub-{sub}_dseg.nii.gz"]}[what]
    code, _, said = niimasker("out", *words)
    assert (code, len(said.splitlines())) == (2, 1)
    assert str(files[0].image) in said
    assert "all 3 images" in said
    assert not Path("out").exists()


def test_two_tables_fail_their_run(files, niimasker):
    other = name_files(Path("prep"), RUNS[1], "1.4").confounds
    shutil.copy(files[1].confounds, other)
    code, _, said = niimasker("out", *CONFOUNDS)
    assert code == 1
    assert statuses("out") == ["done", "failed", "done"]
    assert other.name in said
    assert files[1].confounds.name in said


@pytest.mark.parametrize("content", [b"\0\1", b"trans_x\n1\n", b""])
def test_broken_table_of_one_run_fails_that_run(files, niimasker, content):
    files[0].confounds.write_bytes(content)
    code, _, said = niimasker("out", *CONFOUNDS)
    assert code == 1
    assert {str(files[0].image) in said, files[0].confounds.name in said} == {True}
    assert statuses("out") == ["failed", "done", "done"]


def test_censor_file_that_does_not_fit_stops_the_study(files, niimasker):
    for each, n_rows in zip(files, (3, N_VOLUMES, N_VOLUMES), strict=True):
        Path(f"{each.image.name.removesuffix('.nii.gz')}_censor.txt").write_text("0\n" * n_rows)
    code, _, said = niimasker("out", *CONFOUNDS, "--censor_file", "*_censor.txt")
    assert (code, Path("out").exists()) == (2, False)
    assert said.startswith("niimasker: error: ")
    assert f"_censor.txt has 3 rows but {files[0].image} has {N_VOLUMES} volumes" in said


def test_runs_that_each_lack_something_else_fail_each_by_itself(files, niimasker):
    files[0].confounds.write_bytes(b"")
    files[1].mask.unlink()
    files[2].mask.write_bytes(b"no image")
    code, _, said = niimasker("out", *CONFOUNDS, "-m", "auto")
    assert (code, statuses("out")) == (1, ["failed"] * 3)
    for line, path in zip(said.splitlines(), (files[0].confounds, files[1].image, files[2].mask), strict=True):
        assert line.startswith("niimasker: failed: ")
        assert str(path) in line


def test_word_that_no_table_fits_stops_the_study(files, niimasker):
    code, _, said = niimasker("out", "--regressors", "trans_q")
    assert (code, Path("out").exists()) == (2, False)
    assert said.startswith("niimasker: error: ")


@pytest.mark.parametrize(
    ("what", "how"), [("mask", "damaged"), ("mask", "4D"), ("mask", "empty"), ("atlas", "damaged"), ("atlas", "empty")]
)
def test_unusable_file_of_one_run_fails_that_run(files, niimasker, what, how):
    path = {"mask": files[2].mask, "atlas": Path("prep/sub-02/anat", OWN_ATLAS.format(sub="02"))}[what]
    if how == "damaged":
        path.write_bytes(b"no image")
    elif how == "4D":
        save(path, np.stack([LABELS, LABELS], axis=-1))
    else:
        save(path, np.zeros_like(LABELS))
    code, _, said = niimasker("out", "-m", "auto", "-r", OWN_ATLAS)
    assert code == 1
    assert statuses("out") == ["done", "done", "failed"]
    assert path.name in said
    assert "Traceback" not in said


@pytest.mark.parametrize("how", ["damaged", "cut", "no volumes", "link to nothing"])
@pytest.mark.parametrize("inputs", ["prep", "prep/**/*_space-T1w_desc-preproc_bold.nii.gz"])
def test_unusable_image_fails_that_run(files, niimasker, how, inputs):
    image_path = files[1].image
    if how == "damaged":
        image_path.write_bytes(b"no image")
    elif how == "cut":
        image_path.write_bytes(image_path.read_bytes()[:-400])
    elif how == "no volumes":
        save(image_path, np.zeros((*LABELS.shape, 0), dtype=np.float32))
    else:
        image_path.unlink()
        image_path.symlink_to("../../.git/annex/objects/x")
    code, _, said = niimasker("out", "-i", inputs, "-m", "auto")
    assert code == 1
    assert statuses("out") == ["done", "failed", "done"]
    assert str(image_path) in said


def link_to_nothing(path):
    path.unlink()
    path.symlink_to("../../../../.git/annex/objects/x")


@pytest.mark.parametrize("what", ["confounds", "mask"])
def test_file_that_is_not_fetched_fails_its_run(files, niimasker, what):
    path = {"confounds": files[1].confounds, "mask": files[1].mask}[what]
    link_to_nothing(path)
    code, _, said = niimasker("out", *CONFOUNDS, "-m", "auto")
    assert code == 1
    assert statuses("out") == ["done", "failed", "done"]
    assert f"{path.name} is a link to a file that does not exist; fetch it" in said


def test_table_that_is_not_fetched_is_no_error_if_no_option_needs_it(files, done):
    link_to_nothing(files[1].confounds)
    done("out")
    assert summary(Path("out"))["mean_fd"].isna().tolist() == [False, True, False]


def test_table_that_cannot_be_read_warns_if_no_option_needs_it(files, niimasker):
    files[1].confounds.unlink()
    files[1].confounds.mkdir()
    code, _, said = niimasker("out")
    assert code == 0
    assert said.count("framewise displacement is not known") == 1
    assert files[1].confounds.name not in json.dumps(json.loads(sidecar_of("out", files[1]).read_text())["Sources"])


@pytest.mark.parametrize("content", ["framewise_displacement\n1\n", "\0"], ids=["short", "no text"])
def test_table_that_does_not_fit_warns_if_no_option_needs_it(files, niimasker, content):
    files[1].confounds.write_text(content)
    code, _, said = niimasker("out")
    assert code == 0
    assert said.count("framewise displacement is not known") == 1
    assert summary(Path("out"))["mean_fd"].isna().tolist() == [False, True, False]


def test_runs_are_chosen_by_patterns_and_entities_and_left_out(files, done):
    whole = done("whole")
    chosen = done("chosen", "--participant_label", "0*", "--entities", "reg=none", "run=1", "--exclude", "sub-01_ses-b")
    left_out = files[1].image.name.removesuffix(".nii.gz")
    assert chosen == {name: content for name, content in whole.items() if not name.startswith(left_out)}
    assert len(chosen) < len(whole)


@pytest.mark.parametrize(
    ("option", "noun", "name", "words"),
    [
        ("--regressor_files", "confounds table", "{}_desc-confounds_timeseries.tsv", CONFOUNDS),
        ("--censor_file", "censor file", "{}_censor.txt", []),
    ],
)
def test_given_table_that_is_not_fetched_fails_its_run(files, niimasker, option, noun, name, words):
    tables = [each.image.with_name(name.format(each.image.name.split("_space")[0])) for each in files]
    for path in tables:
        if option == "--censor_file":
            path.write_text("0\n" * N_VOLUMES)
    link_to_nothing(tables[1])
    code, _, said = niimasker("out", *words, option, "prep/**/" + name.format("*"))
    assert code == 1
    assert statuses("out") == ["done", "failed", "done"]
    assert [line for line in said.splitlines() if line.startswith("niimasker: failed: ")] == [
        f"niimasker: failed: {files[1].image}: its {noun} {tables[1]} is a link to a file that does not exist; fetch "
        "it, as with datalad get."
    ]


@pytest.mark.parametrize("inputs", ["prep", "prep/**/*_space-T1w_desc-preproc_bold.nii.gz"])
def test_study_of_which_no_image_is_fetched_is_an_error(files, niimasker, inputs):
    for each in files:
        link_to_nothing(each.image)
    code, _, said = niimasker("out", "-i", inputs)
    assert (code, Path("out").exists()) == (2, False)
    assert said == (
        "niimasker: error: --input_files: no image has been fetched, only 3 links to files that do not exist, such as "
        f"{files[0].image}; fetch them, as with datalad get.\n"
    )


def slow_down(each, t_r):
    each.image.with_name(f"{each.image.name.split('.')[0]}.json").write_text(json.dumps({"RepetitionTime": t_r}))


def test_repetition_time_too_long_for_the_filter_fails_its_runs(files, niimasker):
    (slow,) = write_tree(Path("prep"), ["sub-02_ses-a_task-slow"], spaces=[T1W])
    slow_down(slow, 8)
    code, _, said = niimasker("out", "--low_pass", "0.1")
    assert code == 1
    assert statuses_in(Path("out")).value_counts().to_dict() == {"done": 3, "failed": 1}
    assert [line for line in said.splitlines() if line.startswith("niimasker: failed: ")] == [
        f"niimasker: failed: {slow.image}: --low_pass 0.1 Hz is not below 0.0625 Hz, the Nyquist frequency at a "
        "repetition time of 8 s; give a lower cut-off."
    ]


def test_repetition_time_of_all_runs_too_long_for_the_filter_is_an_error(files, niimasker):
    for each in files:
        slow_down(each, 8)
    code, _, said = niimasker("out", "--low_pass", "0.1")
    assert (code, Path("out").exists()) == (2, False)
    assert said == (
        f"niimasker: error: {files[0].image}: --low_pass 0.1 Hz is not below 0.0625 Hz, the Nyquist frequency at a "
        "repetition time of 8 s; give a lower cut-off. (2 more of 3 runs have errors too)\n"
    )


def test_image_of_three_axes_fails_its_run(files, niimasker):
    save(files[1].image, LABELS)
    code, _, said = niimasker("out")
    assert code == 1
    assert statuses("out") == ["done", "failed", "done"]
    assert said == f"niimasker: failed: {files[1].image}: a 3D image (7x8x9); expected a 4D series of volumes.\n"


def test_broken_table_of_own_names_fails_its_runs(files, niimasker):
    tables = [Path("prep", f"sub-{sub}", "anat", OWN_ATLAS.format(sub=sub)).with_suffix("") for sub in ("01", "02")]
    for path, content in zip(tables, (b"\0", b"index\tname\n1\ta\n2\tb\n5\tc\n"), strict=True):
        path.with_suffix(".tsv").write_bytes(content)
    code, _, said = niimasker("out", "-r", OWN_ATLAS)
    assert code == 1
    assert statuses("out") == ["failed", "failed", "done"]
    assert [str(tables[0].with_suffix(".tsv")) in line for line in said.splitlines()] == [True, True]
    code, _, said = niimasker("out", "-r", OWN_ATLAS, "--dry_run")
    assert (code, len(said.splitlines())) == (2, 1)
    assert said.endswith("(2 runs, first sub-01_ses-a_task-rest_run-1_space-T1w_desc-preproc_bold)\n")


# --resume, --shard.


def test_finished_runs_are_skipped(files, done):
    words = [*CONFOUNDS, "-m", "auto", "-r", OWN_ATLAS]
    before = done("out", *words)
    assert done("out", *words, "--resume") == before
    assert statuses("out") == ["skipped"] * 3


@pytest.mark.parametrize("what", ["mask", "atlas", "confounds"])
def test_run_whose_own_file_changed_is_done_again(files, done, what):
    words = [*CONFOUNDS, "-m", "auto", "-r", OWN_ATLAS]
    done("out", *words)
    if what == "mask":
        save(files[0].mask, make_brain(3))
    elif what == "atlas":
        write_parcellation(Path("prep/sub-02/anat", OWN_ATLAS.format(sub="02")), 3)
    else:
        write_confounds(files[0].confounds, 7)
    after = done("out", *words, "--resume")
    assert statuses("out") == (["skipped", "skipped", "done"] if what == "atlas" else ["done", "skipped", "skipped"])
    assert done("anew", *words) == after


@pytest.mark.parametrize("atlas", [OWN_ATLAS, "atlas.nii.gz"])
def test_names_that_changed_redo_all(files, done, atlas):
    words = ["-m", "auto", "-r", atlas, "--labels", "names.tsv"]
    Path("names.tsv").write_text("index\tname\n1\ta\n2\tb\n5\tc\n")
    done("out", *words)
    Path("names.tsv").write_text("index\tname\n1\ta\n2\tx\n5\tc\n")
    done("out", *words, "--resume", replaces=atlas == "atlas.nii.gz")
    assert statuses("out") == ["done"] * 3
    assert list(signals_of("out", files[0])) == ["a", "x", "c"]
    done("out", *words, "--resume")
    assert statuses("out") == ["skipped"] * 3


def test_one_table_names_the_regions_of_all_subjects(files, done):
    labels = np.where(LABELS == 2, 0, LABELS)
    save(Path("prep/sub-02/anat", OWN_ATLAS.format(sub="02")), labels)
    Path("names.tsv").write_text("index\tname\n0\tUnknown\n1\ta\n2\tb\n5\tc\n1000\tnowhere\n")
    done("out", "-r", OWN_ATLAS, "--labels", "names.tsv")
    assert list(signals_of("out", files[0])) == ["a", "b", "c"]
    assert list(signals_of("out", files[2])) == ["a", "c"]


def test_region_of_one_subject_that_the_table_does_not_name_fails_its_run(files, niimasker):
    save(Path("prep/sub-02/anat", OWN_ATLAS.format(sub="02")), np.where(LABELS == 2, 7, LABELS))
    Path("names.tsv").write_text("index\tname\n1\ta\n2\tb\n5\tc\n")
    code, _, said = niimasker("out", "-r", OWN_ATLAS, "--labels", "names.tsv")
    assert code == 1
    assert statuses("out") == ["done", "done", "failed"]
    assert "index 7 of the image is the first without a name" in said


@pytest.mark.parametrize(
    ("labels", "expected"), [(["nope.tsv"], "nope.tsv"), (["atlas.tsv"], "no column of names")], ids=["none", "wrong"]
)
def test_names_that_cannot_be_read_stop_the_study(files, niimasker, labels, expected):
    Path("atlas.tsv").write_text("index\tx\ty\n1\ta\tb\n")
    code, _, said = niimasker("out", "-r", OWN_ATLAS, "--labels", *labels)
    assert (code, len(said.splitlines())) == (2, 1)
    assert expected in said
    assert not Path("out").exists()


def test_words_for_names_that_changed_redo_all(files, done):
    words = ["-r", OWN_ATLAS, "--labels"]
    done("out", *words, "a", "b", "c")
    done("out", *words, "a", "x", "c", "--resume", replaces=True)
    assert statuses("out") == ["done"] * 3


def test_other_own_atlas_redoes_all(files, done):
    done("out", "-r", OWN_ATLAS)
    for sub in ("01", "02"):
        path = Path("prep", f"sub-{sub}", "anat", OWN_ATLAS.format(sub=sub))
        shutil.copy2(path, path.with_name(f"sub-{sub}_dseg.nii.gz"))
    done("out", "-r", "sub-{sub}_dseg.nii.gz", "--resume", replaces=True)
    assert statuses("out") == ["done"] * 3


def test_shards_do_all_between_them(files, done):
    words = [*CONFOUNDS, "-m", "auto", "-r", OWN_ATLAS]
    for number in (1, 2):
        done("shards", *words, "--shard", f"{number}/2")
    assert tables_in("shards") == done("whole", *words)
    assert statuses("shards") == ["done"] * 3


# Selection of runs.


def test_run_by_number_is_found(files, done):
    write_tree(Path("prep"), ["sub-03_task-rest_run-01", "sub-03_task-rest_run-02"], spaces=[T1W])
    done("out", "--participant_label", "sub-03", "--run", "1")
    assert list(summary(Path("out")).index) == [f"sub-03_task-rest_run-01{T1W}_desc-preproc_bold"]


def test_numbers_in_json_are_labels(files, done):
    Path("config.json").write_text('{"run": 1, "session": ["a"], "participant_label": "sub-01", "task": "rest"}')
    done("out", "-c", "config.json")
    assert list(summary(Path("out")).index) == [files[0].image.name.removesuffix(".nii.gz")]


def test_runs_of_two_paddings_are_done_each_with_its_own(done):
    both = write_tree(Path("prep"), ["sub-01_task-rest_run-1", "sub-01_task-rest_run-01"])
    together = done("together", *CONFOUNDS, "-m", "auto")
    singly = {}
    for number, each in enumerate(both):
        singly |= done(
            *(f"single-{number}", "-i", each.image, "-m", each.mask),
            *("--regressor_files", each.confounds, *CONFOUNDS),
        )
    assert together == singly
    assert len(set(together.values())) > 2


def test_voxels_of_the_regions_leave_own_masks_aside(files, niimasker):
    code, _, said = niimasker("out", "--as_voxels", "-m", "auto")
    assert code == 0
    assert said.count("--mask_img is ignored") == 1
    assert signals_of("out", files[0]).shape[1] == np.count_nonzero(LABELS)


@pytest.mark.parametrize("mask", ["auto", "mask.nii.gz"])
def test_voxels_of_own_regions_leave_masks_aside(files, niimasker, mask):
    save(Path("mask.nii.gz"), make_brain(0))
    words = ("--as_voxels", "-r", OWN_ATLAS)
    assert niimasker("without", *words)[0] == 0
    code, _, said = niimasker("out", *words, "-m", mask)
    assert code == 0
    assert said.count("--mask_img is ignored") == 1
    assert tables_in("out") == tables_in("without")


def test_spheres_that_an_own_mask_leaves_apart_are_done(files, done):
    centre = OBLIQUE[:3, 3] + OBLIQUE[:3, :3] @ [3, 2, 7]
    Path("seeds.tsv").write_text("x\ty\tz\n" + "\t".join(map(str, centre)) + "\n")
    done("out", "-r", "seeds.tsv", "--radius", "5", "-m", "auto")
    assert statuses("out") == ["done"] * 3


def test_pipe_beside_a_table_does_not_block(files, niimasker):
    path = files[0].confounds.with_suffix(".json")
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    code, _, said = niimasker("out", "--regressors", "compcor")
    assert code == 2
    assert f"{path} is not JSON (it is not a regular file)" in said


# Reports.


def test_report_names_the_files_of_its_run(files):
    assert main(["out", "-i", "prep", "-r", OWN_ATLAS, "-m", "auto"]) == 0
    for each in files:
        stem = each.image.name.removesuffix(".nii.gz")
        page = Path("out/reports", f"{stem}_report.html").read_text("utf-8")
        atlas = OWN_ATLAS.format(sub=each.image.name[4:6])
        assert f"Regions are from {atlas}." in page
        # The paragraph describes all runs.
        assert "each run&#39;s own space-T1w_desc-aparcaseg_dseg.nii.gz as the mean over voxels, restricted" in page
        assert "restricted to each run&#39;s brain mask" in page


def test_report_claims_no_regression_where_tables_are_read_for_motion_alone(files):
    assert main(["out", "-i", "prep", "-r", "atlas.nii.gz"]) == 0
    for page_path in Path("out/reports").glob("*_report.html"):
        page = page_path.read_text("utf-8")
        assert "regressed out by" not in page
        assert "no column of the confounds table is regressed out" in page


# --dry_run.


def test_dry_run_shows_the_study_as_a_table(files, niimasker):
    code, printed, said = niimasker("out", *CONFOUNDS, "-m", "auto", "-r", OWN_ATLAS, "--dry_run")
    assert (code, said) == (0, "")
    table = [line.split() for line in printed.splitlines()]
    header = next(words for words in table if words[:1] == ["image"])
    assert header == ["image", "volumes", "kept", "TR", "(s)", "confounds", "mask", "atlas", "output", "status"]
    for each, words in zip(
        files, [words for words in table if words[:1] and words[0].startswith("prep/")], strict=True
    ):
        sub = each.image.name[4:6]
        stem = each.image.name.removesuffix(".nii.gz")
        atlas = f"prep/sub-{sub}/anat/{OWN_ATLAS.format(sub=sub)}"
        assert words == [str(each.image), "60", "60", "2", each.confounds.name, each.mask.name, atlas, stem, "to", "do"]
    assert printed.splitlines()[-1].startswith("3 runs: 3 to do, 0 to skip, 0 with errors.")
    assert not Path("out").exists()


def test_dry_run_shows_what_all_runs_share(files, niimasker):
    save(Path("mask.nii.gz"), make_brain(0))
    regions = ("-r", OWN_ATLAS, "atlas.nii.gz", "-m", "mask.nii.gz")
    _, printed, _ = niimasker("out", *regions, "--session", "b", "--dry_run")
    lines = printed.splitlines()
    assert lines[:3] == [
        f"{OWN_ATLAS}: a file for each run",
        "atlas.nii.gz: the same for all runs",
        "mask.nii.gz: the mask for all runs",
    ]
    assert lines[-1].startswith("1 run: 1 to do")


def test_dry_run_names_every_file_that_is_missing(files, niimasker):
    write_tree(Path("prep"), ["sub-03_task-rest"], spaces=[T1W])
    write_parcellation(Path("prep/sub-03/anat", OWN_ATLAS.format(sub="03")), 2)
    files[0].mask.unlink()
    files[1].confounds.unlink()
    Path("prep/sub-02/anat", OWN_ATLAS.format(sub="02")).unlink()
    code, printed, said = niimasker("out", *CONFOUNDS, "-m", "auto", "-r", OWN_ATLAS, "--dry_run")
    assert code == 2
    assert "1 to do, 0 to skip, 3 with errors" in printed
    assert "no brain mask" in said
    assert "no confounds table" in said
    assert "aparcaseg" in said
    assert not Path("out").exists()


def test_dry_run_asks_to_choose_among_several_spaces(files, niimasker):
    write_image(name_files(Path("prep"), RUNS[0], space=MNI).image, 0)
    code, printed, said = niimasker("out", "--dry_run")
    assert (code, printed) == (2, "")
    assert "MNI152NLin2009cAsym (1 image), T1w (3 images); choose one with --space" in said


def test_raw_data_stop_the_study(niimasker):
    write_image(Path("prep/sub-01/func/sub-01_task-rest_bold.nii.gz"), 0)
    write_tree(Path("prep/derivatives/fmriprep"), ["sub-01_task-rest"])
    code, _, said = niimasker("out")
    assert code == 2
    assert "prep/derivatives/fmriprep" in said
    assert not Path("out").exists()
