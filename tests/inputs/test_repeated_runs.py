"""Two images of one run are reported, in a folder and among files, with how to choose one."""

from __future__ import annotations

from pathlib import Path

import pytest
from bids_trees import MNI, T1W, touch, touch_tree

from niimasker.cli import main
from niimasker.errors import NiimaskerWarning, RunsError
from niimasker.inputs.entities import read_name
from niimasker.inputs.input_images import find_images
from niimasker.options.merging import make_settings


def touch_images(root, *names):
    """Make empty images in the func folders of their subjects."""
    for name in names:
        touch(root / name.partition("_")[0] / "func" / f"{name}_bold.nii.gz")


def listed(*inputs, **options):
    """Return the names of the images that inputs and options stand for, without what all of them end in."""
    given = {"output_dir": "out", "input_files": list(map(str, inputs)), "roi_file": "atlas.nii", **options}
    return [image.path.name.removesuffix("_bold.nii.gz") for image in find_images(make_settings(given)).images]


def refused(*inputs, **options):
    with pytest.raises(RunsError) as caught:
        listed(*inputs, **options)
    return str(caught.value)


PIPELINES = [
    # C-PAC's registrations.
    (
        "sub-{}_task-rest_space-template_reg-default_desc-preproc",
        "sub-{}_task-rest_space-template_reg-unet_desc-preproc",
        {},
        "reg: default (2 images), unet (2 images); choose with --entities reg=default, for example",
        {"entities": "reg=unet"},
    ),
    # HALFpipe's settings.
    (
        "sub-{}_task-rest_setting-fALFF_desc-preproc",
        "sub-{}_task-rest_setting-reHo_desc-preproc",
        {},
        "setting: fALFF (2 images), reHo (2 images); choose with --entities setting=fALFF, for example",
        {"entities": {"setting": "reHo"}},
    ),
    # Smoothed copies.
    (
        "sub-{}_task-rest_desc-denoised",
        "sub-{}_task-rest_desc-denoisedSmoothed",
        {"desc": "denoised*"},
        "desc: denoised (2 images), denoisedSmoothed (2 images); choose with --desc denoised, for example",
        {"desc": "denoisedSmoothed"},
    ),
    # One with the entity, one without.
    (
        "sub-{}_task-rest_desc-preproc",
        "sub-{}_task-rest_reg-default_desc-preproc",
        {},
        "reg: default (2 images), none (2 images without reg-); choose with --entities reg=default, for example",
        {"entities": ["reg=def*"]},
    ),
]


@pytest.mark.parametrize(("one", "other", "options", "told", "choice"), PIPELINES)
def test_images_of_one_run_in_a_folder_are_an_error_that_lists_the_values(tmp_path, one, other, options, told, choice):
    names = [name.format(sub) for sub in ("01", "02") for name in (one, other)]
    touch_images(tmp_path, *names)
    # In the order of file names.
    first = sorted(names[:2], key=lambda name: f"{name}_")
    files = ", ".join(f"{name}_bold.nii.gz" for name in first)
    assert refused(tmp_path, **options) == (
        f"{tmp_path} has 2 images of one run ({files}, and so for 1 other run); they differ in {told}."
    )
    assert listed(tmp_path, **choice) == names[1::2]


def test_images_that_differ_in_two_entities_are_told_with_a_choice_of_both(tmp_path):
    names = [
        f"sub-01_task-rest_{space}reg-{reg}_desc-preproc"
        for space in ("space-MNIInfant_cohort-1_", "space-MNIInfant_cohort-2_")
        for reg in ("a", "b")
    ]
    touch_images(tmp_path, *names)
    assert refused(tmp_path, space="MNIInfant").endswith(
        "they differ in space: MNIInfant:cohort-1 (2 images), MNIInfant:cohort-2 (2 images); reg: a (2 images), "
        "b (2 images); choose with --space MNIInfant:cohort-1 --entities reg=a, for example."
    )


def test_optcom_and_its_whitened_copy_are_two_descs(tmp_path):
    names = ["sub-01_task-rest_desc-optcom", "sub-01_task-rest_desc-optcom_whitened"]
    touch_images(tmp_path, *names)
    assert listed(tmp_path, desc="optcom") == names[:1]
    assert listed(tmp_path, desc="optcom_whitened") == names[1:]
    assert refused(tmp_path) == (
        f"--desc preproc: no such image in {tmp_path}; found optcom (1 image), optcom_whitened (1 image)."
    )
    assert read_name(f"{names[1]}_bold.nii.gz").suffix == "bold"


CONCATENATED = [
    "sub-01_task-rest_desc-denoised",
    "sub-01_task-rest_run-01_desc-denoised",
    "sub-01_task-rest_run-02_desc-denoised",
]


def test_concatenated_image_beside_its_runs_is_an_error(tmp_path):
    touch_images(tmp_path, *CONCATENATED)
    files = ", ".join(f"{name}_bold.nii.gz" for name in CONCATENATED)
    assert refused(tmp_path, desc="denoised") == (
        f"{tmp_path} has 3 images of one run ({files}); they differ in run: 01 (1 image), 02 (1 image), none (1 image "
        "without run-); choose with --run none, for example."
    )


@pytest.mark.parametrize(("run", "kept"), [("none", [0]), (["1", "2"], [1, 2]), ("*", [1, 2]), ("0*", [1, 2])])
def test_concatenated_image_or_its_runs_are_chosen_by_run(tmp_path, run, kept):
    touch_images(tmp_path, *CONCATENATED)
    assert listed(tmp_path, desc="denoised", run=run) == [CONCATENATED[place] for place in kept]


def test_concatenated_image_and_its_runs_are_taken_with_a_warning(tmp_path):
    touch_images(tmp_path, *CONCATENATED)
    with pytest.warns(NiimaskerWarning) as caught:
        assert listed(tmp_path, desc="denoised", run=["none", "1"]) == CONCATENATED[:2]
    assert [str(each.message) for each in caught] == [
        f"{tmp_path} has 2 images of one run ({CONCATENATED[0]}_bold.nii.gz, {CONCATENATED[1]}_bold.nii.gz); they "
        "differ in run: 01 (1 image), none (1 image without run-); each is processed; if one of them is the "
        "concatenation of the others, tables of all runs count these twice."
    ]


@pytest.mark.parametrize("run", ["1", "*", ["1", "2"]])
def test_subject_whose_only_run_has_no_number_is_warned_of(tmp_path, run):
    names = [f"sub-01_task-rest_run-{number}_desc-preproc" for number in (1, 2)]
    touch_images(tmp_path, *names, "sub-02_task-rest_desc-preproc")
    with pytest.warns(NiimaskerWarning) as caught:
        assert listed(tmp_path, run=run) == names[: 1 if run == "1" else 2]
    shown = " ".join(run)
    assert [str(each.message) for each in caught] == [
        f"--run {shown}: 1 run of {tmp_path} without run-, left out: sub-02 task-rest; add none to process it."
    ]


def test_run_without_an_entity_of_entities_is_warned_of(tmp_path):
    touch_images(tmp_path, "sub-01_task-rest_dir-AP_desc-preproc", "sub-02_task-rest_desc-preproc")
    with pytest.warns(NiimaskerWarning, match="left out: sub-02 task-rest; add dir=none to process it"):
        assert len(listed(tmp_path, entities="dir=AP")) == 1


def test_image_concatenated_over_directions_is_told(tmp_path):
    touch_images(tmp_path, "sub-01_task-a_desc-preproc", *(f"sub-01_task-a_dir-{way}_desc-preproc" for way in "AP"))
    assert "they differ in dir: A (1 image), P (1 image), none (1 image without dir-)" in refused(tmp_path)
    assert len(listed(tmp_path, entities=["dir=A", "dir=P"])) == 2


def test_runs_of_other_tasks_and_sessions_are_no_repeats(tmp_path):
    names = ["sub-01_task-a_desc-preproc", "sub-01_task-b_run-1_desc-preproc", "sub-02_task-a_run-1_desc-preproc"]
    touch_images(tmp_path, *names)
    assert listed(tmp_path) == names


def test_several_values_that_are_asked_for_are_taken_with_a_warning(tmp_path):
    names = [f"sub-01_task-rest_reg-{reg}_desc-preproc" for reg in "ab"]
    touch_images(tmp_path, *names)
    with pytest.warns(NiimaskerWarning) as caught:
        assert listed(tmp_path, entities=["reg=a", "reg=b"]) == names
    assert [str(each.message) for each in caught] == [
        f"{tmp_path} has 2 images of one run ({names[0]}_bold.nii.gz, {names[1]}_bold.nii.gz); they differ in reg: a "
        "(1 image), b (1 image); each is processed, and tables of all runs count the run several times."
    ]


def test_images_of_one_run_among_files_are_warned_of_once(tmp_path):
    names = [f"sub-0{sub}_task-rest_desc-{desc}" for sub in (1, 2) for desc in ("preproc", "smooth")]
    touch_images(tmp_path, *names)
    with pytest.warns(NiimaskerWarning) as caught:
        assert listed(tmp_path / "sub-*/func/*_bold.nii.gz") == names
    assert [str(each.message) for each in caught] == [
        f"--input_files has 2 images of one run ({names[0]}_bold.nii.gz, {names[1]}_bold.nii.gz, and so for 1 other "
        "run); they differ in desc: preproc (2 images), smooth (2 images); each is processed, and tables of all runs "
        "count the run several times; narrow the pattern to choose one."
    ]


def test_files_of_one_name_in_several_folders_are_no_repeats(tmp_path):
    for site in ("a", "b"):
        touch(tmp_path / site / "sub-01_task-rest_bold.nii.gz")
        touch(tmp_path / site / "task-rest_desc-smooth_bold.nii.gz")
        touch(tmp_path / site / "task-rest_bold.nii.gz")
    assert len(listed(tmp_path / "*/*_bold.nii.gz")) == 6


def test_message_reaches_who_types(tmp_path, capsys):
    touch_images(tmp_path, *CONCATENATED)
    assert main([str(tmp_path / "out"), "-i", str(tmp_path), "--desc", "denoised", "-r", "atlas.nii.gz"]) == 2
    assert capsys.readouterr().err.startswith(f"niimasker: error: {tmp_path} has 3 images of one run (")


# Choices.


def test_choices_take_patterns(tmp_path):
    touch_tree(tmp_path, [f"sub-{sub}_task-{task}" for sub in ("01", "02", "11") for task in ("rest1", "rest2", "go")])
    chosen = listed(tmp_path, participant_label="0*", task=["task-rest*", "go"])
    assert [name[:6] for name in chosen] == ["sub-01"] * 3 + ["sub-02"] * 3
    assert len(listed(tmp_path, participant_label="[!0]*")) == 3
    assert refused(tmp_path, participant_label=["0*", "2*"]) == (
        f"--participant_label 2*: no such image in {tmp_path}; found 01 (3 images), 02 (3 images), 11 (3 images)."
    )


def test_none_chooses_images_without_the_entity(tmp_path):
    names = ["sub-01_task-rest", "sub-01_ses-1_task-rest", "sub-01_task-rest_desc-preproc"]
    touch_images(tmp_path, *names)
    assert listed(tmp_path, desc="none", session="none") == names[:1]
    assert listed(tmp_path, entities=["desc=none", "ses=1"]) == names[1:2]


def test_value_of_entities_that_no_image_has_is_told(tmp_path):
    touch_images(tmp_path, *(f"sub-0{sub}_task-rest_reg-{reg}_desc-preproc" for sub, reg in ((1, "a"), (2, "b"))))
    assert refused(tmp_path, entities=["reg=c", "reg=a"]) == (
        f"--entities reg=c: no such image in {tmp_path} with --desc preproc; found a (1 image), b (1 image)."
    )


def test_runs_without_the_chosen_version_are_told(tmp_path):
    touch_images(tmp_path, *(f"sub-0{sub}_task-rest_reg-{reg}_desc-preproc" for sub, reg in ((1, "a"), (2, "b"))))
    with pytest.warns(NiimaskerWarning, match=r"^--entities reg=a: 1 run of .* left out: sub-02 task-rest\.$"):
        assert len(listed(tmp_path, entities="reg=a")) == 1


def test_entities_are_refused_with_files(tmp_path):
    (files,) = touch_tree(tmp_path, ["sub-01_task-rest"])
    assert refused(files.image, entities="reg=a") == (
        "--entities chooses among the runs of a folder, but --input_files gives files; give the folder, or choose by a "
        "pattern."
    )


# Spaces.


def test_space_in_another_spelling_is_read_with_a_hint(tmp_path):
    touch_tree(tmp_path, ["sub-01_task-rest"], spaces=["_space-MNI152NLin6ASym", T1W])
    with pytest.warns(NiimaskerWarning) as caught:
        found = listed(tmp_path, space="MNI152NLin6Asym")
    assert found == ["sub-01_task-rest_space-MNI152NLin6ASym_desc-preproc"]
    assert [str(each.message) for each in caught] == [
        f"--space MNI152NLin6Asym: read as MNI152NLin6ASym, the spelling of the images in {tmp_path}."
    ]


def test_cohort_in_the_name_of_a_space_is_a_space_of_its_own(tmp_path):
    touch_tree(tmp_path, ["sub-01_task-rest"], spaces=["_space-MNIInfant+1", "_space-MNIInfant+2", MNI])
    assert "MNIInfant+1 (1 image), MNIInfant+2 (1 image); choose one with --space" in refused(tmp_path)
    for space in ("MNIInfant+2", "MNIInfant:cohort-2"):
        assert listed(tmp_path, space=space) == ["sub-01_task-rest_space-MNIInfant+2_desc-preproc"]
    assert "choose with --space MNIInfant+1, for example" in refused(tmp_path, space="MNIInfant")


def test_image_with_a_prefix_is_no_image_of_the_subject(tmp_path):
    (files,) = touch_tree(tmp_path, ["sub-01_task-rest"])
    touch(Path(files.image.parent, f"u{files.image.name}"))
    with pytest.warns(NiimaskerWarning) as caught:
        assert listed(tmp_path) == ["sub-01_task-rest_space-MNI152NLin2009cAsym_desc-preproc"]
    assert [str(each.message) for each in caught] == [
        f"{tmp_path} has 1 image with a prefix before sub-, left out: u{files.image.name}; give such images by a "
        "pattern to process them."
    ]
    files.image.unlink()
    assert refused(tmp_path) == (
        f"--input_files: all BOLD images in {tmp_path} have a prefix before sub- (u{files.image.name}); give such "
        "images by a pattern to process them."
    )
