"""Fingerprints tell apart what gives other tables, and nothing else."""

from __future__ import annotations

import os

import pytest
from studies import write_study

from niimasker.inputs.runs import Run
from niimasker.options.merging import make_settings
from niimasker.study.fingerprints import fingerprint_run, fingerprint_study, list_changed_parts
from niimasker.study.preparation import prepare
from niimasker.study.run_inputs import list_run_files

RECORDED = {"Path": "/data/a.nii", "Bytes": 10, "Modified": 5, "SHA256": "known"}


def fingerprint(**options: object) -> dict:
    given = {"output_dir": "out", "input_files": "*", "roi_file": "a.nii", **options}
    return fingerprint_study(make_settings(given), (), (), ())


def test_no_all_and_some_regressors_differ():
    found = [
        fingerprint(),
        fingerprint(regressor_files="*.tsv"),
        fingerprint(regressor_files="*.tsv", regressors="x"),
    ]
    assert len({each["settings"] for each in found}) == 3


def test_regressors_of_files_that_are_given_or_found_are_the_same():
    assert fingerprint(regressor_files="*.tsv", regressors="x") == fingerprint(regressors="x")


@pytest.mark.parametrize(
    ("image", "is_same"),
    [
        ({"Path": "/data/a.nii", "Modified": 5}, True),
        ({"Path": "/data/a.nii", "Modified": 6, "SHA256": "known"}, True),
        ({"Path": "/data/a.nii", "Modified": 6, "SHA256": "other"}, False),
        ({"Path": "/other/a.nii", "SHA256": "known"}, True),
        ({"Path": "/other/a.nii", "SHA256": "other"}, False),
        ({"Path": "/other/a.nii"}, False),
        ({"Modified": None, "SHA256": "other"}, False),
        ({"Bytes": 11}, False),
        ({"Bytes": 11, "SHA256": "known"}, False),
    ],
)
def test_image_is_the_same_by_path_and_time_or_by_content(image, is_same):
    current = {"image": {**RECORDED, "SHA256": None, **image}}
    assert list_changed_parts({"image": RECORDED}, current) == ([] if is_same else ["image"])


@pytest.mark.parametrize("recorded", [None, "missing", [], {}, {**RECORDED, "Bytes": "10"}])
def test_edited_record_of_an_image_is_another_image(recorded):
    assert list_changed_parts({"image": recorded}, {"image": {**RECORDED, "SHA256": None}}) == ["image"]


def test_each_file_of_an_image_is_compared(tmp_path):
    path = tmp_path / "b.gii"
    path.write_text("0123456789")
    recorded = {"image": RECORDED, "image 2": {**RECORDED, "Path": "/data/b.gii"}}
    same = {"image": RECORDED, "image 2": {**RECORDED, "Path": "/other/b.gii"}}
    other = {"image": RECORDED, "image 2": {**RECORDED, "Path": str(path), "SHA256": None}}
    assert list_changed_parts(recorded, same) == []
    assert list_changed_parts(recorded, other) == ["image 2"]


@pytest.mark.parametrize(("before", "now"), [(1, 2), (2, 1)])
def test_image_with_another_number_of_files_is_another_image(before, now):
    both = {"image": RECORDED, "image 2": RECORDED}
    recorded, current = dict(list(both.items())[:before]), dict(list(both.items())[:now])
    assert list_changed_parts(recorded, current) == ["image 2"]


def test_header_of_an_image_is_compared_by_its_content():
    recorded = {"image": RECORDED, "image's header": "abc"}
    assert list_changed_parts(recorded, {**recorded, "image's header": "def"}) == ["image's header"]


def test_image_is_read_only_if_that_decides(tmp_path):
    path = tmp_path / "a.nii"
    path.write_text("0123456789")
    current = {"image": {**RECORDED, "Path": str(path), "SHA256": None}, "confounds": "new"}
    assert list_changed_parts({"image": RECORDED, "confounds": "old"}, current) == ["confounds"]


def test_table_is_the_same_by_content(tmp_path):
    words = write_study(tmp_path, 1)
    path = tmp_path / "sub-00_confounds.tsv"
    path.write_text("x\n" + "".join(f"{row % 5}\n" for row in range(12)))
    options = {"input_files": words[1], "roi_file": words[3], "regressor_files": str(path), "regressors": "x"}
    study = prepare(make_settings({"output_dir": tmp_path / "out", **options}))
    (plan,) = study.plans
    before = fingerprint_run(plan, study.settings)
    os.utime(path, (1e9, 1e9))
    assert fingerprint_run(plan, study.settings) == before
    path.write_text("x\n" + "".join(f"{row % 4}\n" for row in range(12)))
    os.utime(path, (1e9, 1e9))
    assert list_changed_parts(before, fingerprint_run(plan, study.settings)) == ["confounds"]


def test_files_of_a_pair_are_both_inputs(tmp_path):
    settings = make_settings({"output_dir": "out", "input_files": "*", "roi_file": "a.nii"})
    for suffix in (".hdr", ".img"):
        found = list_run_files(Run(tmp_path / f"a{suffix}", None, "a"), settings)
        assert found == {"image": tmp_path / "a.img", "image's header": tmp_path / "a.hdr"}
