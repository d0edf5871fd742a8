"""A run that fails has a page with its motion, if a table of it can be read; --resume never takes it for complete."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from images import make_series, save
from studies import LABELS, statuses, summary, write_study

from niimasker.cli import main
from niimasker.errors import NiimaskerWarning
from niimasker.options.merging import make_settings
from niimasker.outputs.outcomes import Outcome
from niimasker.running.run_pages import RunPages
from niimasker.study.preparation import prepare
from niimasker.study.run_motion import find_motion

N_VOLUMES = 12
STILL, MOVING = [0.1] * N_VOLUMES, [0.9] * N_VOLUMES
FAILS, LABELS_PATH = "sub-01_bold", "atlas.nii.gz"
PAGE = Path(f"out/reports/{FAILS}_report.html")
SCRUB = ("--scrub", "--std_dvars_threshold", "0", "--scrub_segment", "0", "--regressors", "x", "--discard_scans", "1")


def write_confounds(folder: Path, number: int, displacement: list[float], columns: str = "x\tframewise_displacement"):
    rng = np.random.default_rng(number)
    n_more = columns.count("\t") - 1
    rows = [
        "\t".join(map(str, [rng.normal(), "n/a" if not row else value, *[1 + value] * n_more]))
        for row, value in enumerate(displacement)
    ]
    path = folder / f"sub-{number:02}_desc-confounds_timeseries.tsv"
    path.write_text("\n".join([columns, *rows]) + "\n")
    return path


@pytest.fixture
def study(tmp_path, monkeypatch) -> Path:
    """The current folder: three runs, of which the second moves all the time."""
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path, 3)
    for number, displacement in enumerate((STILL, MOVING, STILL)):
        write_confounds(tmp_path, number, displacement)
    return tmp_path


@pytest.fixture(params=[1, 2], ids=["one process", "two processes"])
def call(request, study) -> Callable[..., int]:
    """Call niimasker in one process and in two."""
    words = ("out", "-i", "sub-*_bold.nii.gz", "-r", "atlas.nii.gz", "--n_jobs", str(request.param))
    return lambda *more: main([*words, *more])


def text_of(path: Path = PAGE) -> str:
    return path.read_text("utf-8")


def figure_of(path: Path = PAGE) -> dict:
    """The figure of motion on a page, as plotly's JSON."""
    (data,) = re.findall(r'<script type="application/json" id="motion-figure">(.*?)</script>', text_of(path))
    return json.loads(data)


def linked_runs() -> dict[str, str | None]:
    """The link to each run's page on the index."""
    page = Path("out/reports/index.html").read_text("utf-8")
    (data,) = re.findall(r'<script type="application/json" id="study">(.*?)</script>', page)
    return {run[0]: run[4] for run in json.loads(data)["runs"]}


def pages() -> set[str]:
    return {path.name.partition("_")[0] for path in Path("out/reports").glob("*_report.html")}


def damage(folder: Path, number: int = 1) -> bytes:
    """Cut an image, and return what it was."""
    path = folder / f"sub-{number:02}_bold.nii.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[:-200])
    return whole


def test_run_whose_volumes_are_all_censored_has_a_page(call):
    assert call(*SCRUB, "--discard_scans", "2") == 1
    text = text_of()
    assert '<span class="status bad">failed</span>' in text
    assert "all 10 volumes that are not discarded are censored" in text
    figure = figure_of()
    assert figure["data"][0]["y"] == [None, *MOVING[1:]]
    limit, concern = (shape for shape in figure["layout"]["shapes"] if shape["type"] == "line")
    assert (concern["line"]["dash"], concern["y0"]) == ("dot", 0.2)
    assert (limit["y0"], limit["y1"]) == (0.5, 0.5)
    shaded = [(shape["x0"], shape["x1"]) for shape in figure["layout"]["shapes"] if shape["type"] == "rect"]
    assert shaded == [(-1.0, 3.0), (3.0, 23.0)]  # in seconds, at a repetition time of 2
    assert "0.90 mm" in text
    assert "sub-01_desc-confounds_timeseries.tsv</td>" in text
    assert linked_runs()[FAILS] == PAGE.name


def test_every_failed_run_with_motion_has_a_page(call, study):
    damage(study)
    call("--regressors", "x", "--timeout", "60")
    assert pages() == {"sub-00", "sub-01", "sub-02"}
    assert "broken" in text_of()
    # No limits, no censored volumes.
    assert [shape["line"]["dash"] for shape in figure_of()["layout"]["shapes"]] == ["dot"]


def test_too_few_degrees_of_freedom(call, study):
    write_confounds(study, 1, [*STILL[:4], *MOVING[4:]])
    assert call(*SCRUB, "--detrend") == 1
    assert "degrees of freedom" in text_of()
    assert "kept (25%)" in text_of()


def test_table_of_another_length_is_shown_without_marks(call, study):
    write_confounds(study, 1, STILL[:9])
    assert call("--regressors", "x") == 1
    assert "the table has 9 rows and the image 12 volumes" in text_of()
    assert len(figure_of()["data"][0]["y"]) == 9
    assert re.search("9</b><span>rows in the table of confounds", text_of())


def test_column_that_is_missing(call, study):
    write_confounds(study, 1, STILL, "y\tframewise_displacement\tstd_dvars")
    assert call("--regressors", "x") == 1
    assert len(figure_of()["data"]) == 2
    assert "--regressors has unknown words" in text_of()


def test_image_whose_header_cannot_be_read(call, study):
    (study / f"{FAILS}.nii.gz").write_bytes(b"no image")
    assert call("--regressors", "x") == 1
    assert "the image&#39;s header cannot be read" in text_of()
    assert "not known</b><span>volumes in the image" in text_of()


def test_displacement_from_motion_parameters(call, study):
    names = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
    rows = ["\t".join([str(0.3 * row), *["0"] * 5]) for row in range(N_VOLUMES)]
    (study / "sub-01_desc-confounds_timeseries.tsv").write_text("\n".join(["\t".join(names), *rows]) + "\n")
    assert call("--regressors", "x") == 1
    assert figure_of()["data"][0]["y"][1:] == pytest.approx([0.3] * 11)
    assert "framewise displacement from the motion parameters" in text_of()


@pytest.mark.parametrize("filter_options", [{}, {"motion_filter": "lp", "band_stop_min": 5}])
def test_motion_is_that_by_which_volumes_are_censored(study, filter_options):
    names = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
    rows = ["\t".join([str(0.6 * (row % 2) + 0.7 * (row > 6)), *["0"] * 5]) for row in range(N_VOLUMES)]
    Path("motion.tsv").write_text("\n".join(["\t".join(names), *rows]) + "\n")
    scrub = {"scrub": True, "fd_threshold": 0.2, "std_dvars_threshold": 0, "scrub_segment": 0}
    words = {"input_files": f"{FAILS}.nii.gz", "roi_file": "atlas.nii.gz", "regressor_files": "motion.tsv"}
    settings = make_settings({"output_dir": "out", **words, "regressors": "none", **scrub, **filter_options})
    (plan,) = prepare(settings).plans
    motion = find_motion(plan.run, settings, plan.series)
    assert motion.timeline.kept.tolist() == plan.timeline.kept.tolist()
    assert (motion.timeline.n_censored == N_VOLUMES - 1) == (not filter_options)


@pytest.mark.parametrize(
    "content", ["x\ty\n" + "0\t1\n" * N_VOLUMES, "\0", "x\tframewise_displacement\n" + "0\tn/a\n" * 12]
)
def test_run_without_motion_has_no_page(call, study, content):
    (study / "sub-01_desc-confounds_timeseries.tsv").write_text(content)
    damage(study)
    assert call("--regressors", "x") == 1
    assert pages() == {"sub-00", "sub-02"}
    assert linked_runs()[FAILS] is None


def test_no_report_writes_no_page_and_removes_that_of_an_earlier_failure(call):
    call(*SCRUB, "--no_report")
    assert not PAGE.exists()
    call(*SCRUB)
    assert PAGE.exists()
    call(*SCRUB, "--no_report", "--resume")
    assert pages() == {"sub-00", "sub-02"}
    assert linked_runs()[FAILS] is None


def test_excluded_run_without_tables_has_a_page(call):
    assert call(*SCRUB, "--max_censored", "0.5") == 0
    assert '<span class="status bad">excluded</span>' in text_of()
    assert linked_runs()[FAILS] == PAGE.name


def test_pipelines_have_pages_of_their_own(study):
    Path("pipelines.json").write_text('{"all": {"scrub": true, "scrub_segment": 0}, "none": {"regressors": "none"}}')
    words = ["out", "-i", "sub-*_bold.nii.gz", "-r", "atlas.nii.gz", "--pipelines", "pipelines.json"]
    assert main([*words, "--std_dvars_threshold", "0", "--regressors", "x", "--discard_scans", "1"]) == 1
    failed = Path(f"out/reports/{FAILS}_desc-all_report.html")
    assert "pipeline all</h1>" in text_of(failed)
    assert "complete, look at minutes kept" in text_of(Path(f"out/reports/{FAILS}_desc-none_report.html"))


class TestLaterCalls:
    def test_page_is_replaced_when_the_run_is_done(self, call, study):
        call(*SCRUB)
        assert '<span class="status bad">failed</span>' in text_of()
        write_confounds(study, 1, STILL)
        assert call(*SCRUB, "--resume") == 0
        assert statuses(Path("out")).tolist() == ["skipped", "done", "skipped"]
        assert '<span class="status bad">failed</span>' not in text_of()
        assert "carpet-figure" in text_of()

    def test_page_is_removed_when_the_run_is_done_without_pages(self, call, study):
        call(*SCRUB)
        write_confounds(study, 1, STILL)
        assert call(*SCRUB, "--resume", "--no_report") == 0
        assert not PAGE.exists()

    def test_run_whose_tables_are_older_than_its_failure_is_done_again(self, call, study):
        assert call("--regressors", "x") == 0
        whole = damage(study)
        assert call("--regressors", "x") == 1
        assert "broken" in text_of()
        (study / f"{FAILS}.nii.gz").write_bytes(whole)
        assert call("--regressors", "x", "--resume") == 0
        assert statuses(Path("out")).tolist() == ["skipped", "done", "skipped"]
        assert "complete, look at minutes kept" in text_of()

    def test_page_of_a_failure_is_gone_where_the_tables_are_good_and_no_page_is_wanted(self, call, study):
        call("--regressors", "x")
        whole = damage(study)
        call("--regressors", "x")
        (study / f"{FAILS}.nii.gz").write_bytes(whole)
        assert call("--regressors", "x", "--resume", "--no_report") == 0
        assert statuses(Path("out")).tolist() == ["skipped"] * 3
        assert not PAGE.exists()

    def test_other_settings_replace_it(self, call):
        call(*SCRUB)
        assert call("--regressors", "x") == 0
        assert "complete, look at minutes kept" in text_of()

    def test_other_settings_without_the_run_remove_it(self, call):
        call(*SCRUB)
        words = ("out", "-i", "sub-00_bold.nii.gz", "sub-02_bold.nii.gz", "-r", "atlas.nii.gz")
        assert main([*words, "--detrend"]) == 0
        assert pages() == {"sub-00", "sub-02"}
        assert call("--detrend") == 0

    def test_page_that_no_table_lists_is_known_as_niimaskers(self, call):
        call(*SCRUB)
        shutil.move(PAGE, "page.html")
        shutil.rmtree("out")
        PAGE.parent.mkdir(parents=True)
        shutil.move("page.html", PAGE)
        assert call(*SCRUB) == 1
        assert "motion-figure" in text_of()

    def test_page_of_somebody_else_is_not_replaced(self, call, capsys):
        PAGE.parent.mkdir(parents=True)
        PAGE.write_text("mine")
        assert call(*SCRUB) == 2
        assert "was not written by niimasker" in capsys.readouterr().err
        assert text_of() == "mine"


def test_page_that_cannot_be_written_is_a_warning(study):
    prepared = prepare(
        make_settings({"output_dir": "out", "input_files": "sub-*_bold.nii.gz", "roi_file": LABELS_PATH})
    )
    pages_of_study = RunPages(prepared, (), Path("out/niimasker_data/.call-of-another.json"))
    with pytest.warns(NiimaskerWarning, match=f"{FAILS}_report.html is not written: .* another call"):
        pages_of_study.write(Outcome(prepared.runs[1], reason="damaged"))
    assert not PAGE.exists()


def test_shards_write_the_pages_of_their_own_runs(study):
    for shard in ("1/3", "2/3", "3/3"):
        main(["out", "-i", "sub-*_bold.nii.gz", "-r", "atlas.nii.gz", *SCRUB, "--shard", shard])
    assert summary(Path("out"))["status"].tolist() == ["done", "failed", "done"]
    assert linked_runs()[FAILS] == PAGE.name


def test_hostile_names_are_escaped(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "sub-01_<img src=x onerror=alert(1)>"
    save(tmp_path / f"{name}_bold.nii.gz", make_series(LABELS), t_r=2.0)
    save(tmp_path / "sub-02_bold.nii.gz", make_series(LABELS), t_r=2.0)
    save(tmp_path / "atlas.nii.gz", LABELS)
    tables = [write_confounds(tmp_path, number, values) for number, values in ((1, MOVING), (2, STILL))]
    words = ["out", "-i", f"{name}_bold.nii.gz", "sub-02_bold.nii.gz", "-r", "atlas.nii.gz", *SCRUB]
    assert main([*words, "--regressor_files", *map(str, tables)]) == 1
    (page,) = Path("out/reports").glob("sub-01*.html")
    assert "<img" not in page.read_text("utf-8")
