"""The files that regions come from, as sidecars and reports record them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from niimasker.inputs.runs import RegionFiles
from niimasker.options.merging import make_settings
from niimasker.running.region_sources import name_sources, read_run_sources, read_sources

FILES = ("lh.A.annot", "rh.A.annot", "a.dlabel.nii", "lh.m.shape.gii", "rh.m.shape.gii", "atlas.nii")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in FILES:
        Path(name).write_text(name)
    return tmp_path


def record(name: str, **more: str) -> dict:
    return {"Path": name, "Bytes": len(name), "SHA256": hashlib.sha256(name.encode()).hexdigest(), **more}


BOTH = [record("lh.A.annot"), record("rh.A.annot")]


def sources_of(*roi_files: str, mask: str | None = None):
    settings = make_settings({"output_dir": "out", "input_files": "a.nii", "roi_file": roi_files})
    return read_sources(settings.roi_file, settings, None if mask is None else Path(mask))


@pytest.mark.parametrize(
    "roi_files", [["lh.A.annot"], ["rh.A.annot"], ["{hemi}.A.annot"], ["rh.A.annot", "lh.A.annot"]]
)
def test_files_of_both_hemispheres_are_listed(roi_files):
    assert sources_of(*roi_files) == ({"Regions": BOTH},)


def test_hemisphere_alone_is_one_file():
    Path("rh.A.annot").unlink()
    assert sources_of("lh.A.annot") == ({"Regions": record("lh.A.annot")},)


def test_chosen_map_is_told():
    assert sources_of("a.dlabel.nii:Yeo 7") == ({"Regions": record("a.dlabel.nii", Map="Yeo 7")},)


def test_volume_and_query_are_as_they_were():
    assert sources_of("atlas.nii", "nilearn:aal") == (
        {"Regions": record("atlas.nii")},
        {"Regions": {"Query": "nilearn:aal"}},
    )


def test_mask_has_the_files_of_both_hemispheres():
    mask = [record("lh.m.shape.gii"), record("rh.m.shape.gii")]
    assert sources_of("atlas.nii", mask="{hemi}.m.shape.gii") == ({"Regions": record("atlas.nii"), "Mask": mask},)


def test_runs_have_their_own():
    settings = make_settings({"output_dir": "out", "input_files": "a.nii", "roi_file": "{sub}.nii"})
    own = RegionFiles(("lh.A.annot",), Path("rh.m.shape.gii"))
    mask = [record("lh.m.shape.gii"), record("rh.m.shape.gii")]
    assert read_run_sources(own, (), settings) == ({"Regions": BOTH, "Mask": mask},)
    assert read_run_sources(own, ({"Regions": record("atlas.nii")},), settings) == (
        {"Regions": record("atlas.nii"), "Mask": mask},
    )


def test_report_numbers_the_files():
    sources = sources_of("lh.A.annot", "atlas.nii", mask="lh.m.shape.gii")
    named = name_sources(("A", "atlas"), sources)
    assert {part: each["Path"] for part, each in named.items()} == {
        "Regions (A)": "lh.A.annot",
        "Regions (A) (2)": "rh.A.annot",
        "Mask": "lh.m.shape.gii",
        "Mask (2)": "rh.m.shape.gii",
        "Regions (atlas)": "atlas.nii",
    }
