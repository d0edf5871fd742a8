from __future__ import annotations

import pytest
from bids_trees import GENERATIONS, MNI, NATIVE, T1W, name_files, touch, touch_tree

from niimasker.errors import RunError
from niimasker.inputs.associated_files import BRAIN_MASK, CONFOUNDS, AssociatedFiles


def found(image_path, kind):
    return AssociatedFiles().find(image_path, kind)


def refused(image_path, kind):
    with pytest.raises(RunError) as caught:
        found(image_path, kind)
    message = str(caught.value)
    assert message.startswith(f"{image_path}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("generation", GENERATIONS)
def test_table_and_mask_of_each_generation_are_found(tmp_path, generation):
    for files in touch_tree(tmp_path, ["sub-1_task-a", "sub-1_task-a_run-2"], generation, [MNI, T1W, NATIVE]):
        assert found(files.image, CONFOUNDS) == files.confounds
        assert found(files.image, BRAIN_MASK) == files.mask


def test_runs_of_one_number_and_two_paddings_have_a_table_each(tmp_path):
    for files in touch_tree(tmp_path, ["sub-1_task-a_run-1", "sub-1_task-a_run-01"]):
        assert found(files.image, CONFOUNDS) == files.confounds
        assert found(files.image, BRAIN_MASK) == files.mask


def test_padding_of_the_table_may_be_another(tmp_path):
    image_path = touch(name_files(tmp_path, "sub-1_task-a_run-1").image)
    table_path = touch(name_files(tmp_path, "sub-1_task-a_run-01").confounds)
    assert found(image_path, CONFOUNDS) == table_path


def test_table_of_two_other_paddings_is_ambiguous(tmp_path):
    image_path = touch(name_files(tmp_path, "sub-1_task-a_run-1").image)
    paths = [touch(name_files(tmp_path, f"sub-1_task-a_run-{run}").confounds) for run in ("01", "001")]
    message = refused(image_path, CONFOUNDS)
    assert "more than one confounds table beside it" in message
    assert all(path.name in message for path in paths)


def test_run_without_number_takes_no_table_of_a_number(tmp_path):
    image_path = touch(name_files(tmp_path, "sub-1_task-a").image)
    touch(name_files(tmp_path, "sub-1_task-a_run-1").confounds)
    assert "no confounds table beside it, expected sub-1_task-a_desc-confounds_timeseries.tsv;" in refused(
        image_path, CONFOUNDS
    )


def test_echo_takes_the_table_of_all_echoes(tmp_path):
    for files in touch_tree(tmp_path, ["sub-1_task-a", "sub-1_task-a_echo-1", "sub-1_task-a_echo-2"]):
        assert found(files.image, CONFOUNDS) == files.confounds
        assert found(files.image, BRAIN_MASK) == files.mask


def test_echo_takes_its_own_table_where_it_has_one(tmp_path):
    files = touch_tree(tmp_path, ["sub-1_task-a_echo-1"])[0]
    own = touch(files.image.with_name("sub-1_task-a_echo-1_desc-confounds_timeseries.tsv"))
    assert found(files.image, CONFOUNDS) == own


def test_tables_of_two_generations_are_ambiguous(tmp_path):
    (files,) = touch_tree(tmp_path, ["sub-1_task-a"])
    other = touch(name_files(tmp_path, "sub-1_task-a", "1.4").confounds)
    message = refused(files.image, CONFOUNDS)
    assert f"{other.name}, {files.confounds.name}" in message
    assert "remove one, or give --regressor_files" in message


VERSIONS = [
    "sub-1_task-a_reg-default_desc-{}",
    "sub-1_task-a_reg-unet_desc-{}",
    "sub-1_task-a_reg-unet_strategy-36P_desc-{}",
    "sub-1_task-a_desc-{}",
]


@pytest.mark.parametrize("version", VERSIONS)
def test_file_that_shares_the_other_entities_of_the_image_is_preferred(tmp_path, version):
    for name in VERSIONS:
        touch(tmp_path / f"{name.format('preproc')}_bold.nii.gz")
        touch(tmp_path / f"{name.format('confounds')}_timeseries.tsv")
        touch(tmp_path / f"{name.format('brain')}_mask.nii.gz")
    image_path = tmp_path / f"{version.format('preproc')}_bold.nii.gz"
    assert found(image_path, CONFOUNDS).name == f"{version.format('confounds')}_timeseries.tsv"
    assert found(image_path, BRAIN_MASK).name == f"{version.format('brain')}_mask.nii.gz"


def test_image_of_a_version_takes_the_table_of_all_versions(tmp_path):
    image_path = touch(tmp_path / "sub-1_task-a_reg-default_space-T1w_desc-preproc_bold.nii.gz")
    touch(tmp_path / "sub-1_task-a_reg-unet_desc-confounds_timeseries.tsv")
    shared = touch(tmp_path / "sub-1_task-a_desc-confounds_timeseries.tsv")
    assert found(image_path, CONFOUNDS) == shared


def test_table_of_another_version_alone_is_refused(tmp_path):
    image_path = touch(tmp_path / "sub-1_task-a_reg-default_desc-preproc_bold.nii.gz")
    touch(tmp_path / "sub-1_task-a_reg-unet_desc-confounds_timeseries.tsv")
    assert refused(image_path, CONFOUNDS) == (
        f"{image_path}: no confounds table of its own beside it, only "
        "sub-1_task-a_reg-unet_desc-confounds_timeseries.tsv (differs in reg); put it there, or give --regressor_files."
    )


def test_mask_of_another_space_is_none(tmp_path):
    (files,) = touch_tree(tmp_path, ["sub-1_task-a"], spaces=[T1W])
    files.mask.rename(name_files(tmp_path, "sub-1_task-a").mask)
    message = refused(files.image, BRAIN_MASK)
    assert "no brain mask beside it, expected sub-1_task-a_space-T1w_desc-brain_mask.nii.gz;" in message
    assert "--mask_img" in message


def test_mask_of_another_resolution_or_cohort_is_none(tmp_path):
    spaces = [f"{MNI}_cohort-1_res-1", f"{MNI}_cohort-1_res-2", f"{MNI}_cohort-2_res-1"]
    for files in touch_tree(tmp_path, ["sub-1_task-a"], spaces=spaces):
        assert found(files.image, BRAIN_MASK) == files.mask


def test_mask_without_compression_is_found(tmp_path):
    (files,) = touch_tree(tmp_path, ["sub-1_task-a"])
    mask_path = files.mask.rename(files.mask.with_suffix(""))
    assert found(files.image, BRAIN_MASK) == mask_path


def test_hidden_files_and_other_tables_are_not_taken(tmp_path):
    (files,) = touch_tree(tmp_path, ["sub-1_task-a"])
    for name in (f"._{files.confounds.name}", files.confounds.name.replace("confounds", "outliers")):
        touch(files.confounds.with_name(name))
    assert found(files.image, CONFOUNDS) == files.confounds


def test_image_without_entities_has_no_associated_files(tmp_path):
    image_path = touch(tmp_path / "bold.nii.gz")
    touch(tmp_path / "desc-confounds_timeseries.tsv")
    assert "its name has no BIDS entities" in refused(image_path, CONFOUNDS)


def test_run_of_another_session_is_another(tmp_path):
    image_path = touch(tmp_path / "sub-1_ses-a_task-a_desc-preproc_bold.nii.gz")
    touch(tmp_path / "sub-1_ses-b_task-a_desc-confounds_timeseries.tsv")
    touch(tmp_path / "sub-1_task-a_desc-confounds_timeseries.tsv")
    assert "expected sub-1_ses-a_task-a_desc-confounds_timeseries.tsv;" in refused(image_path, CONFOUNDS)


def test_table_of_run_1_is_not_taken_for_an_image_of_run_01_beside_run_1(tmp_path):
    images = [tmp_path / f"sub-1_run-{run}_desc-preproc_bold.nii.gz" for run in ("1", "01")]
    for path in [*images, tmp_path / "sub-1_run-1_desc-confounds_timeseries.tsv"]:
        path.touch()
    assert AssociatedFiles().find(images[0], CONFOUNDS).name == "sub-1_run-1_desc-confounds_timeseries.tsv"
    with pytest.raises(
        RunError, match=r"no confounds table beside it, expected sub-1_run-01_desc-confounds_timeseries"
    ):
        AssociatedFiles().find(images[1], CONFOUNDS)
