from __future__ import annotations

import os
from pathlib import Path

import pytest
from bids_trees import GENERATIONS, MNI, NATIVE, T1W, XCP_D, name_files, to_annex, touch, touch_tree
from hypothesis import assume, given
from hypothesis import strategies as st

from niimasker.cli import main
from niimasker.errors import NiimaskerWarning, RunsError
from niimasker.inputs.input_images import find_images
from niimasker.inputs.runs import find_runs
from niimasker.options.merging import make_settings

RUNS = ["sub-01_task-rest", "sub-02_task-rest"]


def settings_of(*folders, **options):
    texts = list(map(str, folders))
    return make_settings({"output_dir": "out", "input_files": texts, "roi_file": ["atlas.nii"], **options})


def listed(folder, **options):
    """Return the names of the images that a folder and options stand for."""
    return [image.path.name for image in find_images(settings_of(folder, **options)).images]


def refused(folder, **options):
    """Return the message of the error."""
    with pytest.raises(RunsError) as caught:
        find_runs(settings_of(folder, **options))
    message = str(caught.value)
    assert "\n" not in message
    return message


def names_of(files):
    return [each.image.name for each in files]


def preproc(run, space=MNI):
    return f"{run}{space}_desc-preproc_bold.nii.gz"


# What is taken, and in which order.


@pytest.mark.parametrize("generation", GENERATIONS)
def test_images_of_each_generation_are_found_and_paired(tmp_path, generation):
    files = touch_tree(tmp_path, [*RUNS, "sub-10_ses-2_task-nback_run-2"], generation)
    runs = find_runs(settings_of(tmp_path, regressors="Params24", mask_img="auto"))
    assert [(run.image_path, run.confounds_path, run.own_regions.mask_path) for run in runs] == [
        (each.image, each.confounds, each.mask) for each in files
    ]


def test_generations_of_one_folder_are_told_apart(tmp_path):
    for number, generation in enumerate(GENERATIONS):
        touch_tree(tmp_path, [f"sub-{number}_task-rest"], generation)
    runs = find_runs(settings_of(tmp_path, regressors="Params24", mask_img="auto"))
    expected = [name_files(tmp_path, f"sub-{number}_task-rest", name) for number, name in enumerate(GENERATIONS)]
    assert [(run.image_path, run.confounds_path, run.own_regions.mask_path) for run in runs] == [
        (each.image, each.confounds, each.mask) for each in expected
    ]


def test_order_is_natural(tmp_path):
    runs = [f"sub-{sub}_ses-{ses}_task-rest_run-{run}" for sub in (2, 10) for ses in (1, 11) for run in (9, 10)]
    touch_tree(tmp_path, reversed(runs))
    assert listed(tmp_path) == [preproc(run) for run in runs]


def test_sessions_beside_subjects_without_are_listed(tmp_path):
    files = touch_tree(tmp_path, ["sub-1_task-rest", "sub-2_ses-a_task-rest", "sub-2_ses-b_task-rest"])
    assert listed(tmp_path) == names_of(files)


@pytest.mark.parametrize("place", ["", "sub-01", "sub-01/ses-1", "sub-01/ses-1/func"])
def test_folder_of_a_subject_or_session_is_taken(tmp_path, place):
    runs = ["sub-01_ses-1_task-rest", "sub-01_ses-2_task-rest", "sub-02_ses-1_task-rest"]
    touch_tree(tmp_path, runs)
    n_runs = {0: 3, 1: 2, 2: 1, 3: 1}[len(Path(place).parts)]
    assert listed(tmp_path / place) == [preproc(run) for run in runs[:n_runs]]


def test_current_folder_is_taken(tmp_path, monkeypatch):
    touch_tree(tmp_path, RUNS)
    monkeypatch.chdir(tmp_path / "sub-02")
    assert listed(".") == [preproc(RUNS[1])]


@pytest.mark.parametrize("name", ["func", "sub-study", "ses-data"])
def test_name_of_the_root_does_not_matter(tmp_path, name):
    touch_tree(tmp_path / name, RUNS)
    assert listed(tmp_path / name) == [preproc(run) for run in RUNS]


def test_link_of_another_name_to_a_subject_is_that_subject(tmp_path):
    touch_tree(tmp_path, RUNS)
    (tmp_path / "first").symlink_to("sub-01")
    assert listed(tmp_path / "first") == [preproc(RUNS[0])]


def test_work_folders_surfaces_and_hidden_files_are_not_taken(tmp_path):
    (wanted,) = touch_tree(tmp_path, ["sub-01_task-rest"])
    name = wanted.image.name
    for other in ("sub-01/figures", "sub-01/anat", "work/sub-01/func", "sub-01/func/parts", "sourcedata/sub-01/func"):
        touch(tmp_path / other / name)
    for other in (f"._{name}", f"{name}.part", name.replace("_bold", "_sbref"), name.replace(".nii.gz", ".json")):
        touch(wanted.image.with_name(other))
    (tmp_path / "sub-01.html").touch()
    assert listed(tmp_path) == [name]


@pytest.mark.parametrize("ending", [".nii", ".nii.bz2", ".nii.zst"])
def test_other_endings_are_taken(tmp_path, ending):
    (files,) = touch_tree(tmp_path, ["sub-01_task-rest"])
    name = files.image.name.replace(".nii.gz", ending)
    files.image.rename(files.image.with_name(name))
    assert listed(tmp_path) == [name]


def test_links_keep_their_own_names(tmp_path):
    files = touch_tree(tmp_path, ["sub-01_ses-1_task-rest", "sub-02_task-rest"])
    to_annex(tmp_path)
    runs = find_runs(settings_of(tmp_path, regressors="Params24", mask_img="auto"))
    assert [(run.image_path, run.confounds_path, run.own_regions.mask_path) for run in runs] == [
        (each.image, each.confounds, each.mask) for each in files
    ]


def test_links_in_a_circle_end(tmp_path):
    touch_tree(tmp_path, RUNS)
    (tmp_path / "sub-01/ses-loop").symlink_to("..")
    (tmp_path / "sub-03").symlink_to("sub-03")
    (tmp_path / "sub-02/func/sub-02").symlink_to(tmp_path)
    assert listed(tmp_path) == [preproc(run) for run in RUNS]


# Which of several versions.


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"participant_label": "01"}, [0, 1, 2]),
        ({"participant_label": ["sub-01", "02"]}, [0, 1, 2, 3]),
        ({"participant_label": "02"}, [3]),
        ({"session": "ses-b"}, [2, 3]),
        ({"task": "task-rest"}, [1, 2, 3]),
        ({"task": ["rest", "nback"], "session": "a"}, [0, 1]),
        ({"run": "1"}, [1, 3]),
        ({"run": "001"}, [1, 3]),
        ({"run": [1, "run-02"]}, [0, 1, 2, 3]),
    ],
)
def test_runs_are_chosen_by_their_entities(tmp_path, options, kept):
    runs = [
        "sub-01_ses-a_task-nback_run-02",
        "sub-01_ses-a_task-rest_run-01",
        "sub-01_ses-b_task-rest_run-2",
        "sub-02_ses-b_task-rest_run-1",
    ]
    touch_tree(tmp_path, runs)
    assert listed(tmp_path, **options) == [preproc(runs[place]) for place in kept]


@pytest.mark.parametrize(("label", "shown"), [("3", "01 (1 image), 02 (1 image)"), ("sub-1", "01 (1 image)")])
def test_unknown_subject_lists_those_that_are_there(tmp_path, label, shown):
    touch_tree(tmp_path, RUNS)
    message = refused(tmp_path, participant_label=label)
    assert f"--participant_label {label.removeprefix('sub-')}:" in message
    assert shown in message


def test_all_unknown_labels_are_named(tmp_path):
    touch_tree(tmp_path, RUNS)
    assert "--participant_label 03, 04:" in refused(tmp_path, participant_label=["01", "03", "04"])


def test_label_that_only_other_subjects_have_is_told_with_what_was_chosen_before(tmp_path):
    touch_tree(tmp_path, [*RUNS, "sub-02_task-nback"])
    message = refused(tmp_path, participant_label="01", task="nback")
    assert "--task nback" in message
    assert "--participant_label 01" in message
    assert "rest (1 image)" in message


def test_entity_that_no_image_has_is_told(tmp_path):
    touch_tree(tmp_path, RUNS)
    assert refused(tmp_path, run="1") == f"--run 1: no such image in {tmp_path}; found none (2 images without run-)."


def test_one_space_needs_no_choice(tmp_path):
    touch_tree(tmp_path, RUNS, spaces=[T1W])
    assert listed(tmp_path) == [preproc(run, T1W) for run in RUNS]


def test_several_spaces_are_listed_with_their_counts(tmp_path):
    touch_tree(tmp_path, RUNS, spaces=[MNI, NATIVE])
    touch_tree(tmp_path, RUNS[:1], spaces=[T1W])
    message = refused(tmp_path)
    assert "T1w (1 image)" in message
    assert "MNI152NLin2009cAsym (2 images)" in message
    assert "func (2 images)" in message
    assert "choose one with --space" in message


@pytest.mark.parametrize(("space", "suffix"), [("T1w", T1W), ("MNI152NLin2009cAsym", MNI), ("func", NATIVE)])
def test_each_listed_space_is_what_the_option_takes(tmp_path, space, suffix):
    touch_tree(tmp_path, RUNS, spaces=[MNI, T1W, NATIVE])
    assert listed(tmp_path, space=space) == [preproc(run, suffix) for run in RUNS]


def test_several_resolutions_are_listed_with_their_counts(tmp_path):
    touch_tree(tmp_path, RUNS, spaces=[MNI, f"{MNI}_res-2", f"{MNI}_res-1"])
    message = refused(tmp_path)
    for shown in ("1 (2 images)", "2 (2 images)", "native (2 images)", "choose one with --res"):
        assert shown in message


@pytest.mark.parametrize(("res", "suffix"), [("2", "_res-2"), ("02", "_res-2"), ("res-1", "_res-1"), ("native", "")])
def test_each_listed_resolution_is_what_the_option_takes(tmp_path, res, suffix):
    touch_tree(tmp_path, RUNS, spaces=[MNI, f"{MNI}_res-2", f"{MNI}_res-1"])
    assert listed(tmp_path, res=res) == [preproc(run, f"{MNI}{suffix}") for run in RUNS]


def test_resolutions_of_another_space_are_no_choice(tmp_path):
    touch_tree(tmp_path, RUNS, spaces=[T1W, f"{MNI}_res-2"])
    assert listed(tmp_path, space="T1w") == [preproc(run, T1W) for run in RUNS]


INFANT = "_space-MNIInfant_cohort-{}_res-2"


def test_cohorts_are_spaces_of_their_own(tmp_path):
    touch_tree(tmp_path, RUNS[:1], spaces=[INFANT.format(1)])
    touch_tree(tmp_path, RUNS[1:], spaces=[INFANT.format(2)])
    message = refused(tmp_path)
    assert "MNIInfant:cohort-1 (1 image), MNIInfant:cohort-2 (1 image)" in message
    with pytest.warns(NiimaskerWarning, match="left out: sub-01 task-rest"):
        found = listed(tmp_path, space="MNIInfant:cohort-2")
    assert found == [preproc(RUNS[1], INFANT.format(2))]


def test_space_without_cohort_takes_each_runs_own(tmp_path):
    touch_tree(tmp_path, RUNS[:1], spaces=[INFANT.format(1)])
    touch_tree(tmp_path, RUNS[1:], spaces=[INFANT.format(2)])
    assert len(listed(tmp_path, space="MNIInfant")) == 2


def test_run_in_two_cohorts_is_refused(tmp_path):
    touch_tree(tmp_path, RUNS, spaces=[INFANT.format(1), INFANT.format(2)])
    message = refused(tmp_path, space="MNIInfant")
    assert preproc(RUNS[0], INFANT.format(1)) in message
    assert preproc(RUNS[0], INFANT.format(2)) in message


def test_one_cohort_needs_no_choice(tmp_path):
    touch_tree(tmp_path, RUNS, spaces=[INFANT.format(1)])
    assert len(listed(tmp_path)) == 2


def test_combined_image_stands_for_its_echoes(tmp_path):
    touch_tree(tmp_path, ["sub-01_task-rest", *(f"sub-01_task-rest_echo-{echo}" for echo in (1, 2))])
    assert listed(tmp_path) == [preproc("sub-01_task-rest")]
    assert listed(tmp_path, echo=["1", "2"]) == [preproc(f"sub-01_task-rest_echo-{echo}") for echo in (1, 2)]


def test_echoes_in_their_own_space_leave_one_space_of_combined_images(tmp_path):
    touch_tree(tmp_path, ["sub-01_task-rest"])
    echoes = [f"sub-01_task-rest_echo-{echo}" for echo in (1, 2, 3)]
    touch_tree(tmp_path, echoes, spaces=[NATIVE])
    assert listed(tmp_path) == [preproc("sub-01_task-rest")]
    assert listed(tmp_path, echo="2") == [preproc(echoes[1], NATIVE)]
    assert "1 (1 image), 2 (1 image), 3 (1 image); choose one with --echo" in refused(tmp_path, space="func")


def test_echoes_that_are_not_combined_are_listed(tmp_path):
    touch_tree(tmp_path, [f"sub-01_task-rest_echo-{echo}" for echo in (1, 2)])
    assert "1 (1 image), 2 (1 image); choose one with --echo" in refused(tmp_path)
    assert listed(tmp_path, echo="02") == [preproc("sub-01_task-rest_echo-2")]


def test_other_desc_is_taken_when_named(tmp_path):
    touch_tree(tmp_path, RUNS, XCP_D)
    assert listed(tmp_path, desc="denoised") == [f"{run}{MNI}_desc-denoised_bold.nii.gz" for run in RUNS]
    assert listed(tmp_path, desc="desc-denoisedSmoothed") == [
        f"{run}{MNI}_desc-denoisedSmoothed_bold.nii.gz" for run in RUNS
    ]


def test_former_variants_are_taken_by_desc(tmp_path):
    touch_tree(tmp_path, RUNS, "1.1")
    assert listed(tmp_path, desc="smoothAROMAnonaggr") == [
        f"{run}_bold{MNI}_variant-smoothAROMAnonaggr_preproc.nii.gz" for run in RUNS
    ]


def test_no_preproc_lists_what_is_there(tmp_path):
    touch_tree(tmp_path, RUNS, XCP_D)
    message = refused(tmp_path)
    assert message.startswith("--desc preproc:")
    assert "denoised (2 images), denoisedSmoothed (2 images)" in message


def test_raw_data_point_to_the_derivatives(tmp_path):
    for run in RUNS:
        touch(name_files(tmp_path, run).image.with_name(f"{run}_bold.nii.gz"))
    touch_tree(tmp_path / "derivatives/fmriprep", RUNS)
    message = refused(tmp_path)
    assert message.startswith("--desc preproc:")
    assert "found none (2 images without desc-)" in message
    assert str(tmp_path / "derivatives/fmriprep") in message


@pytest.mark.parametrize("above", ["fmriprep", "derivatives/fmriprep", "data/fmriprep"])
def test_folder_above_points_to_the_derivatives(tmp_path, above):
    touch(tmp_path / "reports/sub-01_report.html")
    touch_tree(tmp_path / above, RUNS)
    message = refused(tmp_path)
    assert "no BOLD images" in message
    assert message.endswith(f"give the folder that holds sub-*: {tmp_path / above}.")


def test_runs_that_are_not_there_in_the_chosen_space_are_told(tmp_path):
    touch_tree(tmp_path, RUNS, spaces=[MNI])
    touch_tree(tmp_path, RUNS[:1], spaces=[T1W])
    with pytest.warns(NiimaskerWarning, match=r"^--space T1w: 1 run .* left out: sub-02 task-rest\.$"):
        found = listed(tmp_path, space="T1w")
    assert found == [preproc(RUNS[0], T1W)]


def test_labels_that_are_not_there_together_are_told(tmp_path):
    touch_tree(tmp_path, [*RUNS, "sub-01_task-nback"])
    with pytest.warns(NiimaskerWarning, match=r"^--participant_label 02: no such image in .* with --task nback"):
        found = listed(tmp_path, participant_label=["01", "02"], task="nback")
    assert found == [preproc("sub-01_task-nback")]


# What is no dataset.


def test_empty_folder_is_refused(tmp_path):
    assert f"{tmp_path} holds no BOLD images in" in refused(tmp_path)


def test_folder_of_links_that_are_not_fetched_is_told_as_such(tmp_path):
    for each in touch_tree(tmp_path, RUNS):
        each.image.unlink()
        each.image.symlink_to("../../.git/annex/objects/x")
    assert refused(tmp_path) == (
        "--input_files: no image has been fetched, only 2 links to files that do not exist, such as "
        f"{tmp_path}/sub-01/func/{preproc(RUNS[0])}; fetch them, as with datalad get."
    )


@pytest.mark.parametrize("place", ["", "sub-02", "sub-02/func"])
def test_folder_that_cannot_be_read_is_named(tmp_path, place):
    touch_tree(tmp_path, RUNS)
    folder = tmp_path / place
    folder.chmod(0)
    if os.access(folder, os.R_OK):
        folder.chmod(0o755)
        pytest.skip("root reads every folder")
    try:
        message = refused(tmp_path)
    finally:
        folder.chmod(0o755)
    assert str(folder) in message
    assert "Permission denied" in message


@pytest.mark.parametrize(
    "option",
    [
        *({name: "1"} for name in ("participant_label", "session", "task", "run", "echo", "space", "res")),
        {"desc": "denoised"},
    ],
    ids=lambda option: next(iter(option)),
)
def test_options_that_choose_runs_are_refused_with_files(tmp_path, option):
    (files,) = touch_tree(tmp_path, RUNS[:1])
    assert refused(files.image, **option).startswith(f"--{next(iter(option))} chooses among the runs of a folder")


def test_several_folders_are_one_study(tmp_path):
    first = touch_tree(tmp_path / "a", RUNS)
    second = touch_tree(tmp_path / "b", ["sub-03_task-rest"])
    runs = find_runs(settings_of(tmp_path / "a", tmp_path / "b"))
    assert [run.image_path for run in runs] == [each.image for each in [*first, *second]]


def test_image_and_its_copy_of_another_ending_are_refused(tmp_path):
    (files,) = touch_tree(tmp_path, RUNS[:1])
    files.image.with_suffix("").touch()
    assert refused(tmp_path) == (
        f"{tmp_path} has 2 images of one run ({files.image.with_suffix('').name}, {files.image.name}); their names "
        "differ in no entity; rename one, or give the images by name."
    )


# Any set of runs.

LABEL = st.text("abcXYZ019", min_size=1, max_size=3)
NUMBER = st.builds(lambda number, width: f"{number:0{width}}", st.integers(0, 12), st.integers(1, 3))
PARTS = st.fixed_dictionaries(
    {"sub": LABEL, "task": LABEL}, optional={"ses": LABEL, "acq": LABEL, "dir": LABEL, "rec": LABEL, "run": NUMBER}
)
ORDER = ("sub", "ses", "task", "acq", "rec", "dir", "run")


def as_name(parts):
    return "_".join(f"{key}-{parts[key]}" for key in ORDER if key in parts)


def plain(parts):
    return tuple(sorted({**parts, "run": int(parts["run"])}.items() if "run" in parts else parts.items()))


@given(
    runs=st.lists(PARTS, min_size=1, max_size=12, unique_by=plain),
    widths=st.lists(st.integers(1, 4), min_size=12, max_size=12),
    generation=st.sampled_from(sorted(GENERATIONS)),
)
def test_each_run_is_listed_once_with_its_own_table(tmp_path_factory, runs, widths, generation):
    # An image without run- or dir- may be a concatenation of those with one.
    assume(len({as_name({**parts, "run": "", "dir": ""}) for parts in runs}) == len(runs))
    root = tmp_path_factory.mktemp("tree")
    tables = {}
    for parts, width in zip(runs, widths, strict=False):
        files = name_files(root, as_name(parts), generation)
        padded = {**parts, "run": f"{int(parts['run']):0{width}}"} if "run" in parts else parts
        table = name_files(root, as_name(padded), generation).confounds.name
        touch(files.image)
        tables[files.image] = touch(files.image.with_name(table))
    found = find_runs(settings_of(root, regressors="Params24"))
    assert {run.image_path: run.confounds_path for run in found} == tables
    assert len(found) == len(runs)


def test_message_reaches_who_types(tmp_path, capsys):
    touch_tree(tmp_path, RUNS, spaces=[MNI, T1W])
    assert main([str(tmp_path / "out"), "-i", str(tmp_path), "-r", "atlas.nii.gz"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("niimasker: error: ")
    assert "choose one with --space" in said
    assert not (tmp_path / "out").exists()
