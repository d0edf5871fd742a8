"""Surfaces and maps in the names that give each image its own atlas or mask."""

from __future__ import annotations

from pathlib import Path

import pytest

from niimasker.errors import RunError
from niimasker.inputs.own_region_files import resolve_regions
from niimasker.inputs.runs import find_runs, has_own_atlases, has_own_mask
from niimasker.inputs.templates import is_template
from niimasker.options.merging import make_settings


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


IMAGE = Path("sub-01/func/sub-01_task-rest_hemi-R_space-fsnative_bold.func.gii")


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def resolve(template: str) -> str:
    return resolve_regions(template, IMAGE, "--roi_file")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{hemi}.aparc.annot", False),
        ("A_hemi-{hemi}_dseg.label.gii.gz", False),
        ("sub-{sub}_hemi-{hemi}.label.gii", True),
        ("sub-{sub}_hemi-{hemi}.nii.gz", True),
        ("A_hemi-{hemi}_dseg.nii.gz", True),
        ("a.dlabel.nii:{sub}", False),
        ("{sub}.dlabel.nii:a", True),
    ],
)
def test_field_of_hemispheres_and_map_make_no_template(text, expected):
    assert is_template(text) == expected
    settings = make_settings({"output_dir": "out", "input_files": "a.nii", "roi_file": text, "mask_img": text})
    assert has_own_atlases(settings) == has_own_mask(settings) == expected


@pytest.mark.parametrize(
    ("left", "right", "template"),
    [
        ("surf/sub-01/lh.aparc.annot", "surf/sub-01/rh.aparc.annot", "surf/sub-{sub}/{hemi}.aparc.annot"),
        ("sub-01/anat/sub-01_hemi-L_a.gii", "sub-01/anat/sub-01_hemi-R_a.gii", "sub-{sub}_hemi-{hemi}_a.gii"),
        ("sub-01/anat/sub-01_x_hemi-L_a.gii", "sub-01/anat/sub-01_x_hemi-R_a.gii", "sub-{sub}_*hemi-{hemi}_a.gii"),
    ],
)
def test_field_is_not_filled_in_from_the_image(left, right, template):
    touch(left, right)
    assert resolve(template) == left
    Path(right).unlink()
    with pytest.raises(RunError, match=r"--roi_file: no file .*(rh\.|hemi-R)"):
        resolve(template)


def test_files_that_differ_otherwise_are_refused():
    touch("x/sub-01_a_hemi-L.gii", "x/sub-01_b_hemi-R.gii")
    with pytest.raises(RunError, match=r"matches x/sub-01_a_hemi-L\.gii and x/sub-01_b_hemi-R\.gii; give a template"):
        resolve("x/sub-{sub}_*_hemi-{hemi}.gii")


def test_missing_files_are_called_as_is_usual():
    with pytest.raises(RunError, match=r"no file x/01/lh\.aparc\.annot"):
        resolve("x/{sub}/{hemi}.aparc.annot")


def test_map_stays_chosen():
    touch("x/sub-01.dlabel.nii")
    assert resolve("x/sub-{sub}.dlabel.nii:Yeo: {7}") == "x/sub-01.dlabel.nii:Yeo: {7}"


def test_run_has_the_files_of_its_subject():
    touch("sub-01_task-rest_bold.nii", "sub-01_hemi-L_A.label.gii", "sub-01_hemi-R_A.label.gii")
    touch("sub-01_hemi-L_m.shape.gii", "sub-01_hemi-R_m.shape.gii")
    names = [f"sub-{{sub}}_hemi-{side}_A.label.gii" for side in "LR"]
    mask = "sub-{sub}_hemi-{hemi}_m.shape.gii"
    given = {"input_files": "sub-01_task-rest_bold.nii", "roi_file": names, "mask_img": mask}
    (run,) = find_runs(make_settings({"output_dir": "out", **given}))
    assert run.own_regions.roi_files == ("sub-01_hemi-L_A.label.gii",)
    assert run.own_regions.mask_path == Path("sub-01_hemi-L_m.shape.gii")
