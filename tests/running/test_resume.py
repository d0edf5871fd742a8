"""--resume skips runs that are complete and made from unchanged inputs, and no others."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from ica_files import make_mixing, write_fmriprep
from images import OBLIQUE, make_series, save
from studies import LABELS, results_in, statuses, summary, write_study

from niimasker.cli import main
from niimasker.options.merging import make_settings
from niimasker.options.settings import OPTIONS, PER_CALL_OPTIONS, RUN_LIMITS
from niimasker.study.fingerprints import fingerprint_run
from niimasker.study.preparation import prepare

N_RUNS = 3


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A folder with a study of 3 runs and its outputs."""
    folder = tmp_path_factory.mktemp("finished")
    words = write_study(folder, N_RUNS)
    for number in range(N_RUNS):
        rows = "".join(f"{number + row % 5}\t{row}\n" for row in range(12))
        (folder / f"sub-{number:02}_confounds.tsv").write_text(f"x\tframewise_displacement\n{rows}")
    (folder / "names.tsv").write_text("index\tname\n1\ta\n2\tb\n5\tc\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["out", *WORDS]) == 0
    assert words
    return folder


WORDS = (
    *("-i", "sub-*_bold.nii.gz", "-r", "atlas.nii.gz", "--labels", "names.tsv"),
    *("--regressor_files", "sub-*_confounds.tsv", "--regressors", "x", "--discard_scans", "2", "--no_report"),
)


@pytest.fixture
def study(finished, tmp_path, monkeypatch) -> Path:
    """The current folder: a copy of the study, with the times of its files."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def resume(*words: str) -> list[str]:
    """Resume, and return what became of each run."""
    assert main(["out", *WORDS, "--resume", *words]) == 0
    return statuses(Path("out")).tolist()


def test_finished_runs_are_skipped(study):
    before = results_in(study / "out")
    assert resume() == ["skipped"] * N_RUNS
    assert results_in(study / "out") == before


def test_without_resume_all_is_done_again(study):
    assert main(["out", *WORDS]) == 0
    assert statuses(Path("out")).tolist() == ["done"] * N_RUNS


def test_numbers_of_skipped_runs_are_complete(study):
    before = summary(study / "out").drop(columns="skipped")
    resume()
    assert summary(study / "out").drop(columns="skipped").equals(before)
    assert before["mean_fd"].tolist() == [6.5] * N_RUNS


def test_resume_is_in_the_record(study):
    resume()
    assert json.loads(Path("out/niimasker_data/parameters.json").read_text())["parameters"]["resume"] is True


@pytest.mark.parametrize(
    "words", [["--n_jobs", "2"], ["--verbose"], ["--quiet"], ["--fail_fast"], ["--timeout", "60"]], ids=" ".join
)
def test_how_it_is_run_changes_nothing(study, words):
    assert resume(*words) == ["skipped"] * N_RUNS


@pytest.mark.parametrize(
    "words",
    [
        ["--detrend"],
        ["--n_decimals", "3"],
        ["--min_coverage", "0.5"],
        ["--regressors", "framewise_displacement"],
        ["--discard_scans", "1"],
        ["--labels", "x", "y", "z"],
        ["--engine", "nilearn"],
        ["--connectivity", "covariance"],
    ],
    ids=" ".join,
)
def test_changed_setting_redoes_all(study, words):
    assert resume(*words) == ["done"] * N_RUNS
    assert resume(*words) == ["skipped"] * N_RUNS


def touch(path: Path) -> None:
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1))


@pytest.mark.parametrize("name", ["sub-01_bold.nii.gz", "sub-01_confounds.tsv"])
def test_touched_source_of_the_same_content_changes_nothing(study, name):
    touch(study / name)
    assert resume() == ["skipped"] * N_RUNS


def replace_keeping_size_and_times(path: Path, content: bytes) -> None:
    found = path.stat()
    assert len(content) == found.st_size
    path.write_bytes(content)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def test_confounds_of_the_same_size_and_time_redo_their_run(study, capsys):
    path = study / "sub-01_confounds.tsv"
    replace_keeping_size_and_times(path, path.read_bytes().replace(b"5\t4", b"9\t4"))
    assert resume("-v") == ["skipped", "done", "skipped"]
    assert "sub-01_bold: not skipped, because its confounds changed" in capsys.readouterr().err


def test_other_censor_files_of_the_same_sizes_and_times_redo_all(study):
    for letter, volume in (("a", 3), ("b", 4)):
        for number in range(N_RUNS):
            path = study / f"sub-{number:02}_{letter}.txt"
            path.write_text("".join(f"{int(row == volume)}\n" for row in range(12)))
            os.utime(path, (1e9, 1e9))
    assert resume("--censor_file", "sub-*_a.txt") == ["done"] * N_RUNS
    before = results_in(study / "out")
    assert resume("--censor_file", "sub-*_b.txt") == ["done"] * N_RUNS
    assert results_in(study / "out") != before
    assert resume("--censor_file", "sub-*_b.txt") == ["skipped"] * N_RUNS


def test_json_of_the_same_size_and_time_redoes_its_run(study):
    path = study / "sub-01_bold.json"
    path.write_text('{"RepetitionTime": 3.0}')
    assert resume() == ["skipped", "done", "skipped"]
    replace_keeping_size_and_times(path, b'{"RepetitionTime": 2.5}')
    assert resume() == ["skipped", "done", "skipped"]
    assert resume() == ["skipped"] * N_RUNS


def test_image_of_the_same_size_and_another_content_redoes_its_run(study):
    values = make_series(LABELS)
    for number in range(N_RUNS):
        save(study / f"sub-{number:02}_bold.nii", values + number, t_r=2.0)
    words = ["other", *WORDS, "-i", "sub-*_bold.nii"]
    assert main(words) == 0
    path = study / "sub-01_bold.nii"
    n_bytes = path.stat().st_size
    save(path, values + 7, t_r=2.0)
    assert path.stat().st_size == n_bytes
    assert main([*words, "--resume"]) == 0
    assert statuses(Path("other")).tolist() == ["skipped", "done", "skipped"]


def test_header_of_a_pair_counts(study):
    pair = nib.Nifti1Pair(make_series(LABELS).astype(np.int16), OBLIQUE)
    for given in ("sub-00_bold.hdr", "sub-00_bold.img"):
        pair.header["scl_slope"], pair.header["scl_inter"] = 1, 0
        pair.to_filename(study / "sub-00_bold.hdr")
        words = [given[-3:], "-i", given, "-r", "atlas.nii.gz", "--no_report", "--resume"]
        for expected in ("done", "skipped"):
            assert main(words) == 0
            assert statuses(Path(given[-3:])).tolist() == [expected]
        header = bytearray((study / "sub-00_bold.hdr").read_bytes())
        header[112:116] = np.float32(3).tobytes()  # scl_slope
        (study / "sub-00_bold.hdr").write_bytes(header)
        assert main(words) == 0
        assert statuses(Path(given[-3:])).tolist() == ["done"]


def test_images_that_were_copied_are_not_read_into_tables_again(study):
    (study / "moved").mkdir()
    for path in study.glob("sub-*"):
        shutil.copyfile(path, study / "moved" / path.name)
        path.unlink()
    moved = ("-i", "moved/sub-*_bold.nii.gz", "--regressor_files", "moved/sub-*_confounds.tsv")
    assert resume(*moved) == ["skipped"] * N_RUNS


def test_new_json_beside_the_image_redoes_its_run(study):
    (study / "sub-01_bold.json").write_text('{"RepetitionTime": 3.0}')
    assert resume() == ["skipped", "done", "skipped"]


def test_metrics_beside_tedanas_table_count(tmp_path):
    words = write_study(tmp_path, 1)
    confounds_path = tmp_path / "sub-00_desc-ICA_mixing.tsv"
    confounds_path.write_text("ICA_0\n" + "".join(f"{row % 5}\n" for row in range(12)))
    options = {"input_files": words[1], "roi_file": words[3], "regressor_files": str(confounds_path)}
    study = prepare(make_settings({"output_dir": tmp_path / "out", "regressors": "ICA_0", **options}))
    before = fingerprint_run(study.plans[0], study.settings)
    (tmp_path / "sub-00_desc-tedana_metrics.tsv").write_text("Component\tclassification\nICA_0\trejected\n")
    after = fingerprint_run(study.plans[0], study.settings)
    assert {what for what in after if after[what] != before[what]} == {"confounds' metrics"}


@pytest.mark.parametrize(("word", "counts"), [("ica_aroma=orthogonal", True), ("ica_aroma=basic", False)])
def test_files_of_ica_aroma_count_where_components_are_preserved(tmp_path, word, counts):
    words = write_study(tmp_path, 1)
    write_fmriprep(tmp_path, make_mixing(12))
    for path in tmp_path.glob("sub-1_*"):
        path.rename(tmp_path / path.name.replace("sub-1_", "sub-00_"))
    confounds = str(tmp_path / "sub-00_desc-confounds_timeseries.tsv")
    options = {"input_files": words[1], "roi_file": words[3], "regressor_files": confounds}
    study = prepare(make_settings({"output_dir": tmp_path / "out", "regressors": word, **options}))
    before = fingerprint_run(study.plans[0], study.settings)
    for name in ("sub-00_desc-MELODIC_mixing.tsv", "sub-00_AROMAnoiseICs.csv"):
        (tmp_path / name).write_text("1\n", "utf-8")
    after = fingerprint_run(study.plans[0], study.settings)
    changed = {what for what in after if after[what] != before[what]}
    assert changed == ({"confounds' mixing matrix", "confounds' components"} if counts else set())


def test_touched_atlas_of_the_same_content_changes_nothing(study):
    touch(study / "atlas.nii.gz")
    assert resume() == ["skipped"] * N_RUNS


def test_changed_atlas_redoes_all(study):
    labels = LABELS.copy()
    labels[1, 1, 1] = 0
    save(study / "atlas.nii.gz", labels)
    assert resume() == ["done"] * N_RUNS


def test_changed_names_redo_all(study):
    (study / "names.tsv").write_text("index\tname\n1\ta\n2\tb\n5\tother\n")
    assert resume() == ["done"] * N_RUNS


@pytest.mark.parametrize("ending", ["timeseries.tsv", "timeseries.json", "regions.tsv", "outliers.tsv"])
@pytest.mark.parametrize("how", ["missing", "cut"])
def test_incomplete_outputs_are_made_again(study, ending, how):
    path = study / f"out/sub-01_bold_{ending}"
    before = path.read_bytes()
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(before[:-10])
    assert resume() == ["skipped", "done", "skipped"]
    assert without_folder(path.read_bytes()) == without_folder(before)


def without_folder(content: bytes) -> bytes:
    """Return a file's content without the folder that the image lay in."""
    return re.sub(rb'"Path": "/.*/sub-', b'"Path": "sub-', content)


@pytest.mark.parametrize("ending", ["timeseries.tsv", "regions.tsv", "outliers.tsv"])
def test_outputs_that_were_edited_are_made_again(study, ending):
    path = study / f"out/sub-01_bold_{ending}"
    before = path.read_bytes()
    edited = before[:-3] + (b"7" if before[-3:-2] != b"7" else b"8") + before[-2:]
    replace_keeping_size_and_times(path, edited)
    assert resume() == ["skipped", "done", "skipped"]
    assert path.read_bytes() == before


def test_sidecar_with_sizes_alone_is_from_another_version(study, capsys):
    path = study / "out/sub-01_bold_timeseries.json"
    content = json.loads(path.read_bytes())
    sizes = {name: record["Bytes"] for name, record in content["Files"].items()}
    path.write_text(json.dumps({**content, "Files": sizes}))
    assert resume("-v") == ["skipped", "done", "skipped"]
    assert "its JSON file is missing, incomplete or from another version" in capsys.readouterr().err


def test_sidecar_of_any_size_is_read(study):
    path = study / "out/sub-01_bold_timeseries.json"
    path.write_bytes(path.read_bytes() + b" " * 2**24)
    assert resume() == ["skipped"] * N_RUNS


def test_voxels_are_skipped_with_a_small_sidecar(study):
    words = ["voxels", *WORDS, "--as_voxels"]
    assert main(words) == 0
    path = study / "voxels/sub-01_bold_timeseries.json"
    n_columns = (study / "voxels/sub-01_bold_timeseries.tsv").read_text().splitlines()[0].count("voxel")
    assert json.loads(path.read_bytes())["Columns"] is None
    assert path.stat().st_size < 30 * n_columns
    assert main([*words, "--resume"]) == 0
    assert statuses(Path("voxels")).tolist() == ["skipped"] * N_RUNS


@pytest.mark.parametrize("key", ["Fingerprint", "Files", "Summary", "Warnings"])
@pytest.mark.parametrize("value", [None, 3, "text", [[]]], ids=repr)
def test_edited_record_makes_its_run_again(study, key, value):
    path = Path("out/sub-01_bold_timeseries.json")
    before = path.read_bytes()
    if (key, value) == ("Warnings", [[]]):
        value = {}
    path.write_text(json.dumps({**json.loads(before), key: value}))
    assert resume() == ["skipped", "done", "skipped"]
    assert json.loads(without_folder(path.read_bytes()))[key] == json.loads(without_folder(before))[key]


def test_file_that_no_disk_can_hold_is_missing(study):
    path = Path("out/sub-01_bold_timeseries.json")
    sidecar = json.loads(path.read_bytes())
    sidecar["Files"]["a\0b"] = {"Bytes": 1, "SHA256": ""}
    path.write_text(json.dumps(sidecar))
    assert resume() == ["skipped", "done", "skipped"]


def test_edited_summary_is_no_summary(study):
    Path("out/niimasker_data/summary.tsv").write_text("image\tother\na\tb\n")
    assert resume() == ["skipped"] * N_RUNS
    assert summary(Path("out"))["seconds"].isna().all()


def test_new_image_leaves_the_others(study):
    save(study / "sub-03_bold.nii.gz", make_series(LABELS), t_r=2.0)
    shutil.copy("sub-02_confounds.tsv", "sub-03_confounds.tsv")
    assert resume() == ["skipped"] * N_RUNS + ["done"]


def test_wanted_report_that_is_missing_is_made(study):
    words = [word for word in WORDS if word != "--no_report"]
    for expected in ("done", "skipped"):
        assert main(["out", *words, "--resume"]) == 0
        assert statuses(Path("out")).tolist() == [expected] * N_RUNS
    Path("out/reports/sub-01_bold_report.html").unlink()
    assert main(["out", *words, "--resume"]) == 0
    assert statuses(Path("out")).tolist() == ["skipped", "done", "skipped"]
    assert resume() == ["skipped"] * N_RUNS
    page = Path("out/reports/index.html").read_text("utf-8")
    assert "sub-01_bold_report.html" in page


@pytest.mark.parametrize("how", ["empty", "cut"])
def test_incomplete_report_is_made_again(study, how):
    words = [word for word in WORDS if word != "--no_report"]
    assert main(["out", *words]) == 0
    path = Path("out/reports/sub-01_bold_report.html")
    before = path.read_bytes()
    path.write_bytes(b"" if how == "empty" else before[: len(before) // 2])
    assert main(["out", *words, "--resume"]) == 0
    assert statuses(Path("out")).tolist() == ["skipped", "done", "skipped"]
    assert path.read_bytes().endswith(b"</html>")


def test_page_that_tells_of_other_tables_is_no_report(study):
    words = [word for word in WORDS if word != "--no_report"]
    assert main(["out", *words]) == 0
    assert Path("out/reports/index.html").exists()
    assert main(["out", *words, "--detrend", "--no_report"]) == 0
    assert not Path("out/reports/index.html").exists()
    assert main(["out", *words, "--detrend", "--resume"]) == 0
    assert statuses(Path("out")).tolist() == ["done"] * N_RUNS


def test_several_atlases_are_one_run(study):
    shutil.copy("atlas.nii.gz", "other.nii.gz")
    words = ["both", "-i", "sub-*_bold.nii.gz", "-r", "atlas.nii.gz", "other.nii.gz", "--no_report"]
    assert main(words) == 0
    Path("both/sub-01_bold_atlas-other_regions.tsv").unlink()
    assert main([*words, "--resume"]) == 0
    assert statuses(Path("both")).tolist() == ["skipped", "done", "skipped"]


def test_verbose_says_why_a_run_is_not_skipped(study, capsys):
    resume("-v", "--detrend")
    assert "sub-01_bold: not skipped, because its settings changed" in capsys.readouterr().err


def test_every_option_that_does_not_shape_results_is_known():
    shaping = {option.name for option in OPTIONS if option.affects_results}
    files = {
        "output_dir",
        "input_files",
        "roi_file",
        "mask_img",
        "labels",
        "atlas_name",
        "atlas_dir",
        "regressor_files",
    }
    runs = {"participant_label", "session", "task", "run", "echo", "space", "res", "den", "desc", "entities", "exclude"}
    written = {"censor_file", "output_layout", "tidy", "no_report"}
    # The options within each pipeline count.
    others = {"pipelines", *RUN_LIMITS, *PER_CALL_OPTIONS}
    assert {option.name for option in OPTIONS} - shaping == files | runs | written | others
