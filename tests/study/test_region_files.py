"""The files of hemispheres are inputs of their own: a change of either, or a new one, changes the analysis."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from niimasker.errors import RegionsError
from niimasker.inputs.runs import RegionFiles, Run
from niimasker.inputs.spaces import Grid
from niimasker.options.merging import make_settings
from niimasker.outputs.analyses import Analysis, describe_difference
from niimasker.outputs.provenance import shaping_settings
from niimasker.regions.definitions import Parcellation, Regions
from niimasker.running.region_sources import read_sources
from niimasker.study.fingerprints import fingerprint_run, fingerprint_study, list_changed_parts
from niimasker.study.input_files import list_inputs
from niimasker.study.preparation import prepare
from niimasker.study.run_inputs import list_run_files, list_shared_regions

# What is read from the files does not matter here.
REGIONS = Regions(
    Parcellation(np.ones((1, 1, 1), dtype=np.int32), Grid((1, 1, 1), ((1.0,) * 4,) * 4)),
    (1,),
    ("a",),
    np.zeros((1, 3)),
    "A",
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("lh.A.annot", "rh.A.annot", "lh.m.shape.gii", "rh.m.shape.gii", "a.dlabel.nii", "bold.nii"):
        Path(name).write_text(name)
    return tmp_path


def settings_of(roi_file, **options):
    return make_settings({"output_dir": "out", "input_files": "bold.nii", "roi_file": roi_file, **options})


def analyse(roi_file="lh.A.annot", mask: str | None = None) -> Analysis:
    settings = settings_of(roi_file, mask_img=mask)
    sources = read_sources(settings.roi_file, settings, settings.mask_img)
    return Analysis(fingerprint_study(settings, ["A"], [REGIONS], sources), shaping_settings(settings))


WAYS = ["lh.A.annot", "./rh.A.annot", "{hemi}.A.annot", ["rh.A.annot", "lh.A.annot"]]


class TestShared:
    @pytest.mark.parametrize("roi_file", WAYS)
    def test_both_files_have_a_role(self, roi_file):
        settings = settings_of(roi_file, mask_img="rh.m.shape.gii")
        assert list_shared_regions(settings) == {
            "regions 1": Path("lh.A.annot"),
            "regions 1 right": Path("rh.A.annot"),
            "mask": Path("lh.m.shape.gii"),
            "mask right": Path("rh.m.shape.gii"),
        }

    def test_both_files_are_inputs(self):
        settings = settings_of("lh.A.annot", mask_img="{hemi}.m.shape.gii")
        inputs = list_inputs(SimpleNamespace(settings=settings, all_runs=()))
        assert all(Path(name).absolute() in inputs for name in ("lh.A.annot", "rh.A.annot", "rh.m.shape.gii"))
        assert Path("a.dlabel.nii") not in inputs

    @pytest.mark.parametrize("roi_file", WAYS)
    def test_analysis_does_not_depend_on_how_the_files_are_given(self, roi_file):
        assert analyse(roi_file).parts == analyse().parts

    @pytest.mark.parametrize("changed", ["lh.A.annot", "rh.A.annot", "lh.m.shape.gii", "rh.m.shape.gii"])
    def test_changed_file_of_a_hemisphere_is_another_analysis(self, changed):
        before = analyse(mask="lh.m.shape.gii")
        Path(changed).write_text("other")
        after = analyse(mask="lh.m.shape.gii")
        assert before.checksum != after.checksum
        assert describe_difference(before, after) == ("an earlier content of the atlas or its names", "the present one")

    @pytest.mark.parametrize("given", ["lh.A.annot", "rh.A.annot"])
    def test_partner_that_appears_later_is_another_analysis_and_is_named(self, given):
        (other,) = {"lh.A.annot", "rh.A.annot"} - {given}
        Path(other).rename("away")
        before = analyse(given)
        Path("away").rename(other)
        assert describe_difference(before, analyse(given)) == (
            f"regions of {given}",
            "regions of lh.A.annot, rh.A.annot",
        )

    def test_partner_of_the_mask_that_appears_later_is_another_analysis(self):
        Path("rh.m.shape.gii").rename("away")
        before = analyse("a.dlabel.nii", "lh.m.shape.gii")
        Path("away").rename("rh.m.shape.gii")
        assert describe_difference(before, analyse("a.dlabel.nii", "lh.m.shape.gii")) == (
            "regions of lh.m.shape.gii",
            "regions of lh.m.shape.gii, rh.m.shape.gii",
        )

    def test_one_content_on_the_other_hemisphere_is_another_analysis(self):
        Path("rh.A.annot").unlink()
        before = analyse("lh.A.annot")
        Path("lh.A.annot").rename("rh.A.annot")
        assert analyse("rh.A.annot").checksum != before.checksum

    def test_another_map_of_a_file_is_another_analysis(self):
        before, after = analyse("a.dlabel.nii:b/c"), analyse("a.dlabel.nii:d/c")
        assert describe_difference(before, after) == ("roi_file a.dlabel.nii:b/c", "roi_file a.dlabel.nii:d/c")

    def test_volume_has_a_plain_checksum(self):
        assert ":" not in analyse("a.dlabel.nii").parts["regions"]

    @pytest.mark.parametrize("roi_file", ["lh.bold.func.gii", "rh.bold.func.gii"])
    def test_hemisphere_of_an_input_is_no_atlas(self, roi_file):
        for side in ("lh", "rh"):
            Path(f"{side}.bold.func.gii").write_text("x")
        with pytest.raises(RegionsError, match=f"--roi_file: {roi_file} is one of the --input_files"):
            prepare(settings_of(roi_file, input_files=["./lh.bold.func.gii", "rh.bold.func.gii"]))


class TestOwn:
    RUN = Run(Path("bold.nii"), None, "bold", own_regions=RegionFiles(("lh.A.annot",), Path("lh.m.shape.gii")))
    ROLES = ("regions 1", "regions 1 right", "mask", "mask right")

    def fingerprint(self):
        return fingerprint_run(SimpleNamespace(run=self.RUN), settings_of("{sub}.A.annot"))

    def test_both_files_have_a_role(self):
        found = list_run_files(self.RUN, settings_of("{sub}.A.annot"))
        names = {role: found[role].name for role in self.ROLES}
        assert list(names.values()) == ["lh.A.annot", "rh.A.annot", "lh.m.shape.gii", "rh.m.shape.gii"]

    @pytest.mark.parametrize(
        ("name", "role"),
        [
            ("lh.A.annot", "regions 1"),
            ("rh.A.annot", "regions 1 right"),
            ("lh.m.shape.gii", "mask"),
            ("rh.m.shape.gii", "mask right"),
        ],
    )
    def test_changed_file_of_a_hemisphere_changes_the_run(self, name, role):
        before = self.fingerprint()
        Path(name).write_text("other")
        assert list_changed_parts(before, self.fingerprint()) == [role]

    def test_partner_that_appears_later_changes_the_run(self):
        Path("rh.A.annot").rename("away")
        before = self.fingerprint()
        Path("away").rename("rh.A.annot")
        assert list_changed_parts(before, self.fingerprint()) == ["regions 1 right"]

    def test_template_is_the_same_however_its_hemispheres_are_given(self):
        ways = ["{sub}_hemi-L_A.gii", "x/{sub}_hemi-{hemi}_A.gii", ["{sub}_hemi-R_A.gii", "{sub}_hemi-L_A.gii"]]
        found = [fingerprint_study(settings_of(way), (), (), ()) for way in ways]
        assert found == [found[0]] * 3

    def test_template_of_another_map_is_another_analysis(self):
        found = [fingerprint_study(settings_of(f"{{sub}}.dlabel.nii:{name}"), (), (), ()) for name in "ab"]
        assert found[0] != found[1]
