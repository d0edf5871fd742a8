"""The copies of a study's regions in niimasker_data: each has a name of its own."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from images import make_labels, make_series, save

from niimasker.cli import main
from niimasker.inputs.spaces import Grid
from niimasker.options.merging import make_settings
from niimasker.outputs.regions_used import write_regions_used
from niimasker.outputs.study_names import name_group_files, name_regions_used, parameters_path, summary_path
from niimasker.regions.atlas_names import name_atlases
from niimasker.regions.definitions import Parcellation, Regions

DATA = Path("out/niimasker_data")


def copies(*roi_files: str, names=()) -> list[str]:
    """Return the names of the atlases' copies."""
    given = {"output_dir": "out", "input_files": "a_bold.nii", "roi_file": roi_files, "atlas_name": names}
    settings = make_settings(given)
    used = name_regions_used(settings, name_atlases(settings))
    assert {path.parent for files in used for path in files.copy_paths} == {DATA}
    paths = dict.fromkeys(path for files in used for path in (*files.copy_paths, files.spheres_path) if path)
    written = [path.name for path in paths]
    folded = {unicodedata.normalize("NFC", name).casefold() for name in written}
    assert len(folded) == len(written)
    return [path.name for files in used for path in files.copy_paths]


class TestNames:
    @pytest.mark.parametrize("roi_file", ["a/atlas.nii.gz", "a/seeds.tsv", "group.nii.gz", "my summary.tsv"])
    def test_copy_has_the_name_of_its_file(self, roi_file):
        assert copies(roi_file) == [Path(roi_file).name]

    def test_atlas_of_nilearn_is_named_by_its_query(self):
        assert copies("nilearn:schaefer:100-7") == ["nilearn-schaefer-100-7.nii.gz"]

    def test_files_of_one_name_have_the_atlas_in_front(self):
        roi_files = ["a/atlas.nii.gz", "other.nii.gz", "b/atlas.nii.gz"]
        assert copies(*roi_files, names=("A", "B", "C")) == [
            "atlas-A_atlas.nii.gz",
            "other.nii.gz",
            "atlas-C_atlas.nii.gz",
        ]

    @pytest.mark.parametrize("other", ["b/ATLAS.nii.gz", "b/Atlas.NII.gz"])
    def test_names_that_differ_in_case_are_one_name(self, other):
        assert copies("a/atlas.nii.gz", other, names=("A", "B")) == [
            "atlas-A_atlas.nii.gz",
            f"atlas-B_{Path(other).name}",
        ]

    def test_names_whose_accents_are_coded_differently_are_one_name(self):
        forms = [unicodedata.normalize(form, "é.nii") for form in ("NFC", "NFD")]
        assert copies(*forms, names=("A", "B")) == [f"atlas-A_{forms[0]}", f"atlas-B_{forms[1]}"]

    def test_name_with_the_atlas_in_front_may_be_that_of_another_file(self):
        roi_files = ["a/atlas.nii.gz", "b/atlas.nii.gz", "c/atlas-A_atlas.nii.gz"]
        assert copies(*roi_files, names=("A", "B", "C")) == [
            "atlas-A-2_atlas.nii.gz",
            "atlas-B_atlas.nii.gz",
            "atlas-A_atlas.nii.gz",
        ]

    def test_query_and_file_of_its_name_are_kept_apart(self):
        assert copies("nilearn:aal", "nilearn-aal.nii.gz") == [
            "atlas-aal_nilearn-aal.nii.gz",
            "atlas-nilearn-aal_nilearn-aal.nii.gz",
        ]

    def test_image_of_spheres_is_kept_apart_from_a_file_of_its_name(self):
        assert copies("seeds.tsv", "spheres_img_seeds.nii.gz") == [
            "seeds.tsv",
            "atlas-spheres_img_seeds_spheres_img_seeds.nii.gz",
        ]
        assert copies("spheres_img.nii.gz") == ["spheres_img.nii.gz"]

    @pytest.mark.parametrize(
        "name", ["summary.tsv", "Summary.TSV", "group.tsv", "group_edges.tsv", "pipelines.tsv", ".hidden.nii"]
    )
    def test_names_of_niimaskers_own_files_are_not_used(self, name):
        assert copies(f"a/{name}", names=["A"]) == [f"atlas-A_{name}"]

    def test_names_of_own_files_are_all_known(self):
        group = name_group_files(Path())
        own = (summary_path(Path()), parameters_path(Path()), group.numbers_path, group.edges_path)
        for name in (path.name for path in own):
            assert copies(name, names=["A"]) == [f"atlas-A_{name}"]


class TestSurfaces:
    @pytest.fixture(autouse=True)
    def pair(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for folder in ("a", "b"):
            Path(folder).mkdir()
            for side in ("lh", "rh"):
                Path(folder, f"{side}.A.annot").write_text(f"{folder} {side}")

    @pytest.mark.parametrize("roi_files", [["a/lh.A.annot", "a/rh.A.annot"], ["a/{hemi}.A.annot"], ["a/rh.A.annot"]])
    def test_files_of_both_hemispheres_are_kept(self, roi_files):
        assert copies(*roi_files) == ["lh.A.annot", "rh.A.annot"]

    def test_hemisphere_alone_is_one_file(self):
        Path("a/rh.A.annot").unlink()
        assert copies("a/lh.A.annot") == ["lh.A.annot"]

    def test_pairs_of_one_name_stay_pairs(self):
        assert copies("a/lh.A.annot", "b/{hemi}.A.annot", names=("A", "B")) == [
            "atlas-A_lh.A.annot",
            "atlas-A_rh.A.annot",
            "atlas-B_lh.A.annot",
            "atlas-B_rh.A.annot",
        ]
        Path("b/rh.A.annot").unlink()
        assert copies("a/lh.A.annot", "b/lh.A.annot", names=("A", "B")) == [
            "atlas-A_lh.A.annot",
            "atlas-A_rh.A.annot",
            "atlas-B_lh.A.annot",
        ]

    def test_files_of_one_name_in_folders_of_hemispheres_become_a_pair(self):
        for side in ("lh", "rh"):
            Path(side).mkdir()
            Path(side, "A.annot").touch()
        assert copies("lh/A.annot", "rh/A.annot") == ["lh.A.annot", "rh.A.annot"]

    def test_file_of_several_maps_is_kept_once(self):
        roi_files = ["A.dlabel.nii:a", "B.dlabel.nii:a", "A.dlabel.nii:b", "C.dlabel.nii"]
        assert copies(*roi_files) == ["A.dlabel.nii", "B.dlabel.nii", "A.dlabel.nii", "C.dlabel.nii"]

    def test_both_copies_are_written(self):
        settings = make_settings({"output_dir": "out", "input_files": "a_bold.nii", "roi_file": "a/{hemi}.A.annot"})
        (files,) = name_regions_used(settings, ["A"])
        labels = Parcellation(np.ones((1, 1, 1), dtype=np.int32), Grid((1, 1, 1), ((1.0,) * 4,) * 4))
        write_regions_used(files, Regions(labels, (1,), ("x",), np.zeros((1, 3)), "A"), [])
        found = {path.name: path.read_text() for path in DATA.iterdir()}
        assert found == {"lh.A.annot": "a lh", "rh.A.annot": "a rh"}


@pytest.fixture
def study(tmp_path, monkeypatch) -> Path:
    """The current folder: a run, two atlases of one file name, and seeds in files named as niimasker's own."""
    monkeypatch.chdir(tmp_path)
    labels = make_labels((1, 2, 5))
    save(Path("a_bold.nii.gz"), make_series(labels), t_r=2.0)
    save(Path("a/atlas.nii.gz"), labels)
    save(Path("b/atlas.nii.gz"), (labels == 2).astype(np.int16))
    Path("summary.tsv").write_text("x\ty\tz\n0\t0\t10\n")
    return tmp_path


def test_atlases_of_one_file_name_are_both_kept(study):
    words = ["-i", "a_bold.nii.gz", "-r", "a/atlas.nii.gz", "b/atlas.nii.gz", "--atlas_name", "A", "B", "--no_report"]
    assert main(["out", *words]) == 0
    assert (DATA / "atlas-A_atlas.nii.gz").read_bytes() == Path("a/atlas.nii.gz").read_bytes()
    assert (DATA / "atlas-B_atlas.nii.gz").read_bytes() == Path("b/atlas.nii.gz").read_bytes()
    assert not (DATA / "atlas.nii.gz").exists()


def test_copies_serve_as_atlases_of_the_next_call(study):
    words = ["-i", "a_bold.nii.gz", "--atlas_name", "A", "B", "--no_report", "-r"]
    assert main(["out", *words, "a/atlas.nii.gz", "b/atlas.nii.gz"]) == 0
    before = {path.name: path.read_bytes() for path in DATA.glob("*.nii.gz")}
    assert main(["out", *words, f"{DATA}/atlas-A_atlas.nii.gz", f"{DATA}/atlas-B_atlas.nii.gz"]) == 0
    assert {path.name: path.read_bytes() for path in DATA.glob("*.nii.gz")} == before


@pytest.mark.parametrize("shard", [[], ["--shard", "1/1"]])
def test_seeds_called_as_a_summary_leave_the_summary(study, shard):
    assert main(["out", "-i", "a_bold.nii.gz", "-r", "summary.tsv", "--no_report", *shard]) == 0
    assert pd.read_csv(DATA / "summary.tsv", sep="\t")["status"].tolist() == ["done"]
    assert (DATA / "atlas-summary_summary.tsv").read_bytes() == Path("summary.tsv").read_bytes()
