"""Several atlases in one reading, voxels that go back into the brain, and 0.0.4's order of words."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from images import LAS, N_VOLUMES, OBLIQUE, SHAPE, make_labels, make_series, save
from nilearn.image import smooth_img

from niimasker import extract
from niimasker.cli import main

VOLUMES = np.arange(N_VOLUMES)
LABELS = make_labels((1, 2, 5))
ATLASES = ("a.nii.gz", "b.v2.nii.gz", "c.nii")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """The current folder: an image, three atlases and coordinates."""
    monkeypatch.chdir(tmp_path)
    save(Path("bold.nii.gz"), make_series(LABELS), t_r=2.0)
    save(Path("a.nii.gz"), LABELS)
    save(Path("b.v2.nii.gz"), np.where(LABELS == 5, 7, 0).astype(np.int16))
    save(Path("c.nii"), np.stack([LABELS == 1, LABELS == 2], axis=-1).astype(np.float32))
    x, y, z = nib.affines.apply_affine(OBLIQUE, [3, 5, 4])
    Path("seeds.tsv").write_text(f"x\ty\tz\n{x}\t{y}\t{z}\n")
    return tmp_path


@pytest.fixture
def niimasker(capsys):
    """A function that runs a command and returns its exit code and what it said."""

    def run(*words):
        capsys.readouterr()
        try:
            code = main(["--no_report", *words])
        except SystemExit as error:
            code = error.code
        return code, capsys.readouterr().err

    return run


def read(path):
    return pd.read_csv(path, sep="\t")


def read_json(path):
    return json.loads(Path(path).read_text(encoding="utf-8"))


def outputs():
    return sorted(path.name for path in Path("out").iterdir() if path.is_file())


def assert_refused(result, *parts):
    code, err = result
    assert code == 2
    assert err.startswith("niimasker: error: ")
    assert len(err.splitlines()) == 1
    assert [part for part in parts if part not in err] == []
    assert not Path("out").exists()


class TestSeveralAtlases:
    def test_outputs_are_named_by_image_and_atlas(self, niimasker):
        code, err = niimasker("out", "-i", "bold.nii.gz", "-r", *ATLASES, "seeds.tsv", "--radius", "2")
        assert (code, err) == (0, "")
        ends = ("regions.tsv", "timeseries.json", "timeseries.tsv")
        assert outputs() == [f"bold_atlas-{key}_{end}" for key in ("a", "b.v2", "c", "seeds") for end in ends]

    def test_one_atlas_is_named_by_the_image_alone(self, niimasker):
        assert niimasker("out", "-i", "bold.nii.gz", "-r", "a.nii.gz")[0] == 0
        assert outputs() == ["bold_regions.tsv", "bold_timeseries.json", "bold_timeseries.tsv"]

    def test_each_table_holds_its_atlas(self, niimasker):
        niimasker("out", "-i", "bold.nii.gz", "-r", *ATLASES, "seeds.tsv", "--radius", "2")
        expected = {"a": {"roi 1": 10, "roi 2": 20, "roi 5": 50}, "b.v2": {"roi 7": 50}, "seeds": {"roi 0": 50}}
        for key, means in {**expected, "c": {"roi 1": 10, "roi 2": 20}}.items():
            table = read(f"out/bold_atlas-{key}_timeseries.tsv")
            assert list(table.columns) == list(means)
            np.testing.assert_allclose(table, VOLUMES[:, None] + np.array(list(means.values())), atol=1e-7)

    def test_sidecar_holds_the_source_of_its_own_atlas(self, niimasker):
        niimasker("out", "-i", "bold.nii.gz", "-r", *ATLASES)
        for key, name in zip(("a", "b.v2", "c"), ATLASES, strict=True):
            content = Path(f"out/bold_atlas-{key}_timeseries.json").read_text(encoding="utf-8")
            checksums = [hashlib.sha256(Path(other).read_bytes()).hexdigest() for other in ATLASES]
            mine = checksums[ATLASES.index(name)]
            assert [each for each in checksums if each in content] == [mine]

    def test_all_atlases_are_kept_beside_the_results(self, niimasker):
        niimasker("out", "-i", "bold.nii.gz", "-r", *ATLASES)
        for name in ATLASES:
            assert Path("out/niimasker_data", name).read_bytes() == Path(name).read_bytes()

    def test_list_in_json_does_the_same(self, niimasker):
        Path("config.json").write_text(json.dumps({"input_files": "bold.nii.gz", "roi_file": list(ATLASES)}))
        assert niimasker("out", "-c", "config.json")[0] == 0
        assert len(outputs()) == 9

    def test_python_finds_the_tables_by_atlas(self):
        (outcome,) = extract("out", input_files="bold.nii.gz", roi_file=list(ATLASES), no_report=True)
        assert [tables.atlas for tables in outcome.tables] == ["a", "b.v2", "c"]
        assert outcome.tables[1].signals_path == Path("out/bold_atlas-b.v2_timeseries.tsv")

    def test_summary_counts_the_regions_of_all(self, niimasker):
        niimasker("out", "-i", "bold.nii.gz", "-r", *ATLASES)
        assert read("out/niimasker_data/summary.tsv")["n_regions"].tolist() == [6]

    @pytest.mark.parametrize("n_jobs", ["1", "2"])
    def test_several_images_and_processes(self, niimasker, n_jobs):
        for name in ("x.nii.gz", "y.nii.gz"):
            Path(name).write_bytes(Path("bold.nii.gz").read_bytes())
        assert niimasker("out", "-i", "x.nii.gz", "y.nii.gz", "-r", *ATLASES, "--n_jobs", n_jobs)[0] == 0
        keys = ("a", "b.v2", "c")
        tables = [[read(f"out/{image}_atlas-{key}_timeseries.tsv") for key in keys] for image in "xy"]
        assert all(one.equals(other) for one, other in zip(*tables, strict=True))
        assert len(outputs()) == 18

    @pytest.mark.parametrize("other", ["other/a.nii.gz", "other/a.nii"])
    def test_two_atlases_of_one_name_are_refused(self, niimasker, other):
        save(Path(other), LABELS)
        said = "--roi_file: more than one atlas is named 'a', and so would be their outputs; rename one of them"
        assert_refused(niimasker("out", "-i", "bold.nii.gz", "-r", "a.nii.gz", other), said)

    def test_the_same_atlas_twice_is_refused(self, niimasker):
        assert_refused(niimasker("out", "-i", "bold.nii.gz", "-r", "a.nii.gz", "a.nii.gz"), "more than one", "'a'")

    def test_any_atlas_that_is_missing_is_refused_before_work(self, niimasker):
        assert_refused(niimasker("out", "-i", "bold.nii.gz", "-r", "a.nii.gz", "nope.nii.gz"), "nope.nii.gz: no such")

    @pytest.mark.filterwarnings("ignore::niimasker.errors.NiimaskerWarning")
    @pytest.mark.parametrize("engine", ["stream", "nilearn"])
    @pytest.mark.parametrize(
        "options", [{}, {"detrend": True}, {"standardize": True}, {"smoothing_fwhm": 5.0}], ids=str
    )
    def test_atlas_outside_of_the_image_leaves_the_others(self, options, engine):
        away = OBLIQUE.copy()
        away[0, 3] += 1000
        save(Path("far.nii.gz"), LABELS, away)
        roi_file = ["far.nii.gz", "a.nii.gz"]
        (outcome,) = extract(
            "out", input_files="bold.nii.gz", roi_file=roi_file, engine=engine, no_report=True, **options
        )
        assert outcome.reason is None
        far, near = (read(tables.signals_path) for tables in outcome.tables)
        assert far.isna().all(axis=None)
        assert near.notna().all(axis=None)


class TestLabels:
    def write(self, name, *names):
        Path(name).write_text("name\n" + "\n".join(names) + "\n")
        return name

    def test_each_atlas_takes_its_table_in_order(self, niimasker):
        tables = [self.write("a.tsv", "x", "y", "z"), self.write("b.tsv", "only")]
        code, err = niimasker("out", "-i", "bold.nii.gz", "-r", "a.nii.gz", "b.v2.nii.gz", "--labels", *tables)
        assert (code, err) == (0, "")
        assert list(read("out/bold_atlas-a_timeseries.tsv")) == ["x", "y", "z"]
        assert list(read("out/bold_atlas-b.v2_timeseries.tsv")) == ["only"]

    @pytest.mark.parametrize("labels", [["a.tsv"], ["a.tsv", "b.tsv", "b.tsv"], ["a.tsv", "only"], ["x", "y", "z"]])
    def test_anything_but_a_table_per_atlas_is_refused(self, niimasker, labels):
        self.write("a.tsv", "x", "y", "z")
        self.write("b.tsv", "only")
        result = niimasker("out", "-i", "bold.nii.gz", "-r", "a.nii.gz", "b.v2.nii.gz", "--labels", *labels)
        assert_refused(
            result,
            "--roi_file has 2 atlas files, so --labels takes 2 tables, in their order, or nothing; "
            f"found {', '.join(labels)}.",
        )

    def test_table_of_another_atlas_does_not_fit(self, niimasker):
        tables = [self.write("b.tsv", "only"), self.write("a.tsv", "x", "y", "z")]
        result = niimasker("out", "-i", "bold.nii.gz", "-r", "a.nii.gz", "b.v2.nii.gz", "--labels", *tables)
        assert_refused(result, "b.tsv, a list with one name a line, has 1 name but a.nii.gz has 3 regions")


def put_back(signals_path, voxels_path, shape):
    """Write a table's values into volumes, by the table that says where each column comes from."""
    signals, places = read(signals_path), read(voxels_path)
    assert places["column"].tolist() == list(signals.columns)
    volumes = np.full((*shape, len(signals)), np.nan)
    volumes[places["i"], places["j"], places["k"]] = signals.to_numpy().T
    return volumes


@pytest.mark.parametrize("affine", [OBLIQUE, LAS], ids=["oblique", "LAS"])
@pytest.mark.parametrize("engine", ["stream", "nilearn"])
class TestVoxels:
    NOISE = np.random.default_rng(0).normal(size=(*SHAPE, N_VOLUMES))

    def extract(self, roi, affine, engine, **options):
        save(Path("noise.nii.gz"), self.NOISE, affine)
        save(Path("roi.nii.gz"), roi.astype(np.int16), affine)
        options = {"as_voxels": True, "n_decimals": 15, "engine": engine, **options}
        (outcome,) = extract("out", input_files="noise.nii.gz", roi_file="roi.nii.gz", no_report=True, **options)
        return outcome.tables[0]

    @pytest.mark.parametrize("roi", [LABELS, np.sign(LABELS)], ids=["parcellation", "mask"])
    def test_values_go_back_into_the_brain(self, roi, engine, affine):
        tables = self.extract(roi, affine, engine)
        assert tables.points_path == Path("out/noise_voxels.tsv")
        found = put_back(tables.signals_path, tables.points_path, SHAPE)
        np.testing.assert_allclose(found, np.where(roi[..., None], self.NOISE, np.nan), rtol=0, atol=1e-14)

    def test_places_in_mm_are_those_of_the_voxels(self, engine, affine):
        places = read(self.extract(LABELS, affine, engine).points_path)
        expected = nib.affines.apply_affine(affine, places[["i", "j", "k"]].to_numpy())
        np.testing.assert_allclose(places[["x", "y", "z"]], expected, rtol=1e-5, atol=1e-4)

    def test_regions_are_those_of_the_voxels(self, engine, affine):
        places = read(self.extract(LABELS, affine, engine).points_path)
        found = [int(name.removeprefix("roi ")) for name in places["region"]]
        np.testing.assert_array_equal(found, LABELS[places["i"], places["j"], places["k"]])
        assert places["column"].str.startswith(places["region"].iloc[0]).sum() == 70
        assert places["column"].iloc[[0, 70, 209]].tolist() == ["roi 1 voxel 0", "roi 2 voxel 0", "roi 5 voxel 69"]

    def test_smoothed_values_go_back_too(self, engine, affine):
        tables = self.extract(LABELS, affine, engine, smoothing_fwhm=5.0)
        found = put_back(tables.signals_path, tables.points_path, SHAPE)
        img = nib.Nifti1Image(self.NOISE, nib.load("noise.nii.gz").affine)
        expected = np.where(LABELS[..., None], smooth_img(img, 5.0).get_fdata(), np.nan)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_names_of_a_parcellation_name_its_voxels(niimasker):
    Path("names.tsv").write_text("name\nleft\nmiddle\nright\n")
    words = ["-i", "bold.nii.gz", "-r", "a.nii.gz", "--as_voxels", "--labels", "names.tsv"]
    assert niimasker("out", *words) == (0, "")
    assert read("out/bold_voxels.tsv")["column"].iloc[[0, 70, 209]].tolist() == [
        "left voxel 0",
        "middle voxel 0",
        "right voxel 69",
    ]


def test_voxels_of_several_atlases_have_a_table_each(niimasker):
    assert niimasker("out", "-i", "bold.nii.gz", "-r", "a.nii.gz", "b.v2.nii.gz", "--as_voxels") == (0, "")
    assert [len(read(f"out/bold_atlas-{key}_voxels.tsv")) for key in ("a", "b.v2")] == [210, 70]


@pytest.mark.parametrize("smoothing", [[], ["--smoothing_fwhm", "5"]], ids=["plain", "smoothed"])
def test_mask_outside_of_the_image_fails_its_run_in_one_line(niimasker, smoothing):
    away = OBLIQUE.copy()
    away[0, 3] += 1000
    save(Path("far.nii.gz"), np.sign(LABELS), away)
    code, err = niimasker("out", "-i", "bold.nii.gz", "-r", "far.nii.gz", "--as_voxels", *smoothing)
    assert code == 1
    assert err == (
        "niimasker: failed: bold.nii.gz: no region is left (empty: outside the image); "
        "are image and regions in the same space?\n"
    )


class TestOldOrder:
    """0.0.4's -r took one value, so that the output directory could follow it."""

    @pytest.mark.parametrize("last", ["out", "out/", "new/out", "with.dot"])
    def test_last_word_behind_the_atlas_is_the_output_directory(self, niimasker, last):
        assert niimasker("-i", "bold.nii.gz", "-r", "a.nii.gz", last) == (0, "")
        assert Path(last, "bold_timeseries.tsv").is_file()

    def test_it_may_follow_several_atlases(self, niimasker):
        assert niimasker("-i", "bold.nii.gz", "-r", "a.nii.gz", "c.nii", "out") == (0, "")
        assert Path("out/bold_atlas-c_timeseries.tsv").is_file()

    def test_folder_that_exists_is_taken(self, niimasker):
        Path("out").mkdir()
        assert niimasker("-i", "bold.nii.gz", "-r", "a.nii.gz", "out") == (0, "")

    def test_record_says_which_is_which(self, niimasker):
        niimasker("-i", "bold.nii.gz", "-r", "a.nii.gz", "out")
        parameters = read_json("out/niimasker_data/parameters.json")["parameters"]
        assert (parameters["output_dir"], parameters["roi_file"]) == ("out", ["a.nii.gz"])

    @pytest.mark.parametrize(
        "last", ["c.nii", "nope.nii", "nope.nii.gz", "seeds.tsv", "nope.csv", "nilearn:aal", "text"]
    )
    def test_last_word_that_is_an_atlas_or_a_file_is_no_output_directory(self, niimasker, last):
        Path("text").write_text("no folder")
        assert_refused(
            niimasker("-i", "bold.nii.gz", "-r", "a.nii.gz", last),
            "output_dir is missing; give it as the first word, or as the last one after --; see niimasker --help.",
        )

    def test_only_word_of_the_option_is_its_atlas(self, niimasker):
        assert_refused(niimasker("-i", "bold.nii.gz", "-r", "out"), "output_dir is missing")

    def test_other_options_may_follow(self, niimasker):
        assert niimasker("-r", "a.nii.gz", "out", "-i", "bold.nii.gz", "--standardize") == (0, "")
        assert read("out/bold_timeseries.tsv").std().to_numpy() == pytest.approx(1)
