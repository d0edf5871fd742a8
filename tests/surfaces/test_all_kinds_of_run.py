"""Cleaning, censoring, layouts, resuming and reports work alike for volumes, surfaces and grayordinates."""

from __future__ import annotations

import hashlib
import json
import logging
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from extracting import N_DECIMALS, numbers_in, read, run
from images import OBLIQUE, make_labels, save
from made_up_surfaces import save_dlabel, save_dtseries, save_label_pair, save_pair
from nilearn.signal import clean
from region_means import mean_of_each, read_parcels
from small_brain import BRAIN, CORTEX, KEYS, N_MESH, NAMES, TABLE
from studies import results_in, statuses

KINDS = ("volume", "gifti", "cifti")
N_VOLUMES, N_RUNS, T_R = 60, 2, 2.0
MESH_KEYS = np.repeat([1, 2, 4], 14)
LABELS = make_labels((1, 2, 5))
STEMS = {
    "volume": "sub-{sub}_task-rest_space-MNI152NLin2009cAsym_desc-preproc_bold",
    "gifti": "sub-{sub}_task-rest_hemi-{hemi}_space-fsnative_bold",
    "cifti": "sub-{sub}_task-rest_space-fsLR_den-91k_bold",
}
ENDINGS = {"volume": ".nii.gz", "gifti": ".func.gii", "cifti": ".dtseries.nii"}
ATLASES = {"volume": "atlas.nii.gz", "gifti": "atlas_hemi-{hemi}.label.gii", "cifti": "atlas.dlabel.nii"}
# The entities before and after atlas; in the standard's order den follows it, as in XCP-D's names.
BIDS_STEMS = {
    "volume": ("sub-{sub}_task-rest_space-MNI152NLin2009cAsym", ""),
    "gifti": ("sub-{sub}_task-rest_space-fsnative", ""),
    "cifti": ("sub-{sub}_task-rest_space-fsLR", "_den-91k"),
}
LEFT_NAMES, RIGHT_NAMES = {1: "a", 2: "b", 4: "c"}, {1: "d", 2: "e", 4: "f"}
CLOSE = {"rtol": 0, "atol": 1e-6}


def make_series(n_points: int, confounds: np.ndarray, seed: int) -> np.ndarray:
    """Return values of shape (n_volumes, n_points) that drift and share something with the confounds."""
    rng = np.random.default_rng(seed)
    own = rng.normal(0, 4, (N_VOLUMES, n_points)).cumsum(axis=0)
    return (1000 + own + confounds @ rng.normal(0, 5, (confounds.shape[1], n_points))).astype(np.float32)


def make_confounds(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(rng.normal(size=(N_VOLUMES, 2)).cumsum(axis=0).round(6), columns=["x", "y"])
    displacement = np.where(np.isin(np.arange(N_VOLUMES), (7, 8, 30 + seed)), 0.9, 0.1)
    return table.assign(framewise_displacement=displacement, std_dvars=1.0)


@dataclass(frozen=True)
class Study:
    """Runs of one kind in the current folder, with the means of their regions by numpy."""

    kind: str
    means: tuple[pd.DataFrame, ...]
    confounds: tuple[pd.DataFrame, ...]

    @property
    def pattern(self) -> str:
        return f"prep/sub-*/func/*{ENDINGS[self.kind]}"

    @property
    def words(self) -> list[str]:
        return ["-i", self.pattern, "-r", ATLASES[self.kind], "--n_decimals", str(N_DECIMALS)]

    def image(self, sub: str, hemi: str = "R") -> Path:
        name = STEMS[self.kind].format(sub=sub, hemi=hemi) + ENDINGS[self.kind]
        return Path(f"prep/sub-{sub}/func/{name}")

    def done(self, *words: object, output: str = "out") -> list[pd.DataFrame]:
        """Run a command that does every run, and return the tables of time series."""
        result = run(output, *self.words, "--no_report", *words)
        assert (result.code, result.failures) == (0, []), result.err
        return self.signals(output)

    @staticmethod
    def signals(output: str = "out") -> list[pd.DataFrame]:
        return [read(path) for path in sorted(Path(output).rglob("*_timeseries.tsv"))]


def write_study(kind: str) -> Study:
    """Write runs of two subjects with confounds, and an atlas, into the current folder."""
    means, tables = [], []
    for number in range(N_RUNS):
        sub, confounds = f"{number + 1:02}", make_confounds(number)
        regressors = confounds[["x", "y"]].to_numpy()
        stem = f"prep/sub-{sub}/func/{STEMS[kind].format(sub=sub, hemi='{hemi}')}"
        means.append(_WRITERS[kind](f"{stem}{ENDINGS[kind]}", regressors, number))
        for hemi in "LR" if kind == "gifti" else "L":
            Path(f"{stem.format(hemi=hemi)}.json").write_text(json.dumps({"RepetitionTime": T_R}))
        table_path = f"prep/sub-{sub}/func/sub-{sub}_task-rest_desc-confounds_timeseries.tsv"
        confounds.to_csv(table_path, sep="\t", index=False)
        tables.append(confounds)
    if kind == "volume":
        save(Path(ATLASES[kind]), LABELS)
    elif kind == "gifti":
        save_label_pair(ATLASES[kind], MESH_KEYS, MESH_KEYS[::-1], LEFT_NAMES, RIGHT_NAMES)
    else:
        save_dlabel(ATLASES[kind], KEYS, BRAIN, TABLE)
    return Study(kind, tuple(means), tuple(tables))


def write_volumes(path: str, confounds: np.ndarray, seed: int) -> pd.DataFrame:
    values = make_series(LABELS.size, confounds, seed)
    save(Path(path), values.T.reshape((*LABELS.shape, N_VOLUMES)), OBLIQUE)
    return mean_of_each(values, LABELS.ravel(), {index: f"roi {index}" for index in (1, 2, 5)})


def write_hemispheres(pattern: str, confounds: np.ndarray, seed: int) -> pd.DataFrame:
    left, right = (make_series(N_MESH, confounds, 10 * side + seed) for side in (1, 2))
    save_pair(pattern, left, right)
    parts = [mean_of_each(left, MESH_KEYS, LEFT_NAMES), mean_of_each(right, MESH_KEYS[::-1], RIGHT_NAMES)]
    return pd.concat(parts, axis=1)


def write_grayordinates(path: str, confounds: np.ndarray, seed: int) -> pd.DataFrame:
    values = make_series(BRAIN.n_points, confounds, seed)
    save_dtseries(path, values, BRAIN, step=T_R)
    return mean_of_each(values, KEYS, NAMES)


_WRITERS = {"volume": write_volumes, "gifti": write_hemispheres, "cifti": write_grayordinates}


@pytest.fixture(params=KINDS)
def study(request, folder) -> Study:
    """A study of each kind in the current folder; slow tests that other folders have for volumes leave these out."""
    return write_study(request.param)


def check(tables: Sequence[pd.DataFrame], expected: Sequence[np.ndarray], study: Study) -> None:
    for table, values, means in zip(tables, expected, study.means, strict=True):
        assert table.columns.tolist() == means.columns.tolist()
        np.testing.assert_allclose(table, values, **CLOSE)


def each_run(study: Study) -> zip:
    return zip(study.means, study.confounds, strict=True)


# Signals


def test_signals_are_the_means_of_the_regions(study):
    check(study.done(), study.means, study)


def test_confounds_are_regressed_out_as_by_nilearn(study):
    tables = study.done("--regressors", "x", "y")
    expected = [
        clean(means.to_numpy(), confounds=table[["x", "y"]].to_numpy(), detrend=False, standardize=None)
        for means, table in each_run(study)
    ]
    check(tables, expected, study)


@pytest.mark.parametrize(
    "options",
    [
        {"high_pass": 0.02, "low_pass": 0.1},
        {"high_pass": 0.02, "detrend": True, "standardize": True},
        {"low_pass": 0.1, "detrend": True},
        {"detrend": True, "standardize": True},
    ],
    ids=str,
)
def test_filters_confounds_and_standardising_are_those_of_nilearn(study, options):
    words = [
        word for name, value in options.items() for word in ([f"--{name}"] if value is True else [f"--{name}", value])
    ]
    tables = study.done("--regressors", "x", "y", *words)
    settings = {"detrend": False, **options, "standardize": "zscore_sample" if options.get("standardize") else None}
    expected = [
        clean(means.to_numpy(), confounds=table[["x", "y"]].to_numpy(), t_r=T_R, **settings)
        for means, table in each_run(study)
    ]
    check(tables, expected, study)


@pytest.mark.parametrize("study", ["gifti", "cifti"], indirect=True)
def test_percent_signal_change_is_relative_to_the_mean(study):
    tables = study.done("--standardize", "--standardize_method", "psc")
    check(tables, [(100 * (means / means.mean() - 1)).to_numpy() for means in study.means], study)


def test_scrubbed_volumes_are_left_out_before_cleaning(study):
    tables = study.done("--scrub", "--scrub_segment", "0", "--regressors", "x", "y", "--standardize")
    expected = []
    for means, table in each_run(study):
        is_kept = (table["framewise_displacement"] < 0.5).to_numpy()
        confounds = table[["x", "y"]].to_numpy()[is_kept]
        expected.append(
            clean(means.to_numpy()[is_kept], confounds=confounds, detrend=False, standardize="zscore_sample")
        )
    check(tables, expected, study)
    assert [len(table) for table in tables] == [N_VOLUMES - 3] * N_RUNS


def test_censored_volumes_change_nothing_that_is_written(study):
    words = ["--scrub", "--regressors", "x", "y", "--high_pass", "0.02", "--low_pass", "0.1", "--detrend"]
    before = study.done(*words)
    for number in range(N_RUNS):
        spoil(study, f"{number + 1:02}", np.flatnonzero(study.confounds[number]["framewise_displacement"] > 0.5))
    after = study.done(*words, output="after")
    for one, other in zip(before, after, strict=True):
        pd.testing.assert_frame_equal(one, other)


def spoil(study: Study, sub: str, volumes: np.ndarray) -> None:
    """Add something to some volumes of a run."""
    for hemi in "LR" if study.kind == "gifti" else "L":
        path = study.image(sub, hemi)
        img = nib.load(path)
        if study.kind == "gifti":
            for volume in volumes:
                img.darrays[volume].data = img.darrays[volume].data + np.float32(500)
        else:
            values = np.asarray(img.dataobj).copy()
            values[(Ellipsis, volumes) if study.kind == "volume" else volumes] += 500
            kept = {"nifti_header": img.nifti_header} if study.kind == "cifti" else {}
            affine = [] if study.kind == "cifti" else [img.affine]
            img = type(img)(values, *affine, header=img.header, **kept)
        nib.save(img, path)


@pytest.mark.parametrize("study", ["gifti", "cifti"], indirect=True)
def test_first_volumes_are_discarded(study):
    check(study.done("--discard_scans", "3"), [means.to_numpy()[3:] for means in study.means], study)


@pytest.mark.parametrize("study", ["gifti", "cifti"], indirect=True)
def test_censored_volumes_may_stay_as_rows_without_values(study):
    tables = study.done("--scrub", "--scrub_segment", "0", "--censored", "nan")
    for table, (means, confounds) in zip(tables, each_run(study), strict=True):
        is_censored = (confounds["framewise_displacement"] > 0.5).to_numpy()
        np.testing.assert_allclose(table, means.mask(pd.Series(is_censored), axis=0), **CLOSE)


@pytest.mark.parametrize("kind", ["pearson", "partial_correlation"])
def test_connectivity_is_that_of_the_table(study, kind):
    tables = study.done("--standardize", "--connectivity", kind)
    matrices = [read(path) for path in sorted(Path("out").rglob("*_relmat.tsv"))]
    assert len(matrices) == N_RUNS
    for matrix, table in zip(matrices, tables, strict=True):
        values = matrix.select_dtypes("number").to_numpy()
        assert values.shape == (table.shape[1],) * 2
        np.testing.assert_allclose(np.diag(values), 1, atol=1e-6)
        if kind == "pearson":
            np.testing.assert_allclose(values, np.corrcoef(table.T), atol=1e-6)


def test_repetition_time_and_volumes_are_in_the_sidecar(study):
    study.done("--scrub", "--scrub_segment", "0")
    for path in sorted(Path("out").rglob("*_timeseries.json")):
        sidecar = json.loads(path.read_text("utf-8"))
        assert sidecar["RepetitionTime"] == T_R
        assert (sidecar["Volumes"]["Read"], sidecar["Volumes"]["Kept"]) == (N_VOLUMES, N_VOLUMES - 3)


# Layouts and tables


def test_names_of_the_bids_layout(study):
    study.done("--output_layout", "bids", "--atlas_name", "A", "--connectivity", "pearson", "--regressors", "x")
    for number in range(N_RUNS):
        sub = f"{number + 1:02}"
        before, after = BIDS_STEMS[study.kind]
        stem = before.format(sub=sub)
        tables = {path.relative_to("out").as_posix() for path in Path("out").rglob(f"sub-{sub}_*.tsv")}
        assert tables == {
            f"sub-{sub}/func/{stem}_atlas-A{after}_stat-mean_timeseries.tsv",
            f"sub-{sub}/func/{stem}_atlas-A{after}_stat-coverage_bold.tsv",
            f"sub-{sub}/func/{stem}_atlas-A{after}_stat-pearsoncorrelation_relmat.tsv",
            f"sub-{sub}/func/{stem}{after}_design.tsv",
        }


@pytest.mark.parametrize("side", ["L", "R"])
def test_bids_name_of_one_hemisphere_alone_keeps_it(folder, side):
    study = write_study("gifti")
    for number in range(N_RUNS):
        study.image(f"{number + 1:02}", "R" if side == "L" else "L").unlink()
    result = run("out", *study.words, "--output_layout", "bids", "--atlas_name", "A", "--no_report")
    assert result.code == 0, result.err
    name = f"sub-01_task-rest_hemi-{side}_space-fsnative_atlas-A_stat-mean_timeseries.tsv"
    assert Path("out/sub-01/func", name).is_file()


def test_long_table_holds_the_values_of_the_tables(study):
    tables = study.done("--tidy", "tsv.gz")
    long = pd.read_csv("out/timeseries.tsv.gz", sep="\t", na_values="n/a", dtype={"sub": str})
    assert long["sub"].unique().tolist() == ["01", "02"]
    assert "hemi" not in long  # a run has both
    for table, (_, rows) in zip(tables, long.groupby("run"), strict=True):
        wide = rows.pivot(index="volume", columns="region", values="value")[table.columns]
        np.testing.assert_allclose(wide, table, rtol=1e-12)
        assert rows["time"].max() == pytest.approx(T_R * (N_VOLUMES - 1))


def test_summary_lists_each_run_once(study):
    study.done("--regressors", "x")
    rows = read("out/niimasker_data/summary.tsv")
    assert rows["status"].tolist() == ["done"] * N_RUNS
    assert rows["n_volumes"].tolist() == [N_VOLUMES] * N_RUNS
    assert rows["n_regions"].tolist() == [study.means[0].shape[1]] * N_RUNS


def test_regions_table_describes_every_column(study):
    tables = study.done()
    for path, table in zip(sorted(Path("out").rglob("*_regions.tsv")), tables, strict=True):
        regions = read(path)
        assert regions["name"].tolist() == table.columns.tolist()
        assert regions["status"].tolist() == ["ok"] * len(regions)
        np.testing.assert_allclose(regions["mean"], table.mean(), rtol=1e-3)
        assert ({"structure", "n_vertices"} <= set(regions.columns)) == (study.kind != "volume")


def test_dictionary_of_each_table_describes_its_columns(study):
    study.done("--output_layout", "bids", "--atlas_name", "A")
    for path in sorted(Path("out").rglob("*_stat-coverage_bold.tsv")):
        described = json.loads(path.with_suffix(".json").read_text("utf-8"))
        assert set(read(path).columns) <= set(described)


# Running


def test_finished_runs_are_skipped_and_changed_ones_done_again(study):
    study.done("--regressors", "x")
    before = results_in(Path("out"))
    study.done("--regressors", "x", "--resume")
    assert statuses(Path("out")).tolist() == ["skipped"] * N_RUNS
    assert results_in(Path("out")) == before
    spoil_right_hemisphere_or_image(study, "01")
    tables = study.done("--regressors", "x", "--resume")
    assert statuses(Path("out")).tolist() == ["done", "skipped"]
    fresh = study.done("--regressors", "x", output="fresh")
    for one, other in zip(tables, fresh, strict=True):
        pd.testing.assert_frame_equal(one, other)


def spoil_right_hemisphere_or_image(study: Study, sub: str) -> None:
    """Change one file of a run: of a pair, the right one."""
    path = study.image(sub, "R")
    img = nib.load(path)
    if study.kind == "gifti":
        for array in img.darrays:
            array.data = array.data[::-1].copy()
        nib.save(img, path)
    else:
        spoil(study, sub, np.array([5]))


@pytest.mark.parametrize("study", ["gifti", "cifti"], indirect=True)
def test_changed_confounds_do_their_run_again(study):
    study.done("--regressors", "x")
    path = Path("prep/sub-02/func/sub-02_task-rest_desc-confounds_timeseries.tsv")
    study.confounds[0].to_csv(path, sep="\t", index=False)
    study.done("--regressors", "x", "--resume")
    assert statuses(Path("out")).tolist() == ["skipped", "done"]


@pytest.mark.parametrize("study", ["gifti", "cifti"], indirect=True)
def test_changed_atlas_does_all_runs_again(study):
    study.done()
    if study.kind == "volume":
        save(Path(ATLASES["volume"]), np.where(LABELS == 5, 4, LABELS).astype(np.int16))
    elif study.kind == "gifti":
        save_label_pair(ATLASES["gifti"], MESH_KEYS, MESH_KEYS, LEFT_NAMES, RIGHT_NAMES)
    else:
        save_dlabel(ATLASES["cifti"], KEYS[::-1], BRAIN, TABLE)
    study.done("--resume")
    assert statuses(Path("out")).tolist() == ["done"] * N_RUNS


def test_dry_run_lists_the_runs_and_writes_nothing(study):
    result = run("out", *study.words, "--regressors", "x", "--dry_run")
    assert (result.code, result.err) == (0, "")
    assert not Path("out").exists()
    rows = [line for line in result.out.splitlines() if line.startswith(("sub-", "prep/"))]
    assert len(rows) == N_RUNS
    assert all({N_VOLUMES, T_R} <= numbers_in(row) for row in rows)
    assert result.out.splitlines()[-1].startswith("2 runs: 2 to do, 0 to skip, 0 with errors.")
    assert f"{study.means[0].shape[1]} regions" in result.out


@pytest.mark.parametrize("study", ["gifti", "cifti"], indirect=True)
def test_processes_write_the_same_bytes(study):
    words = ["--regressors", "x", "--connectivity", "pearson", "--scrub"]
    study.done(*words)
    by_one = results_in(Path("out"))
    study.done(*words, "--n_jobs", "2")
    assert results_in(Path("out")) == by_one
    assert len(by_one) >= 4 * N_RUNS


@pytest.mark.parametrize("study", ["gifti", "cifti"], indirect=True)
def test_reports_show_every_run_and_region(study):
    result = run("out", *study.words, "--regressors", "x", "--connectivity", "pearson")
    assert (result.code, result.failures) == (0, []), result.err
    pages = sorted(Path("out/reports").glob("*_report.html"))
    assert len(pages) == N_RUNS
    assert Path("out/reports/index.html").is_file()
    for page in pages:
        text = page.read_text("utf-8")
        assert [name for name in study.means[0].columns if name not in text] == []


@pytest.mark.parametrize("study", ["gifti", "cifti"], indirect=True)
def test_shards_write_what_one_call_writes(study):
    study.done()
    by_one = results_in(Path("out"))
    for part in (1, 2):
        study.done("--shard", f"{part}/2")
    assert results_in(Path("out")) == by_one


def test_folder_with_a_choice_of_space_gives_the_same_tables(study):
    space = {"volume": "MNI152NLin2009cAsym", "gifti": "fsnative", "cifti": "fsLR"}[study.kind]
    by_pattern = study.done("--regressors", "x")
    result = run("folder", "-i", "prep", *study.words[2:], "--space", space, "--regressors", "x", "--no_report")
    assert (result.code, result.failures) == (0, []), result.err
    for one, other in zip(study.signals("folder"), by_pattern, strict=True):
        pd.testing.assert_frame_equal(one, other)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_cluster_writes_the_same_bytes(folder, monkeypatch):
    distributed = pytest.importorskip("distributed")
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=logging.CRITICAL
    ) as cluster:
        for kind in ("gifti", "cifti"):
            (folder / kind).mkdir()
            monkeypatch.chdir(folder / kind)
            study = write_study(kind)
            study.done("--regressors", "x")
            here = results_in(Path("out"))
            study.done("--regressors", "x", "--scheduler", cluster.scheduler_address)
            assert results_in(Path("out")) == here


@pytest.mark.parametrize("study", ["gifti", "cifti"], indirect=True)
def test_earlier_call_is_run_again_from_its_parameters(study):
    tables = study.done("--regressors", "x", "--standardize")
    result = run("again", "-c", "out/niimasker_data/parameters.json")
    assert (result.code, result.failures) == (0, []), result.err
    for one, other in zip(study.signals("again"), tables, strict=True):
        pd.testing.assert_frame_equal(one, other)


@pytest.mark.parametrize("study", ["gifti", "cifti"], indirect=True)
def test_files_of_the_atlas_are_kept_and_those_of_the_run_are_recorded(study):
    study.done()
    for path in sorted(Path().glob(ATLASES[study.kind].format(hemi="?"))):
        assert Path("out/niimasker_data", path.name).read_bytes() == path.read_bytes()
    recorded = sorted(Path("out").glob("*_timeseries.json"))[0].read_text("utf-8")
    for hemi in "LR" if study.kind == "gifti" else "L":
        assert hashlib.sha256(study.image("01", hemi).read_bytes()).hexdigest() in recorded


def test_regions_that_a_run_does_not_have_are_left_out_of_its_matrices(folder):
    study = write_study("cifti")
    series = make_series(CORTEX.n_points, study.confounds[0][["x", "y"]].to_numpy(), 3)
    save_dtseries(study.image("02"), series, CORTEX, step=T_R)
    result = run("out", *study.words, "--connectivity", "pearson", "--no_report")
    assert (result.code, result.failures) == (0, []), result.err
    whole, cortex_only = (read(path) for path in sorted(Path("out").glob("*_relmat.tsv")))
    assert list(whole.columns) == list(cortex_only.columns)
    values = cortex_only.select_dtypes("number").to_numpy()
    is_there = np.isfinite(values).any(axis=0)
    assert np.count_nonzero(is_there) == 4
    expected = np.corrcoef(mean_of_each(series, KEYS[: CORTEX.n_points], NAMES).dropna(axis=1).T)
    np.testing.assert_allclose(values[np.ix_(is_there, is_there)], expected, atol=1e-6)


# Files for Workbench


class TestCiftiOut:
    @pytest.fixture
    def made(self, folder) -> Study:
        """A study of grayordinates whose results are written as CIFTI files too."""
        study = write_study("cifti")
        study.done("--cifti_out", "--connectivity", "pearson", "--standardize")
        return study

    def test_series_of_parcels_are_those_of_the_table(self, made):
        paths = sorted(Path("out").rglob("*.ptseries.nii"))
        for path, table in zip(paths, made.signals(), strict=True):
            series = read_parcels(path)
            assert series.columns.tolist() == table.columns.tolist()
            np.testing.assert_allclose(series, table, rtol=1e-6, atol=1e-6)
            axis = nib.load(path).header.get_axis(0)
            assert (axis.unit, axis.step, len(axis)) == ("SECOND", T_R, N_VOLUMES)

    def test_parcels_have_the_members_of_the_regions(self, made):
        path = sorted(Path("out").rglob("*.ptseries.nii"))[0]
        parcels = nib.load(path).header.matrix.get_index_map(1).parcels
        sizes = {
            parcel.name: sum(len(each) for each in parcel.vertices) + len(parcel.voxel_indices_ijk or ())
            for parcel in parcels
        }
        assert sizes == {name: np.count_nonzero(key == KEYS) for key, name in NAMES.items()}

    def test_matrices_are_those_of_the_table(self, made):
        paths = sorted(Path("out").rglob("*.pconn.nii"))
        for path, table in zip(paths, made.signals(), strict=True):
            values = np.asarray(nib.load(path).dataobj)
            np.testing.assert_allclose(values, np.corrcoef(table.T), atol=1e-6)

    def test_workbench_opens_them(self, made, wb_command):
        for path in [*Path("out").rglob("*.ptseries.nii"), *Path("out").rglob("*.pconn.nii")]:
            shown = subprocess.run([wb_command, "-file-information", path], capture_output=True, text=True, check=True)
            assert "PARCELS" in shown.stdout

    def test_series_of_surfaces_are_those_of_the_table(self, folder):
        study = write_study("gifti")
        tables = study.done("--cifti_out")
        for path, table in zip(sorted(Path("out").rglob("*.ptseries.nii")), tables, strict=True):
            np.testing.assert_allclose(read_parcels(path)[table.columns], table, rtol=1e-6)
