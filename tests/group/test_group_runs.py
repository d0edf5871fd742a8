"""The group page and its tables through whole calls: when they are there, and their numbers from the runs' files."""

from __future__ import annotations

import csv
import errno
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from images import OBLIQUE, SHAPE, save
from scipy.spatial.distance import euclidean
from scipy.stats import pearsonr, spearmanr
from studies import statuses

from niimasker.cli import main
from niimasker.group import tables

N_RUNS, N_VOLUMES, N_REGIONS = 11, 30, 5
DATA = Path("out/niimasker_data")
PAGE = Path("out/reports/group.html")
TABLES = (DATA / "group.tsv", DATA / "group_edges.tsv")
WORDS = (
    *("out", "-i", "sub-*_bold.nii.gz", "-r", "atlas.nii.gz", "--regressor_files", "sub-*_confounds.tsv"),
    *("--regressors", "x", "--connectivity", "pearson", "covariance"),
)


def make_atlas() -> np.ndarray:
    """Regions of 8 voxels at uneven distances."""
    labels = np.zeros(SHAPE, dtype=np.int16)
    for index, (i, j, k) in enumerate([(0, 0, 0), (4, 0, 1), (0, 5, 5), (5, 6, 7), (2, 3, 3)], start=1):
        labels[i : i + 2, j : j + 2, k : k + 2] = index
    return labels


def write_run(folder: Path, number: int, mean_fd: float, *, n_regions_with_signal: int = N_REGIONS) -> None:
    """Write a run whose regions share the more the more the head moves, and its confounds."""
    rng = np.random.default_rng(number)
    labels = make_atlas()
    signals = rng.normal(size=(N_VOLUMES, N_REGIONS)) + 3 * mean_fd * rng.normal(size=(N_VOLUMES, 1))
    signals[:, n_regions_with_signal:] = 0
    series = np.zeros((*SHAPE, N_VOLUMES))
    for column in range(N_REGIONS):
        series[labels == column + 1] = 100 + signals[:, column]
    subject = number // 2
    save(folder / f"sub-{subject:02}_run-{number % 2 + 1}_bold.nii.gz", series, OBLIQUE, t_r=2.0)
    displacements = ["n/a", *(f"{value:.4f}" for value in mean_fd * rng.uniform(0.8, 1.2, N_VOLUMES - 1))]
    rows = "".join(f"{value}\t{row % 7}\n" for row, value in enumerate(displacements))
    path = folder / f"sub-{subject:02}_run-{number % 2 + 1}_confounds.tsv"
    path.write_text(f"framewise_displacement\tx\n{rows}")


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """A folder of runs, the second of which has no signal in its last region."""
    folder = tmp_path_factory.mktemp("source")
    for number in range(N_RUNS):
        write_run(folder, number, 0.05 + 0.04 * number, n_regions_with_signal=4 if number == 1 else N_REGIONS)
    save(folder / "atlas.nii.gz", make_atlas())
    return folder


@pytest.fixture
def study(source, tmp_path, monkeypatch) -> list[str]:
    """The words of a study in the current folder, whose runs are those of the source."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(source, tmp_path, dirs_exist_ok=True)
    return [*WORDS]


@pytest.fixture(scope="module")
def finished_source(source, tmp_path_factory) -> Path:
    """The folder of runs with what the study writes."""
    folder = tmp_path_factory.mktemp("finished") / "study"
    shutil.copytree(source, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(WORDS) == 0
    return folder


@pytest.fixture
def finished(finished_source, tmp_path, monkeypatch) -> list[str]:
    """The same words where the study has been done."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished_source, tmp_path, dirs_exist_ok=True)
    return [*WORDS]


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", dtype={"atlas": str}, keep_default_na=False, na_values=["n/a"])


def read_stack(kind: str) -> np.ndarray:
    """Return the tables of all runs as they are on the disk, of shape (n_runs, n_regions, n_regions)."""
    stack = []
    for path in sorted(Path("out").glob(f"*_connectivity-{kind}_relmat.tsv")):
        with path.open(newline="") as file:
            rows = list(csv.reader(file, delimiter="\t"))[1:]
        stack.append([[math.nan if cell == "n/a" else float(cell) for cell in row[1:]] for row in rows])
    return np.array(stack)


@pytest.mark.parametrize("kind", ["pearson", "covariance"])
def test_numbers_are_those_of_the_files(finished, kind):
    stack = read_stack(kind)
    motion = read(DATA / "summary.tsv")["mean_fd"].to_numpy()
    centres = read(Path("out/sub-00_run-1_bold_regions.tsv"))[["x", "y", "z"]].to_numpy()
    expected = []
    for one in range(N_REGIONS):
        for other in range(one + 1, N_REGIONS):
            edge = stack[:, one, other]
            known = np.isfinite(edge)
            r, p = pearsonr(edge[known], motion[known])
            distance = euclidean(centres[one], centres[other])
            expected.append((distance, known.sum(), np.nanmean(edge), np.nanstd(edge, ddof=1), r, p))
    distances, n_runs, means, deviations, r, p = np.array(expected).T
    edges = read(TABLES[1]).query("connectivity == @kind")
    columns = ["distance", "n_runs", "mean", "sd", "qcfc_r", "qcfc_p"]
    assert edges[columns].to_numpy() == pytest.approx(np.array(expected), abs=1e-9)
    assert sorted(set(n_runs)) == [10, 11]
    (row,) = read(TABLES[0]).query("connectivity == @kind").to_dict("records")
    numbers = {
        "n_runs": 11,
        "n_runs_left_out": 0,
        "n_subjects": 6,
        "n_regions": 5,
        "n_edges": 10,
        "mean": means.mean(),
        "sd": deviations.mean(),
        "mean_fd": motion.mean(),
        "qcfc_n_runs": 11,
        "qcfc_n_edges": 10,
        "qcfc_median_abs_r": np.median(np.abs(r)),
        "qcfc_share_p05": (p < 0.05).mean(),
        "qcfc_distance_r": pearsonr(r, distances).statistic,
        "qcfc_distance_rho": spearmanr(r, distances).statistic,
    }
    assert {name: row[name] for name in numbers} == pytest.approx(numbers, abs=1e-9)
    assert set(row) == {"atlas", "connectivity", *numbers}


def test_page_is_linked_from_the_index(finished):
    link = '<a href="group.html">Group page</a>: mean connectivity of 11 runs'
    assert link in Path("out/reports/index.html").read_text()
    page = PAGE.read_text("utf-8")
    for words in (
        "atlas: Pearson correlation",
        "atlas: covariance",
        "11 runs of 6 subjects",
        "4 edges without a value",
    ):
        assert words in page
    assert 'href="sub-03_run-2_bold_report.html"' in page


def test_runs_in_folders_are_read_and_linked_there(study):
    assert main([*study, "--output_layout", "bids"]) == 0
    assert read(TABLES[0])["n_runs"].tolist() == [11, 11]
    links = re.findall(r'href="(sub-[^"]+_report\.html)"', PAGE.read_text("utf-8"))
    assert len(links) == 11
    assert [link for link in links if "/" not in link or not (PAGE.parent / link).is_file()] == []


def test_fewer_than_ten_runs_have_none_and_the_index_says_so(finished):
    few = ["out", "-i", "sub-0[0-3]_*_bold.nii.gz", *finished[3:6], "sub-0[0-3]_*_confounds.tsv", *finished[7:]]
    assert main(few) == 0
    assert all(path.exists() for path in (PAGE, *TABLES)), "the other runs are still in the folder"
    shutil.rmtree("out")
    assert main(few) == 0
    assert [path for path in (PAGE, *TABLES) if path.exists()] == []
    index = Path("out/reports/index.html").read_text()
    assert "No group page: it needs 10 runs that are done; 8 are." in index


def test_failed_runs_take_no_part(study, capsys):
    Path("sub-02_run-1_bold.nii.gz").write_bytes(Path("sub-02_run-1_bold.nii.gz").read_bytes()[:-20])
    assert main(study) == 1
    assert read(TABLES[0])["n_runs"].tolist() == [10, 10]
    assert "group page" not in capsys.readouterr().err


def test_without_connectivity_nothing_is_reported_and_an_earlier_page_is_removed(finished):
    assert main(finished[: finished.index("--connectivity")]) == 0
    assert [path for path in (PAGE, *TABLES) if path.exists()] == []
    assert "roup page" not in Path("out/reports/index.html").read_text()


def test_no_report_writes_the_tables_alone(finished):
    assert main([*finished, "--no_report"]) == 0
    assert [path.exists() for path in (PAGE, *TABLES)] == [False, True, True]


def test_no_report_that_does_no_run_leaves_the_page_that_the_index_links_to(finished):
    assert main([*finished, "--resume", "--no_report"]) == 0
    assert [path.exists() for path in (PAGE, Path("out/reports/index.html"), *TABLES)] == [True] * 4


def test_skipped_runs_count(finished):
    before = [path.read_bytes() for path in TABLES]
    Path("out/sub-03_run-1_bold_connectivity-pearson_relmat.tsv").unlink()
    assert main([*finished, "--resume"]) == 0
    assert statuses(Path("out")).value_counts().to_dict() == {"skipped": 10, "done": 1}
    assert [path.read_bytes() for path in TABLES] == before
    assert PAGE.is_file()


def test_shards_make_the_group_at_the_end(finished):
    before = [path.read_bytes() for path in TABLES]
    shutil.rmtree("out")
    assert main([*finished, "--shard", "1/2"]) == 0
    assert not any(path.exists() for path in (PAGE, *TABLES))
    assert main([*finished, "--shard", "2/2"]) == 0
    assert [path.read_bytes() for path in TABLES] == before
    assert PAGE.is_file()


def test_confounds_without_motion_leave_qcfc_out(study):
    for path in Path().glob("*_confounds.tsv"):
        path.write_text("x\n" + "".join(f"{row % 7}\n" for row in range(N_VOLUMES)))
    assert main(study) == 0
    assert read(TABLES[0])["qcfc_n_runs"].tolist() == [0, 0]
    assert read(TABLES[1])["qcfc_r"].isna().all()
    assert "No QC-FC: it needs 10 runs whose framewise displacement is known" in PAGE.read_text()


def test_atlases_have_rows_of_their_own(study):
    labels = make_atlas()
    save(Path("other.nii.gz"), np.where(labels < 4, labels, 0))
    place = study.index("atlas.nii.gz") + 1
    assert main([*study[:place], "other.nii.gz", *study[place:], "--no_report"]) == 0
    table = read(TABLES[0])
    assert table[["atlas", "connectivity", "n_regions"]].to_numpy().tolist() == [
        ["atlas", "pearson", 5],
        ["atlas", "covariance", 5],
        ["other", "pearson", 3],
        ["other", "covariance", 3],
    ]


def test_group_that_cannot_be_written_costs_a_warning(study, capsys, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(tables, "write_records", fail)
    assert main(study) == 0
    said = capsys.readouterr().err
    assert "warning: the group page is not written:" in said
    assert "group_edges.tsv" in said
    index = Path("out/reports/index.html").read_text()
    assert "No group page:" in index
    assert not PAGE.exists()


def test_study_that_ends_early_has_none_yet(study):
    Path("sub-02_run-1_bold.nii.gz").write_bytes(Path("sub-02_run-1_bold.nii.gz").read_bytes()[:-20])
    assert main([*study, "--fail_fast"]) == 1
    assert not any(path.exists() for path in (PAGE, *TABLES))
    assert "No group page: it is made once every run has been processed" in Path("out/reports/index.html").read_text()
