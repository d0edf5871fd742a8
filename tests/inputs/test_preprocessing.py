"""What an image's name and its folder of derivatives say about its preprocessing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from niimasker.inputs.preprocessing import Program, find_programs, find_report, is_denoised

IMAGE = Path("sub-05/ses-2/func/sub-05_ses-2_task-rest_bold.nii.gz")
FMRIPREP = {"Name": "fMRIPrep", "Version": "24.1.1"}


def describe(folder: Path, **content) -> Path:
    """The path of an image below a folder with a dataset_description.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset_description.json").write_text(json.dumps(content))
    return folder / IMAGE


class TestPrograms:
    @pytest.mark.parametrize(
        ("folder", "version"),
        [("fmriprep-1.1.4", "1.1.4"), ("fmriprep-21.0.2", "21.0.2"), ("fmriprep-24.1.1", "24.1.1")],
    )
    def test_fmripreps_of_three_generations(self, data_dir, folder, version):
        assert find_programs(data_dir / "confounds" / folder / IMAGE) == (Program("fMRIPrep", version),)

    def test_the_nearest_description_counts(self, tmp_path):
        describe(tmp_path, DatasetType="derivative", GeneratedBy=[{"Name": "other"}])
        image = describe(tmp_path / "inner", DatasetType="derivative", GeneratedBy=[FMRIPREP])
        assert find_programs(image) == (Program("fMRIPrep", "24.1.1"),)

    def test_all_programs_are_named_each_once(self, tmp_path):
        listed = [{"Name": "XCP-D", "Version": "0.10.6"}, FMRIPREP, FMRIPREP]
        image = describe(tmp_path, DatasetType="derivative", GeneratedBy=listed)
        assert find_programs(image) == (Program("XCP-D", "0.10.6"), Program("fMRIPrep", "24.1.1"))

    def test_one_object_stands_for_a_list_of_one(self, tmp_path):
        image = describe(tmp_path, DatasetType="derivative", GeneratedBy=FMRIPREP)
        assert find_programs(image) == (Program("fMRIPrep", "24.1.1"),)

    def test_a_byte_order_mark_is_no_part_of_the_description(self, tmp_path):
        image = describe(tmp_path)
        content = json.dumps({"DatasetType": "derivative", "GeneratedBy": [FMRIPREP]})
        (tmp_path / "dataset_description.json").write_text(content, encoding="utf-8-sig")
        assert find_programs(image) == (Program("fMRIPrep", "24.1.1"),)

    def test_version_may_be_missing(self, tmp_path):
        image = describe(tmp_path, DatasetType="derivative", GeneratedBy=[{"Name": "mine"}])
        assert find_programs(image) == (Program("mine", ""),)

    @pytest.mark.parametrize(
        "content",
        [
            {},
            {"GeneratedBy": [{"Name": "HeuDiConv"}]},
            {"GeneratedBy": [{"Name": "HeuDiConv"}], "DatasetType": "raw"},
            {"GeneratedBy": "fMRIPrep", "DatasetType": "derivative"},
            {"GeneratedBy": ["fMRIPrep", {"Version": "1"}, {"Name": 3}, {"Name": " "}], "DatasetType": "derivative"},
        ],
    )
    def test_nothing_is_said_of_what_the_description_does_not_say(self, tmp_path, content):
        assert find_programs(describe(tmp_path, **content)) == ()

    @pytest.mark.parametrize("text", ["", "{", "[]", "\udcff"])
    def test_a_description_that_cannot_be_read_says_nothing(self, tmp_path, text):
        image = describe(tmp_path)
        (tmp_path / "dataset_description.json").write_bytes(text.encode("utf-8", "surrogateescape"))
        assert find_programs(image) == ()


class TestReport:
    def test_the_page_of_the_subject_lies_beside_its_folder(self, tmp_path):
        assert find_report(tmp_path / IMAGE) is None
        page = tmp_path / "sub-05.html"
        page.touch()
        assert find_report(tmp_path / IMAGE) == page

    @pytest.mark.parametrize("name", ["sub-05_ses-2_func.html", "sub-05_ses-2.html"])
    def test_the_page_of_the_session_comes_first(self, tmp_path, name):
        (tmp_path / "sub-05.html").touch()
        (tmp_path / name).touch()
        (tmp_path / "sub-05_ses-1.html").touch()
        assert find_report(tmp_path / IMAGE) == tmp_path / name

    def test_an_image_outside_a_folder_of_a_subject_has_none(self, tmp_path):
        (tmp_path / "sub-05.html").touch()
        assert find_report(tmp_path / "sub-05_bold.nii.gz") is None


@pytest.mark.parametrize(
    "name",
    [
        "sub-01_task-rest_desc-denoised_bold.nii.gz",
        "sub-01_task-rest_space-fsLR_den-91k_desc-denoisedSmoothed_bold.dtseries.nii",
        "sub-01_task-rest_desc-optcomDenoised_bold.nii.gz",
        "sub-01_task-rest_desc-residual_bold.nii.gz",
        "sub-01_task-rest_desc-smoothAROMAnonaggr_bold.nii.gz",
        "rfMRI_REST1_LR_hp2000_clean.nii.gz",
        "rfMRI_REST1_LR_Atlas_MSMAll_hp2000_clean.dtseries.nii",
        "sub-01_task-rest_residualised.nii.gz",
    ],
)
def test_names_say_that_an_image_is_denoised(name):
    assert is_denoised(Path(name))


@pytest.mark.parametrize("name", ["sub-01_task-rest_desc-preproc_bold.nii.gz", "rfMRI_REST1_LR.nii.gz", "clean.nii"])
def test_other_images_are_not_denoised(name):
    assert not is_denoised(Path(name))
