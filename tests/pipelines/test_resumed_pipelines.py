"""--resume, --shard and later calls do what is missing of each pipeline, and keep the rest."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from cleaned_studies import PIPELINES, WORDS, write_study
from pipeline_tables import (
    call,
    files_of,
    label_of,
    record,
    results_in,
    statuses,
    summary,
    tables_alone,
    tables_of,
    write_pipelines,
)

RUNS = ("sub-01", "sub-02")
LONG_AGO = 10**18


@pytest.fixture
def study(folder) -> Path:
    """The current folder: a study and its outputs of all pipelines, written long ago."""
    write_study(2)
    assert call("out", *WORDS, "--pipelines", write_pipelines("pipelines.json", PIPELINES)).code == 0
    for path in Path("out").rglob("*"):
        os.utime(path, ns=(LONG_AGO, LONG_AGO))
    return folder


def resume(pipelines: dict[str, Any] = PIPELINES, *words: object, code: int = 0) -> dict[tuple[str, str], str]:
    """Resume, and return what became of each run."""
    result = call("out", *WORDS, "--pipelines", write_pipelines("pipelines.json", pipelines), "--resume", *words)
    assert result.code == code, result
    return statuses()


def ends(done: set[tuple[str, str]], pipelines: dict[str, Any] = PIPELINES) -> dict[tuple[str, str], str]:
    """Return that these runs are done, and the others skipped."""
    runs = [(run, name) for run in RUNS for name in pipelines]
    return {each: "done" if each in done else "skipped" for each in runs}


def rewritten() -> set[str]:
    """Return the files of runs that have been written since."""
    paths = (Path("out", name) for name in results_in("out"))
    return {path.name for path in paths if path.stat().st_mtime_ns != LONG_AGO}


def made_anew(pipelines: dict[str, Any], name: str = "anew") -> dict[str, bytes]:
    """Return the files that these pipelines write into an empty folder."""
    assert call(name, *WORDS, "--pipelines", write_pipelines("anew.json", pipelines)).code == 0
    return results_in(name)


def test_finished_pipelines_are_not_touched(study):
    assert resume() == ends(set())
    assert rewritten() == set()


def test_images_are_not_read_where_all_is_done(study):
    for path in Path().glob("sub-*_bold.nii"):
        found = path.stat()
        with path.open("r+b") as file:
            file.seek(-4000, os.SEEK_END)
            file.write(bytes(4000))
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert resume() == ends(set())


@pytest.mark.parametrize("name", PIPELINES)
def test_pipeline_without_its_tables_is_done_again(study, name):
    before = results_in("out")
    for path in Path("out").glob(f"sub-01*_desc-{label_of(name)}_*.tsv"):
        path.unlink()
    assert resume() == ends({("sub-01", name)})
    assert results_in("out") == before
    assert {path.partition("_task-rest_bold_desc-")[0] for path in rewritten()} == {"sub-01"}
    assert all(f"_desc-{label_of(name)}_" in path for path in rewritten())


def test_added_pipeline_is_done_alone(study):
    new = {"36P": {"regressors": ["motion=power2"], "detrend": True}}
    assert resume({**PIPELINES, **new}) == ends({(run, "36P") for run in RUNS}, {**PIPELINES, **new})
    assert all("_desc-36P_" in path for path in rewritten())
    assert results_in("out") == made_anew({**PIPELINES, **new})


def test_added_in_front_too(study):
    new = {"36P": {"regressors": ["motion=power2"], "detrend": True}, **PIPELINES}
    assert resume(new) == ends({(run, "36P") for run in RUNS}, new)


def test_changed_pipeline_is_done_again_alone(study):
    changed = {**PIPELINES, "6P+filter": {**PIPELINES["6P+filter"], "low_pass": 0.12}}
    assert resume(changed) == ends({(run, "6P+filter") for run in RUNS})
    assert all("_desc-6P+filter_" in path for path in rewritten())
    assert results_in("out") == made_anew(changed)
    assert record()["parameters"]["pipelines"] == changed


def test_changed_censor_file_redoes_the_pipeline_that_reads_it(study):
    for number in (1, 2):
        Path(f"sub-{number:02}_task-rest_censor.txt").write_text("1\n" * 3 + "0\n" * 45)
    pipelines = {**PIPELINES, "own": {"censor_file": "sub-*_censor.txt"}}
    resume(pipelines)
    Path("sub-02_task-rest_censor.txt").write_text("1\n" * 4 + "0\n" * 44)
    assert resume(pipelines) == ends({("sub-02", "own")}, pipelines)


def test_option_of_the_call_redoes_the_pipelines_that_inherit_it(study):
    """A pipeline that has the option itself is the same as before."""
    expected = {(run, name) for run in RUNS for name in PIPELINES if "detrend" not in PIPELINES[name]}
    assert resume(PIPELINES, "--detrend") == ends(expected)


def test_option_that_all_share_redoes_all(study):
    assert set(resume(PIPELINES, "--smoothing_fwhm", "5").values()) == {"done"}


def test_pipeline_that_is_left_out_stays(study):
    before = results_in("out")
    fewer = {name: PIPELINES[name] for name in list(PIPELINES)[:2]}
    found = resume(fewer)
    assert set(found) == set(ends(set()))
    assert results_in("out") == before
    assert set(summary()["status"]) == {"done"}
    assert resume() == ends(set())


def test_other_pipelines_alone_stand_beside_the_first(study):
    before = results_in("out")
    assert call("out", *WORDS, "--pipelines", write_pipelines("new.json", {"new": {"detrend": True}})).code == 0
    found = results_in("out")
    assert {name: found[name] for name in before} == before
    assert {name for _, name in statuses()} == {*PIPELINES, "new"}


def test_failed_pipeline_is_tried_again_alone(study):
    bad = {"bad": {"regressors": ["compcor"]}}
    found = resume({**PIPELINES, **bad}, code=1)
    assert found == ends(set()) | {(run, "bad"): "failed" for run in RUNS}
    found = resume({**PIPELINES, "bad": {"regressors": ["csf"]}})
    assert found == ends({(run, "bad") for run in RUNS}, {**PIPELINES, "bad": {}})


def test_dry_run_says_what_is_skipped(study):
    for path in Path("out").glob("sub-01*_desc-raw_*.tsv"):
        path.unlink()
    result = call("out", *WORDS, "--pipelines", "pipelines.json", "--resume", "--dry_run")
    assert "1 to do, 5 to skip, 0 with errors" in result.out
    lines = [line for line in result.out.splitlines() if line.startswith("sub-") and "to do" in line]
    assert len(lines) == 1
    assert "raw" in lines[0]


def test_touched_image_is_the_same(study):
    for path in Path().glob("sub-*_bold.nii"):
        os.utime(path)
    assert resume() == ends(set())
    assert rewritten() == set()


def test_same_cleaning_under_another_name_is_another_pipeline(study):
    renamed = {"other": PIPELINES["raw"]}
    found = resume(renamed)
    assert {end for (_, name), end in found.items() if name == "other"} == {"done"}
    assert tables_of("out", "other") == tables_of("out", "raw")


@pytest.mark.parametrize("option", ["bids", "flat"])
def test_layouts_are_resumed(study, option):
    words = [*WORDS, "--pipelines", "pipelines.json", "--output_layout", option, "--tidy", "tsv.gz"]
    assert call("new", *words).code == 0
    before = results_in("new")
    assert call("new", *words, "--resume").code == 0
    assert set(statuses("new").values()) == {"skipped"}
    assert results_in("new") == before


class TestShards:
    N = 5

    @pytest.fixture
    def words(self, folder) -> list[str]:
        """The words of a study of five runs and all pipelines."""
        write_study(self.N)
        return ["out", *WORDS, "--pipelines", write_pipelines("pipelines.json", PIPELINES)]

    def test_all_parts_write_what_one_call_writes(self, words):
        for part in (2, 1):
            assert call(*words, "--shard", f"{part}/2").code == 0
        parts, table = results_in("out"), summary().drop(columns="seconds")
        assert call("whole", *words[1:]).code == 0
        assert results_in("whole") == parts
        assert summary("whole").drop(columns="seconds").equals(table)

    def test_part_has_all_pipelines_of_its_images(self, words):
        """Each image is read once, in whatever number of parts."""
        assert call(*words, "--shard", "2/2").code == 0
        found = statuses()
        assert len(found) == self.N * len(PIPELINES)
        done = [run for (run, _), end in found.items() if end == "done"]
        assert done == [run for run in ("sub-02", "sub-04") for _ in PIPELINES]

    def test_resume_does_the_rest(self, words):
        call(*words, "--shard", "1/2")
        assert call(*words, "--resume").code == 0
        expected = {
            (f"sub-0{number}", name): ("done", "skipped")[number % 2] for number in range(1, 6) for name in PIPELINES
        }
        assert statuses() == expected

    def test_call_without_pipelines_into_the_folder_stays_one_analysis(self, words):
        """As with other settings: refused, or all tables of the folder are in the summary."""
        assert call(*words).code == 0
        result = call("out", *WORDS)
        if result.code == 0:
            assert len(summary()) == self.N * (1 + len(PIPELINES))
            assert len(files_of("out", "raw")) == 3 * self.N
        else:
            assert result.code == 2
            call("alone", *WORDS)
            assert not set(tables_alone("alone")) & set(results_in("out"))
