"""What niimasker has written is not an input of the next call, unless it is given by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from images import make_labels, make_series, save
from studies import results_in, summary

from niimasker.cli import main
from niimasker.errors import NiimaskerWarning, RunsError
from niimasker.inputs.earlier_outputs import expand_images, expand_tables

LABELS = make_labels((1, 2, 5))
STEM = "sub-{}_task-rest_space-A_desc-preproc_bold"
LAYOUTS = ["flat", "mirror", "bids"]


@pytest.fixture
def study(tmp_path, monkeypatch) -> Path:
    """The current folder: two noisy runs with confounds as of fMRIPrep, and maps, whose copy is a 4D image."""
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0)
    for sub in ("01", "02"):
        func = Path(f"study/prep/sub-{sub}/func")
        series = make_series(LABELS)
        save(func / f"{STEM.format(sub)}.nii.gz", series + noise.normal(size=series.shape), t_r=2.0)
        rows = "".join(f"{row % 3}\t{0.9 if row == 6 else 0.1}\n" for row in range(12))
        table = func / f"sub-{sub}_task-rest_desc-confounds_timeseries.tsv"
        table.write_text(f"x\tframewise_displacement\n{rows}")
        # As of XCP-D: 1 where a volume is censored.
        Path(func, f"sub-{sub}_task-rest_outliers.tsv").write_text("framewise_displacement\n" + "0\n" * 11 + "1\n")
    save(Path("maps.nii.gz"), np.stack([LABELS == 1, LABELS == 2], axis=-1).astype(np.float32))
    return tmp_path


def run(*words: str, output: str = "study/out", code: int = 0, layout: str = "flat") -> None:
    assert main([output, *words, "-r", "maps.nii.gz", "--output_layout", layout]) == code


SCRUB = ("--scrub", "--std_dvars_threshold", "0", "--scrub_segment", "0", "--no_report")


class TestImages:
    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_copies_of_atlases_are_no_runs_of_the_next_call(self, study, layout, capsys):
        run("-i", "study/**/*.nii.gz", layout=layout)
        capsys.readouterr()
        before = results_in(Path("study/out"))
        run("-i", "study/**/*.nii.gz", "--resume", layout=layout)
        done = capsys.readouterr()
        assert "0 runs done, 2 skipped" in done.out
        assert (
            "1 file that niimasker wrote, such as study/out/niimasker_data/maps.nii.gz, which is left out" in done.err
        )
        assert results_in(Path("study/out")) == before

    def test_copies_beside_results_of_another_call_are_left_out(self, study):
        run("-i", "study/prep/**/*.nii.gz", output="study/earlier")
        with pytest.warns(
            NiimaskerWarning, match=r"1 file that niimasker wrote, such as .*earlier/niimasker_data/maps"
        ):
            assert len(expand_images("study/**/*.nii.gz", Path("elsewhere"))) == 2

    @pytest.mark.parametrize("remains", ["parameters.json", "summary.tsv"])
    def test_folder_is_known_by_what_niimasker_leaves_in_it(self, remains, tmp_path):
        for folder in ("a/niimasker_data", "b/niimasker_data", "c"):
            save(tmp_path / folder / "x.nii", LABELS)
        (tmp_path / "a/niimasker_data" / remains).touch()
        with pytest.warns(NiimaskerWarning, match="1 file that niimasker wrote"):
            found = expand_images(f"{tmp_path}/**/*.nii", tmp_path / "out")
        assert [path.parent.relative_to(tmp_path).as_posix() for path in found] == ["b/niimasker_data", "c"]

    @pytest.mark.parametrize("folder", ["niimasker_data", "niimasker_data/atlases", "reports"])
    def test_own_folders_of_this_call_are_left_out_whatever_they_hold(self, folder, tmp_path):
        save(tmp_path / "out" / folder / "x.nii", LABELS)
        save(tmp_path / "a.nii", LABELS)
        with pytest.warns(NiimaskerWarning, match=f"such as .*out/{folder}/x.nii, which is left out; to use it, give"):
            assert expand_images(f"{tmp_path}/**/*.nii", tmp_path / "out") == [tmp_path / "a.nii"]

    def test_pattern_that_matches_nothing_else_is_an_error_that_says_so(self, study, capsys):
        run("-i", "study/prep/**/*.nii.gz")
        run("-i", "study/out/**/*.nii.gz", code=2)
        said = capsys.readouterr().err
        assert "no file matches study/out/**/*.nii.gz but 1 file that niimasker wrote" in said
        assert "to use it, give files by name" in said

    def test_file_given_by_its_name_is_used(self, study):
        run("-i", "study/prep/**/*.nii.gz")
        run("-i", "study/out/niimasker_data/maps.nii.gz", output="other")
        assert summary(Path("other"))["status"].to_dict() == {"maps": "done"}

    def test_signals_and_matrices_of_runs_are_left_out(self, tmp_path):
        names = ["a_timeseries.ptseries.nii", "a_relmat.pconn.nii"]
        for name in ("a.dtseries.nii", "b.ptseries.nii", *names):
            (tmp_path / name).touch()
        content = {"Fingerprint": {}, "Files": dict.fromkeys(names)}
        (tmp_path / "a_timeseries.json").write_text(json.dumps(content))
        with pytest.warns(NiimaskerWarning, match=r"2 files that niimasker wrote, such as .*, which are left out"):
            found = expand_images(f"{tmp_path}/*.nii", tmp_path / "out")
        assert [path.name for path in found] == ["a.dtseries.nii", "b.ptseries.nii"]

    def test_existing_file_whose_name_is_a_pattern_is_used(self, tmp_path):
        path = save(tmp_path / "out/niimasker_data/x[1].nii", LABELS)
        assert expand_images(str(path), tmp_path / "out") == [path]

    @pytest.mark.parametrize("layout", ["mirror", "bids"])
    def test_folders_of_results_are_left_out_of_a_pattern_of_folders(self, study, layout, capsys):
        words = ["-i", "study/*/sub-*", "--space", "A"]
        run(*words, layout=layout)
        capsys.readouterr()
        run(*words, "--resume", layout=layout)
        done = capsys.readouterr()
        assert "0 runs done, 2 skipped" in done.out
        assert "2 folders that niimasker wrote, such as study/out/sub-01, which are left out" in done.err

    def test_folders_of_images_below_an_output_directory_are_used(self, study):
        run("-i", "study/prep/sub-*", "--space", "A", output="study", layout="bids")
        run("-i", "study/prep/sub-*", "--space", "A", output="other")
        assert len(summary(Path("other"))) == 2


class TestTables:
    @pytest.mark.parametrize("layout", LAYOUTS)
    @pytest.mark.parametrize("images", ["study/prep", "study/prep/**/*_bold.nii.gz"])
    def test_signals_of_the_last_call_are_no_confounds_of_the_next(self, study, layout, images, capsys):
        words = ["-i", images, "--regressor_files", "study/**/*_timeseries.tsv", *SCRUB]
        run(*words, layout=layout)
        before = results_in(Path("study/out"))
        capsys.readouterr()
        run(*words, layout=layout)
        said = capsys.readouterr().err
        assert "study/**/*_timeseries.tsv matches 2 files that niimasker wrote" in said
        assert {name: content for name, content in results_in(Path("study/out")).items() if "json" not in name} == {
            name: content for name, content in before.items() if "json" not in name
        }

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_outliers_of_the_last_call_are_no_censor_files_of_the_next(self, study, layout):
        words = ["-i", "study/prep", "--censor_file", "study/**/*_outliers.tsv", "--no_report"]
        run(*words, layout=layout)
        before = summary(Path("study/out"))["n_censored"].tolist()
        run(*words, *SCRUB, layout=layout)
        run(*words, layout=layout)
        assert summary(Path("study/out"))["n_censored"].tolist() == before == [1, 1]

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_every_table_of_a_study_is_left_out(self, study, layout):
        words = ["-i", "study/prep", "-r", "maps.nii.gz", *SCRUB, "--regressors", "x", "--connectivity", "pearson"]
        assert main(["study/out", *words, "--tidy", "tsv.gz", "--output_layout", layout]) == 0
        with pytest.warns(NiimaskerWarning, match="left out"):
            found = expand_tables("study/**/*.tsv*", "--regressor_files", Path("other"))
        assert {path.parts[1] for path in found} == {"prep"}
        assert len(found) == 4

    def test_pattern_of_tables_of_an_earlier_call_is_used(self, study):
        run("-i", "study/prep", *SCRUB, "--regressors", "x", output="first")
        run("-i", "study/prep", "--regressor_files", "first/*_regressors.tsv", "--no_report", output="second")
        for sub in ("01", "02"):
            tables = [Path(folder, f"{STEM.format(sub)}_regressors.tsv") for folder in ("first", "second")]
            assert tables[0].read_bytes() == tables[1].read_bytes()
        # A warning is an error in this test run.
        assert len(expand_tables("first/*_outliers.tsv", "--censor_file", Path("second"))) == 2

    def test_signals_of_an_earlier_call_are_used_with_a_warning(self, study):
        run("-i", "study/prep", "--no_report", output="first")
        with pytest.warns(
            NiimaskerWarning, match="no tables but those that niimasker wrote, such as the region signals first/"
        ):
            assert len(expand_tables("first/*_timeseries.tsv", "--regressor_files", Path("second"))) == 2

    def test_tables_that_this_call_replaces_are_no_inputs(self, study):
        run("-i", "study/prep", *SCRUB, "--regressors", "x", output="first")
        with pytest.raises(
            RunsError, match=r"no file matches .* but 2 files that niimasker wrote, such as first/sub-01"
        ):
            expand_tables("first/*_regressors.tsv", "--regressor_files", Path("first"))

    def test_tables_of_the_user_beside_results_are_used(self, study):
        run("-i", "study/prep", "--no_report", output="first")
        mine = [Path(f"first/{STEM.format(sub)}_regressors.tsv") for sub in ("01", "02")]
        for path in mine:
            path.write_text("x\n1\n")
        Path("first/broken_timeseries.json").write_text("{")
        Path("first/broken_timeseries.tsv").touch()
        Path("first/other_timeseries.json").write_text('{"Files": {}, "Fingerprint": "mine"}')
        assert expand_tables("first/*_regressors.tsv", "--regressor_files", Path("second")) == mine
        assert len(expand_tables("first/[bo]*_timeseries.tsv", "--regressor_files", Path("second"))) == 1

    def test_each_warning_comes_once(self, study, capsys):
        run("-i", "study/prep", *SCRUB, "--regressors", "x")
        for path in Path("study/prep").rglob("*_timeseries.tsv"):
            shutil.copy(path, path.with_name(path.name.replace("_desc-confounds_timeseries", "_mine")))
        capsys.readouterr()
        tables = ["study/**/*_timeseries.tsv", "study/**/*_mine.tsv"]
        run("-i", "study/prep", "--regressor_files", *tables, "--no_report")
        assert capsys.readouterr().err.count("that niimasker wrote") == 1

    def test_table_given_by_its_name_is_used(self, study):
        run("-i", "study/prep", "--no_report", output="first")
        path = Path(f"first/{STEM.format('01')}_timeseries.tsv")
        assert expand_tables(str(path), "--regressor_files", Path("first")) == [path]
