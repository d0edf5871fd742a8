"""An output folder is of one analysis, and what belongs to the user is neither replaced nor removed."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from studies import children_of, kill, results_in, start, statuses, summary, wait_until, write_study

from niimasker import extract
from niimasker.cli import main
from niimasker.errors import OutputError, OutputLostError
from niimasker.outputs.analyses import Analysis
from niimasker.outputs.calls import find_calls, publishing, recorded
from niimasker.outputs.locks import lock, open_for_locking
from niimasker.reports import run_view
from niimasker.running.task import extract_runs

N_RUNS, N_VOLUMES = 12, 12
DATA = Path("out/niimasker_data")
SIDECAR = Path("out/sub-00_bold_timeseries.json")
ALL = ("-i", "sub-*_bold.nii.gz", "-r", "atlas.nii.gz", "--no_report")
CONFOUNDS = ("--regressor_files", "sub-*_confounds.tsv")
CLEANING = ("--regressors", "a", "--connectivity", "pearson", "--fisher_z")
FIRST = (*ALL, *CONFOUNDS, *CLEANING)
ONE = ("-i", "sub-02_bold.nii.gz", "-r", "atlas.nii.gz", "--no_report", "--regressor_files", "sub-02_confounds.tsv")


@pytest.fixture
def study(tmp_path, monkeypatch) -> Path:
    """The current folder, with 12 runs, a confounds table for each, and an atlas."""
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path, N_RUNS)
    rng = np.random.default_rng(1)
    for number in range(N_RUNS):
        table = pd.DataFrame(rng.normal(size=(N_VOLUMES, 2)).round(6), columns=["a", "b"])
        table.to_csv(f"sub-{number:02}_confounds.tsv", sep="\t", index=False)
    return tmp_path


@pytest.fixture
def niimasker(capsys):
    """A function that runs a command and returns its exit code and the lines that it says."""

    def run(*words: str) -> tuple[int, list[str]]:
        capsys.readouterr()
        code = main(words)
        lines = capsys.readouterr().err.splitlines()
        # On a busy machine there are lines about the progress too.
        said = [line for line in lines if line.split(": ")[1] in ("warning", "error", "failed")]
        return code, [line for line in said if "degrees of freedom" not in line]

    return run


def content_of(folder: str | Path) -> dict[str, bytes]:
    """Return the content of every file in a folder."""
    paths = sorted(Path(folder).rglob("*"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths if path.is_file()}


def made_with(output_dir: str | Path) -> set[str]:
    """Return the analyses that the JSON files of the runs in a folder are of."""
    sidecars = Path(output_dir).rglob("*_timeseries.json")
    parts = [json.loads(path.read_text())["Fingerprint"] for path in sidecars]
    return {str([part[name] for name in ("settings", "software", "regions", "outputs")]) for part in parts}


class TestFilesOfTheUser:
    @pytest.mark.parametrize(
        ("ending", "option", "content"),
        [("regressors", "--regressor_files", "a\tb\n" + "1\t2\n3\t5\n" * 6), ("outliers", "--censor_file", "0\n" * 12)],
    )
    def test_input_beside_the_images_is_not_replaced_by_an_output_of_its_name(
        self, study, niimasker, ending, option, content
    ):
        Path("func").mkdir()
        shutil.copy("sub-00_bold.nii.gz", "func/sub-00_bold.nii.gz")
        table = Path(f"func/sub-00_bold_{ending}.tsv")
        table.write_text(content)
        before = content_of("func")
        words = ["func", "-i", "func/*.nii.gz", "-r", "atlas.nii.gz", option, str(table), "--no_report"]
        for more in ([], ["--overwrite"], ["--dry_run"]):
            code, (line,) = niimasker(*words, *more)
            assert code == 2
            assert line.startswith(
                f"niimasker: error: {table} is an input of this call, which would replace or remove it"
            )
            assert content_of("func") == before

    @pytest.mark.parametrize("name", ["sub-00_bold_timeseries.tsv", "sub-00_bold_regions.tsv", "timeseries.tsv.gz"])
    @pytest.mark.parametrize("kind", ["file", "pipe", "dangling link", "link to itself", "folder"])
    def test_what_is_in_the_place_of_an_output_stays(self, study, niimasker, name, kind):
        path = Path("out", name)
        path.parent.mkdir()
        make = {
            "file": path.touch,
            "pipe": lambda: os.mkfifo(path),
            "dangling link": lambda: path.symlink_to("nowhere"),
            "link to itself": lambda: path.symlink_to(name),
            "folder": path.mkdir,
        }
        make[kind]()
        code, (line,) = niimasker("out", *ALL, "--tidy", "tsv.gz")
        assert code == 2
        assert line.startswith(f"niimasker: error: {path} exists and was not written by niimasker")
        assert [found.name for found in Path("out").iterdir()] == [name]

    @pytest.mark.parametrize("ending", [".tsv", ".json"])
    def test_atlas_table_in_a_bids_data_set_stays(self, study, niimasker, ending):
        path = Path(f"out/atlas-atlas_dseg{ending}")
        path.parent.mkdir()
        path.write_text("mine")
        code, (line,) = niimasker("out", *ALL, "--output_layout", "bids")
        assert (code, path.read_text()) == (2, "mine")
        assert f"{path} exists and was not written by niimasker" in line

    def test_pages_of_another_program_stay_without_reports(self, study, niimasker):
        for name in ("index.html", "group.html"):
            Path("out/reports").mkdir(parents=True, exist_ok=True)
            Path("out/reports", name).write_text("mine")
        assert niimasker("out", *ALL) == (0, [])
        assert [Path("out/reports", name).read_text() for name in ("index.html", "group.html")] == ["mine"] * 2
        code, (line,) = niimasker("out", *ALL[:-1])
        assert code == 2
        assert "out/reports/index.html exists and was not written by niimasker" in line

    def test_table_that_the_user_puts_beside_the_results_later_stays(self, study, niimasker):
        assert niimasker("out", *ALL)[0] == 0
        censor_path = Path("out/sub-00_bold_outliers.tsv")
        censor_path.write_text("0\n" * 11 + "1\n")
        code, (line,) = niimasker("out", "-i", "sub-00_bold.nii.gz", *ALL[2:], "--censor_file", str(censor_path))
        assert code == 2
        assert f"{censor_path} is an input of this call" in line

    def test_results_whose_json_files_are_gone_are_still_niimaskers(self, study, niimasker):
        assert niimasker("out", *ALL)[0] == 0
        before = results_in(Path("out"))
        for path in Path("out").glob("*.json"):
            path.unlink()
        assert niimasker("out", *ALL) == (0, [])
        assert results_in(Path("out")) == before

    def test_tables_of_version_0_0_4_are_replaced(self, study, niimasker):
        for folder in (DATA, Path("out/reports")):
            folder.mkdir(parents=True)
        (DATA / "parameters.json").write_text('{"command": "", "parameters": {}, "meta_data": {}}')
        for name in ("sub-00_bold_timeseries.tsv", "reports/sub-00_bold_report.html", "niimasker_data/atlas.nii.gz"):
            Path("out", name).write_text("old")
        code, (line,) = niimasker("out", *ALL[:-1])
        assert code == 0
        assert line.startswith("niimasker: warning: out: this call replaces 1 run made with niimasker 0.0.4")
        assert b"old" not in content_of("out").values()

    def test_files_beside_those_of_version_0_0_4_stay(self, study, niimasker):
        for folder in (DATA, Path("out/reports")):
            folder.mkdir(parents=True)
        (DATA / "parameters.json").write_text('{"command": "", "parameters": {}, "meta_data": {}}')
        notes = [DATA / "notes.txt", Path("out/reports/notes.txt")]
        for path in (Path("out/sub-00_bold_timeseries.tsv"), *notes):
            path.write_text("mine")
        assert niimasker("out", *ALL)[0] == 0
        assert all(path.read_text() == "mine" for path in notes)

    def test_files_outside_the_folder_stay_whatever_its_records_name(self, study, niimasker):
        assert niimasker("out", *ALL[:-1])[0] == 0
        names = ["mine.txt", "mine_report.html"]
        for name in names:
            Path(name).write_text("mine")
        record, sidecar = (json.loads(path.read_text()) for path in (DATA / "parameters.json", SIDECAR))
        (DATA / "parameters.json").write_text(json.dumps(record | {"files": ["../mine.txt", *record["files"]]}))
        SIDECAR.write_text(json.dumps(sidecar | {"Output": "../../mine"}))
        assert niimasker("out", *ALL, "--smoothing_fwhm", "3", "--overwrite")[0] == 0
        assert all(Path(name).read_text() == "mine" for name in names)

    def test_link_to_a_folder_may_lead_elsewhere_by_the_next_call(self, study):
        words = {"input_files": "sub-00_bold.nii.gz", "roi_file": "atlas.nii.gz", "censor_file": "link/censored.txt"}
        for name in ("first", "out"):
            Path(name).mkdir()
            Path(name, "censored.txt").write_text("0\n" * 12)
        Path("link").symlink_to("first")
        extract("out", **words)
        Path("link").unlink()
        Path("link").symlink_to("out")
        Path("out/censored.txt").rename("out/sub-00_bold_outliers.tsv")
        with pytest.raises(OutputError, match="is an input of this call"):
            extract("out", **words | {"censor_file": "link/sub-00_bold_outliers.tsv"})

    def test_library_raises(self, study):
        Path("out").mkdir()
        Path("out/sub-00_bold_timeseries.tsv").touch()
        with pytest.raises(OutputError, match="was not written by niimasker"):
            extract("out", input_files="sub-00_bold.nii.gz", roi_file="atlas.nii.gz")


class TestOneAnalysis:
    @pytest.fixture
    def done(self, study, niimasker):
        assert niimasker("out", *FIRST)[0] == 0
        return study

    def test_one_run_of_another_analysis_is_refused(self, done, niimasker):
        before = content_of("out")
        words = ("out", *ONE, "--regressors", "b", "--connectivity", "pearson")
        for more in ([], ["--dry_run"], ["--resume"]):
            code, lines = niimasker(*words, *more)
            assert code == 2
            assert lines[-1] == (
                "niimasker: error: out: 11 runs made with regressors a, fisher_z would stay there; this call has "
                "regressors b, no fisher_z. Tables of two analyses in one folder could not be told apart: give another "
                "output_dir, or --overwrite to remove what would stay."
            )
            assert content_of("out") == before

    def test_overwrite_removes_what_would_stay(self, done, niimasker):
        code, lines = niimasker("out", *ONE, "--regressors", "b", "--overwrite")
        assert code == 0
        assert [line.split(": ")[3].split(" made")[0] for line in lines] == [
            "this call replaces 1 run",
            "--overwrite removes 11 runs",
        ]
        assert {name.split("_bold")[0] for name in results_in(Path("out"))} == {"sub-02"}
        assert statuses(Path("out")).to_dict() == {"sub-02_bold": "done"}

    def test_pipeline_whose_files_have_the_names_of_another_is_refused(self, study, niimasker):
        for name, regressor in (("a.b", "a"), ("ab", "b")):
            Path(f"{regressor}.json").write_text(json.dumps({name: {"regressors": regressor}}))
        assert niimasker("out", *ALL, *CONFOUNDS, "--pipelines", "a.json") == (0, [])
        before = content_of("out")
        code, (line,) = niimasker("out", *ONE, "--pipelines", "b.json", "--resume")
        assert (code, content_of("out")) == (2, before)
        assert line.startswith(
            "niimasker: error: out: 11 runs made with pipeline a.b would stay there; this call has pipeline ab, whose "
            "files have the same names."
        )
        code, (line,) = niimasker("out", *ALL, *CONFOUNDS, "--pipelines", "b.json")
        assert code == 0
        assert "this call replaces 12 runs made with pipeline a.b by pipeline ab" in line
        assert set(summary(Path("out"))["pipeline"]) == {"ab"}

    def test_call_that_replaces_every_run_goes_on_and_says_so(self, done, niimasker):
        assert (DATA / "group.tsv").is_file()
        code, (line,) = niimasker("out", *ALL, *CONFOUNDS, "--regressors", "b")
        assert code == 0
        assert line == (
            "niimasker: warning: out: this call replaces 12 runs made with regressors a, connectivity pearson, "
            "fisher_z by regressors b, no connectivity, no fisher_z."
        )
        assert len(made_with("out")) == 1
        assert not list(Path("out").glob("*relmat*"))
        assert not (DATA / "group.tsv").exists()

    def test_run_that_fails_leaves_no_tables_of_the_earlier_analysis(self, done, niimasker):
        Path("sub-03_bold.nii.gz").write_bytes(Path("sub-03_bold.nii.gz").read_bytes()[:-20])
        assert niimasker("out", *ALL, "--detrend")[0] == 1
        assert len(made_with("out")) == 1
        assert not [name for name in results_in(Path("out")) if name.startswith("sub-03")]

    def test_other_content_of_the_atlas_is_another_analysis(self, done, niimasker):
        Path("copy").mkdir()
        shutil.copy("atlas.nii.gz", "copy/atlas.nii.gz")
        assert niimasker("out", *ONE[:3], "copy/atlas.nii.gz", *ONE[4:], *CLEANING)[0] == 0
        Path("names.tsv").write_text("index\tname\n1\tx\n2\ty\n5\tz\n")
        code, lines = niimasker("out", *ONE, *CLEANING, "--labels", "names.tsv")
        assert code == 2
        assert "11 runs made with no labels would stay there; this call has labels names.tsv" in lines[-1]

    def test_other_version_is_another_analysis(self, done, niimasker, monkeypatch):
        monkeypatch.setattr("niimasker.study.fingerprints.version", lambda package: "99.0")
        code, lines = niimasker("out", *ONE, *CLEANING)
        assert code == 2
        assert "this call has niimasker 99.0, nilearn 99.0" in lines[-1]

    def test_other_layout_is_another_analysis(self, done, niimasker):
        code, lines = niimasker("out", *FIRST, "--output_layout", "bids")
        assert code == 2
        assert "output_layout flat would stay there; this call has output_layout bids" in lines[-1]

    def test_copy_of_an_atlas_that_is_used_again_stays(self, done, niimasker):
        words = ("-i", "sub-*_bold.nii.gz", "-r", str(DATA / "atlas.nii.gz"), "--smoothing_fwhm", "3")
        assert niimasker("out", *words)[0] == 0
        assert (DATA / "atlas.nii.gz").read_bytes() == Path("atlas.nii.gz").read_bytes()

    def test_copy_of_an_atlas_that_is_no_longer_used_goes(self, done, niimasker):
        shutil.copy("atlas.nii.gz", "other.nii.gz")
        words = [*ALL[:3], "other.nii.gz", *ALL[4:]]
        assert niimasker("out", *words)[0] == 0
        assert sorted(path.name for path in DATA.iterdir()) == ["other.nii.gz", "parameters.json", "summary.tsv"]


class TestFurtherRuns:
    def add(self, *words: str) -> None:
        for number in range(N_RUNS):
            part = ("-i", f"sub-{number:02}_bold.nii.gz", "--regressor_files", f"sub-{number:02}_confounds.tsv")
            assert main(["out", *part, *words]) == 0

    WORDS = ("-r", "atlas.nii.gz", "--regressors", "a", "--connectivity", "pearson", "--tidy", "tsv.gz")

    def test_runs_one_by_one_give_what_one_call_gives(self, study):
        self.add(*self.WORDS)
        apart, rows = results_in(Path("out")), summary(Path("out")).drop(columns="seconds")
        of_study = {name: (DATA / name).read_bytes() for name in ("group.tsv", "group_edges.tsv", "atlas.nii.gz")}
        index = Path("out/reports/index.html").read_text()
        shutil.rmtree("out")
        assert main(["out", *ALL[:2], *CONFOUNDS, *self.WORDS]) == 0
        ours = results_in(Path("out"))
        assert {name: ours[name] for name in ours if name.endswith(".tsv.gz")} == {
            name: apart[name] for name in apart if name.endswith(".tsv.gz")
        }
        assert {name: each for name, each in ours.items() if name.endswith(".tsv")} == {
            name: each for name, each in apart.items() if name.endswith(".tsv")
        }
        assert summary(Path("out")).drop(columns="seconds").equals(rows)
        assert {name: (DATA / name).read_bytes() for name in of_study} == of_study
        assert all(f"sub-{number:02}_bold_report.html" in index for number in range(N_RUNS))

    def test_calls_at_the_same_time_make_one_summary(self, study):
        out = str(study / "out")
        words = [("-i", str(study / f"sub-{first}*_bold.nii.gz"), "-r", str(study / "atlas.nii.gz")) for first in "01"]
        processes = [start(out, *each, "--connectivity", "pearson", "--tidy", "tsv.gz") for each in words]
        assert [process.communicate(timeout=120) and process.returncode for process in processes] == [0, 0]
        assert statuses(Path("out")).to_dict() == {f"sub-{number:02}_bold": "done" for number in range(N_RUNS)}
        assert (DATA / "group.tsv").is_file()
        assert "sub-11_bold_report.html" in Path("out/reports/index.html").read_text()
        assert len(pd.read_csv("out/timeseries.tsv.gz", sep="\t")["run"].unique()) == N_RUNS
        assert not find_calls(DATA)

    def test_run_whose_image_is_gone_is_named(self, study, niimasker):
        assert niimasker("out", *ALL)[0] == 0
        Path("sub-05_bold.nii.gz").unlink()
        code, (line,) = niimasker("out", *ALL, "--resume")
        assert code == 0
        assert (
            "out holds 1 run whose image is no longer there: sub-05_bold; to take a run out, remove its files" in line
        )
        assert len(summary(Path("out"))) == N_RUNS
        for path in Path("out").glob("sub-05_bold_*"):
            path.unlink()
        assert niimasker("out", *ALL, "--resume") == (0, [])
        assert "sub-05_bold" not in summary(Path("out")).index

    def test_runs_of_an_earlier_call_that_are_excluded_now_are_named(self, study, niimasker):
        assert niimasker("out", *ALL)[0] == 0
        Path("ratings.tsv").write_text("image\trating\nsub-05_bold.nii.gz\tleave\nsub-06_bold.nii.gz\tkeep\n")
        code, (line,) = niimasker("out", *ALL, "--resume", "--exclude", "ratings.tsv")
        assert code == 0
        assert "out holds 1 run of an earlier call that --exclude leaves out: sub-05_bold; the index, the group" in line
        assert len(summary(Path("out"))) == N_RUNS
        assert niimasker("new", *ALL, "--exclude", "ratings.tsv") == (0, [])
        assert len(summary(Path("new"))) == N_RUNS - 1

    def test_failed_run_whose_image_is_gone_leaves_the_summary(self, study, niimasker):
        image = Path("sub-05_bold.nii.gz")
        image.write_bytes(b"")
        assert niimasker("out", *ALL)[0] == 1
        image.unlink()
        assert niimasker("out", *ALL, "--resume") == (0, [])
        assert image.name not in summary(Path("out"))["image"].values

    def test_run_that_another_call_did_not_start_keeps_no_group_back(self, study, niimasker):
        Path("sub-00_bold.nii.gz").write_bytes(b"")
        words = (*ALL, "--connectivity", "pearson", "-q")
        assert niimasker("out", *words, "--fail_fast")[0] == 1
        assert niimasker("out", "-i", "sub-0[2-9]_bold.nii.gz", "sub-1*_bold.nii.gz", *words[2:]) == (0, [])
        assert statuses(Path("out"))["sub-01_bold"] == "not started"
        assert (DATA / "group.tsv").is_file()

    def test_study_whose_summary_cannot_be_written_is_resumed(self, study, niimasker, monkeypatch):
        def fail(*_):
            raise OutputError("the disk is full")

        with monkeypatch.context() as changes:
            changes.setattr("niimasker.running.study_files.write_summary", fail)
            assert niimasker("out", *ALL)[0] == 1
        assert niimasker("out", *ALL, "--resume") == (0, [])
        assert set(statuses(Path("out"))) == {"skipped"}

    def test_other_runs_in_the_folder_are_listed(self, study, capsys):
        assert main(["out", *ALL]) == 0
        assert "other" not in capsys.readouterr().out
        assert main(["out", *ONE[:5]]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[2].startswith("11 other runs in out: sub-00_bold, sub-01_bold, sub-03_bold, ")
        assert lines[2].endswith("to take one out, remove its files (such as sub-00_bold_*) and call niimasker again")

    def test_run_of_the_same_name_from_another_image_is_refused(self, study, niimasker):
        for site in ("a", "b"):
            Path(site).mkdir()
            shutil.copy(f"sub-0{'ab'.index(site)}_bold.nii.gz", f"{site}/sub-01_bold.nii.gz")
        words = ("-r", "atlas.nii.gz", "--no_report")
        assert niimasker("out", "-i", "a/sub-01_bold.nii.gz", *words) == (0, [])
        before = results_in(Path("out"))
        code, (line,) = niimasker("out", "-i", "b/sub-01_bold.nii.gz", *words)
        assert code == 2
        assert "out: sub-01_bold is there already, made from a/sub-01_bold.nii.gz; this call would replace it" in line
        assert results_in(Path("out")) == before
        assert niimasker("out", "-i", "b/sub-01_bold.nii.gz", *words, "--overwrite") == (0, [])
        Path("a/sub-01_bold.nii.gz").unlink()
        shutil.move("b/sub-01_bold.nii.gz", "a")
        assert niimasker("out", "-i", "a/sub-01_bold.nii.gz", *words) == (0, [])

    def test_run_whose_subject_is_gone_from_a_data_set_is_named(self, study, niimasker):
        for number in (1, 2):
            Path(f"data/sub-0{number}/func").mkdir(parents=True)
            shutil.copy(f"sub-0{number}_bold.nii.gz", f"data/sub-0{number}/func/sub-0{number}_desc-preproc_bold.nii.gz")
        words = ("out", "-i", "data", "-r", "atlas.nii.gz", "--no_report")
        assert niimasker(*words) == (0, [])
        shutil.rmtree("data/sub-01")
        code, (line,) = niimasker(*words)
        assert code == 0
        assert "1 run whose image is no longer there: sub-01_desc-preproc_bold" in line

    def test_index_that_another_call_writes_meanwhile_is_kept_true(self, study, niimasker, monkeypatch):
        def extract_beside(task):
            # A call with reports begins and ends within one without.
            if not Path("out/reports/index.html").exists():
                monkeypatch.setattr("niimasker.running.execution.extract_runs", extract_runs)
                assert main(["out", "-i", "sub-03_bold.nii.gz", "-r", "atlas.nii.gz"]) == 0
            return extract_runs(task)

        monkeypatch.setattr("niimasker.running.execution.extract_runs", extract_beside)
        assert niimasker("out", *ONE[:5]) == (0, [])
        index = Path("out/reports/index.html").read_text()
        assert "sub-02_bold" in index
        assert "sub-03_bold_report.html" in index
        assert niimasker("out", *ALL[:-1]) == (0, [])

    def test_pages_of_the_other_runs_stay_with_their_index(self, study, niimasker):
        assert niimasker("out", *ALL[:-1])[0] == 0
        assert niimasker("out", *ONE[:5]) == (0, [])
        index = Path("out/reports/index.html").read_text()
        assert [f"sub-{number:02}_bold_report.html" in index for number in range(4)] == [True, True, False, True]
        assert niimasker("out", *ALL) == (0, [])
        assert not list(Path("out/reports").glob("*.html"))

    def test_finished_run_that_the_summary_does_not_list_yet_enters_it(self, study, niimasker):
        assert niimasker("out", *ALL)[0] == 0
        before = summary(Path("out")).drop(columns="seconds")
        (DATA / "summary.tsv").unlink()
        assert niimasker("out", *ONE[:5]) == (0, [])
        assert summary(Path("out")).drop(columns="seconds").equals(before)


HELD = """
import threading
from pathlib import Path
from niimasker.running import execution

extract_runs = execution.extract_runs

def hold(task):
    result = extract_runs(task)
    if task.plans[0].run.output_stem == "sub-01_bold":
        Path("held").touch()
        threading.Event().wait()
    return result

execution.extract_runs = hold
"""


class TestTwoCalls:
    @pytest.fixture
    def held(self, study):
        """A call that is at work in the folder; its first two runs are done."""
        process = start("out", *ALL, code=HELD)
        wait_until(Path("held").exists, "two runs are done")
        yield process
        process.kill()
        process.communicate()

    def test_other_settings_are_refused(self, held, niimasker):
        before = results_in(Path("out"))
        code, lines = niimasker("out", *ALL, "--detrend")
        assert code == 2
        assert f"another niimasker (process {held.pid} on " in lines[-1]
        assert "is at work there with no detrend, and this call has detrend; wait until it has ended" in lines[-1]
        assert results_in(Path("out")) == before

    def test_same_runs_are_refused(self, held, niimasker):
        code, (line,) = niimasker("out", *ALL)
        assert code == 2
        assert "is at work there with the same runs (sub-00_bold, " in line

    def test_summary_is_there_from_the_beginning(self, held):
        assert statuses(Path("out")).to_dict() == {f"sub-{number:02}_bold": "not started" for number in range(N_RUNS)}

    def test_killed_call_is_taken_over(self, held, niimasker):
        kill(held.pid)
        held.communicate()
        assert [call.is_abandoned for call in find_calls(DATA)] == [True]
        left = Path("out/sub-07_bold_timeseries.tsv")
        left.write_text("half of a table")
        code, (line,) = niimasker("out", *ALL[:1], "sub-0[0-4]_bold.nii.gz", *ALL[2:], "--detrend")
        assert code == 0
        assert "this call replaces 2 runs made with no detrend by detrend" in line
        assert len(made_with("out")) == 1
        assert not left.exists()
        assert not find_calls(DATA)

    def test_what_a_killed_call_did_not_complete_goes_also_with_other_runs(self, held, niimasker):
        kill(held.pid)
        held.communicate()
        left = Path("out/sub-07_bold_timeseries.tsv")
        left.write_text("a table whose JSON file was not written any more")
        before = results_in(Path("out"))
        assert niimasker("out", *ONE[:5]) == (0, [])
        del before[left.name]
        assert before.items() <= results_in(Path("out")).items()
        assert not left.exists()

    def test_killed_call_is_resumed(self, held, niimasker):
        kill(held.pid)
        held.communicate()
        assert niimasker("out", *ALL, "--resume") == (0, [])
        ended = statuses(Path("out"))
        assert (ended == "skipped").sum() == 2
        disturbed = results_in(Path("out"))
        shutil.rmtree("out")
        assert niimasker("out", *ALL) == (0, [])
        assert results_in(Path("out")) == disturbed

    def test_worker_that_a_killed_call_left_behind_writes_nothing(self, tmp_path):
        analysis = Analysis(dict.fromkeys(("settings", "software", "regions", "outputs"), "a"), {})
        with recorded(tmp_path, analysis, keys=["a"], runs=["r"], files=[]) as record:
            with publishing(record.path):
                pass
            record.retire()
            with pytest.raises(OutputLostError, match="taken over"), publishing(record.path):
                pytest.fail("it may not write")

    def test_worker_that_a_killed_call_left_behind_writes_no_page(self, study, niimasker, monkeypatch):
        make_view = run_view.make_view

        def make_view_late(*arguments, **options):
            # As if another call had taken over after the tables were written.
            for call in find_calls(DATA):
                call.record_path.unlink()
            return make_view(*arguments, **options)

        monkeypatch.setattr(run_view, "make_view", make_view_late)
        code, lines = niimasker("out", *ONE[:4])
        assert code == 0
        assert "the report could not be written: out: another call of niimasker has taken over" in lines[0]
        assert not Path("out/reports/sub-02_bold_report.html").exists()

    def test_long_table_is_written_while_no_other_call_can_begin(self, study, niimasker, monkeypatch):
        held = []

        def write(settings, *_, **__):
            held.append((DATA / ".lock").is_file())
            return Path("table")

        monkeypatch.setattr("niimasker.running.study_files.write_long_table", write)
        assert niimasker("out", *ONE[:5], "--tidy", "tsv.gz") == (0, [])
        assert held == [True]

    def test_call_is_not_taken_for_abandoned_because_somebody_asked_as_it_began(self, tmp_path, monkeypatch):
        def open_while_somebody_asks(path: Path) -> int:
            asking = open_for_locking(path)
            assert lock(asking)
            threading.Timer(0.1, os.close, [asking]).start()
            return open_for_locking(path)

        with monkeypatch.context() as changes:
            changes.setattr("niimasker.outputs.calls.open_for_locking", open_while_somebody_asks)
            recording = recorded(tmp_path, Analysis({}, {}), keys=["a"], runs=["r"], files=[])
            recording.__enter__()
        assert [call.is_abandoned for call in find_calls(tmp_path)] == [False]
        recording.__exit__(None, None, None)
        assert not find_calls(tmp_path)

    def test_call_that_is_publishing_is_not_taken_for_abandoned(self, tmp_path):
        analysis = Analysis({}, {})
        with recorded(tmp_path, analysis, keys=["a"], runs=["r"], files=[]) as record:
            os.close(os.dup(record.descriptor))
            with publishing(record.path):
                (call,) = find_calls(tmp_path)
                assert call.is_abandoned is False


def test_processes_that_are_left_behind_end(study):
    process = start("out", *ALL, "--n_jobs", "2", code=HELD)
    wait_until(lambda: len(children_of(process.pid)) == 2, "two workers have started")
    workers = children_of(process.pid)
    kill(process.pid)
    process.communicate()
    wait_until(lambda: not any(Path(f"/proc/{pid}/stat").exists() for pid in workers), "the workers have ended")
    time.sleep(0.1)
    before = content_of("out")
    assert content_of("out") == before
