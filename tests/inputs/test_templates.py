from __future__ import annotations

import os
from pathlib import Path

import pytest
from bids_trees import MNI, name_files, touch

from niimasker.errors import RunError
from niimasker.inputs.templates import is_template, name_of_template, resolve_template

NATIVE = "sub-{sub}_space-T1w_desc-aparcaseg_dseg.nii.gz"
IMAGE = "sub-01_ses-a_task-rest"


@pytest.fixture
def image_path(tmp_path):
    return touch(name_files(tmp_path, IMAGE).image)


def refused(template, image_path):
    with pytest.raises(RunError) as caught:
        resolve_template(template, image_path, "--roi_file")
    message = str(caught.value)
    assert message.startswith(f"{image_path}: --roi_file")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("text", ["sub-{sub}.nii", "x/{ses}/a.nii", "{sub}_{space}.nii.gz"])
def test_names_with_entities_are_templates(text):
    assert is_template(text)


@pytest.mark.parametrize("text", ["atlas.nii.gz", "nilearn:schaefer:100", "{}.nii", "a{3}.nii", "auto"])
def test_other_names_are_none(text):
    assert not is_template(text)


def test_file_of_that_very_name_is_that_file(tmp_path):
    assert not is_template(str(touch(tmp_path / "sub-{sub}.nii.gz")))


@pytest.mark.parametrize("folder", ["sub-01/ses-a/func", "sub-01/ses-a/anat", "sub-01/anat"])
def test_bare_name_is_looked_for_beside_the_image_and_in_anat(tmp_path, image_path, folder):
    path = touch(tmp_path / folder / "sub-01_space-T1w_desc-aparcaseg_dseg.nii.gz")
    assert resolve_template(NATIVE, image_path, "--roi_file") == path


def test_file_beside_the_image_comes_first_then_that_of_its_session(tmp_path, image_path):
    folders = ["sub-01/ses-a/func", "sub-01/ses-a/anat", "sub-01/anat"]
    paths = [touch(tmp_path / folder / "sub-01_space-T1w_desc-aparcaseg_dseg.nii.gz") for folder in folders]
    for path in paths:
        assert resolve_template(NATIVE, image_path, "--roi_file") == path
        path.unlink()


@pytest.mark.parametrize("place", ["sub-01", "sub-01/ses-a", "sub-01/ses-a/func", "sub-01/ses-a/anat"])
def test_anat_is_found_from_every_folder(tmp_path, image_path, monkeypatch, place):
    path = touch(tmp_path / "sub-01/anat/sub-01_space-T1w_desc-aparcaseg_dseg.nii.gz")
    (tmp_path / "sub-01/ses-a/anat").mkdir()
    monkeypatch.chdir(tmp_path / place)
    relative = Path(os.path.relpath(image_path))
    assert resolve_template(NATIVE, relative, "--roi_file").resolve() == path


def test_subject_without_sessions_has_its_own_anat_alone(tmp_path):
    image_path = touch(name_files(tmp_path, "sub-01_task-rest").image)
    touch(tmp_path / "anat/sub-01_space-T1w_desc-aparcaseg_dseg.nii.gz")
    assert "no file" in refused(NATIVE, image_path)


def test_name_with_folders_is_looked_for_from_here(tmp_path, image_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / "atlases/01/a.nii.gz")
    assert resolve_template("atlases/{sub}/{ses}.nii.gz", image_path, "--roi_file") == Path("atlases/01/a.nii.gz")


def test_pattern_may_stand_for_what_is_not_known(tmp_path, image_path):
    path = touch(tmp_path / "sub-01/anat/sub-01_acq-x_dseg.nii.gz")
    assert resolve_template("sub-{sub}_*dseg.nii.gz", image_path, "--roi_file") == path


def test_pattern_of_several_files_is_refused(tmp_path, image_path):
    paths = [touch(tmp_path / f"sub-01/anat/sub-01_acq-{acq}_dseg.nii.gz") for acq in "xy"]
    message = refused("sub-{sub}_*dseg.nii.gz", image_path)
    assert "2 files" in message
    assert all(str(path) in message for path in paths)


def test_brackets_of_folders_are_no_pattern(tmp_path):
    image_path = touch(name_files(tmp_path / "a[1]*", IMAGE).image)
    path = touch(tmp_path / "a[1]*/sub-01/anat/sub-01_space-T1w_desc-aparcaseg_dseg.nii.gz")
    assert resolve_template(NATIVE, image_path, "--roi_file") == path


def test_missing_file_tells_where_it_was_looked_for(image_path):
    message = refused(NATIVE, image_path)
    assert "sub-01_space-T1w_desc-aparcaseg_dseg.nii.gz" in message
    assert str(image_path.parent) in message
    assert "anat" in message


def test_entity_that_the_image_lacks_is_named(image_path):
    message = refused("sub-{sub}_run-{run}_dseg.nii.gz", image_path)
    assert "{run}" in message
    assert "sub, ses, task, space, desc" in message


def test_misspelt_entity_is_named(image_path):
    assert "{subject}" in refused("sub-{subject}_dseg.nii.gz", image_path)


def test_entities_of_the_images_version_are_filled_in(tmp_path, image_path):
    path = touch(image_path.with_name(f"{IMAGE}{MNI}_desc-brain_mask.nii.gz"))
    template = "sub-{sub}_ses-{ses}_task-{task}_space-{space}_desc-brain_mask.nii.gz"
    assert resolve_template(template, image_path, "--mask_img") == path


@pytest.mark.parametrize(
    ("template", "name"),
    [
        (NATIVE, "space-T1w_desc-aparcaseg_dseg.nii.gz"),
        ("x/sub-{sub}_ses-{ses}_dseg.nii.gz", "dseg.nii.gz"),
        ("atlases/{sub}/schaefer.nii.gz", "schaefer.nii.gz"),
        ("atlases/sub-{sub}.nii.gz", "sub.nii.gz"),
        ("{sub}_{ses}.nii.gz", "sub_ses.nii.gz"),
    ],
)
def test_outputs_are_named_by_what_is_the_same_for_all(template, name):
    assert name_of_template(template) == name


ANY_RUN = "sub-{sub}_*_space-T1w_desc-aparcaseg_dseg.nii.gz"


@pytest.mark.parametrize("run", ["task-rest", "task-rest_run-1", "task-rest_run-2", "ses-a_task-rest_run-1"])
def test_pattern_finds_the_file_of_each_run_whatever_entities_it_has(tmp_path, run):
    others = ("task-rest", "task-nback", "task-rest_run-1", "task-rest_run-2", "ses-a_task-rest_run-1")
    for other in others:
        touch(tmp_path / f"sub-01_{other}_space-T1w_desc-aparcaseg_dseg.nii.gz")
    image_path = tmp_path / f"sub-01_{run}_space-T1w_desc-preproc_bold.nii.gz"
    expected = tmp_path / f"sub-01_{run}_space-T1w_desc-aparcaseg_dseg.nii.gz"
    assert resolve_template(ANY_RUN, image_path, "--roi_file") == expected


def test_pattern_takes_no_file_of_another_run(tmp_path):
    touch(tmp_path / "sub-01_task-rest_run-2_space-T1w_desc-aparcaseg_dseg.nii.gz")
    assert "no file" in refused(ANY_RUN, tmp_path / "sub-01_task-rest_run-1_space-T1w_desc-preproc_bold.nii.gz")


def test_entity_that_the_template_says_may_be_another_than_the_images(tmp_path):
    path = touch(tmp_path / "sub-01_task-loc_run-1_desc-roi_mask.nii.gz")
    image_path = tmp_path / "sub-01_task-rest_run-1_desc-preproc_bold.nii.gz"
    assert resolve_template("sub-{sub}_task-loc_*_mask.nii.gz", image_path, "--mask_img") == path


def test_match_that_shares_the_other_entities_of_the_image_is_preferred(tmp_path):
    template = "sub-{sub}_*_desc-brain_mask.nii.gz"
    versions = ("space-T1w_reg-a", "space-T1w_reg-b", "space-MNI_reg-a", "space-MNI_reg-b")
    for version in versions:
        touch(tmp_path / f"sub-01_task-rest_{version}_desc-brain_mask.nii.gz")
    for version in versions:
        image_path = tmp_path / f"sub-01_task-rest_{version}_desc-preproc_bold.nii.gz"
        assert resolve_template(template, image_path, "--mask_img").name == (
            f"sub-01_task-rest_{version}_desc-brain_mask.nii.gz"
        )
