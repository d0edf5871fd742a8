"""--tidy writes all tables as one: every number as in its run's table, in whatever way the runs were done."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from images import N_VOLUMES, make_labels, make_series, save

from niimasker.cli import main
from niimasker.errors import OutputError
from niimasker.options.merging import make_settings
from niimasker.outputs.long_table import Block, read_entities
from niimasker.running.study_files import write_tidy_table
from niimasker.study.preparation import prepare
from niimasker.workflow import extract, run_study

LABELS = make_labels((1, 2, 5))
IMAGES = ("sub-01_ses-a_task-rest_run-2_bold", "sub-02_task-rest_bold", "sub-10_task-rest_bold")
RUN = ("out", "-i", "sub-*_bold.nii", "-r", "atlas.nii", "--no_report")
OPTIONS = {"input_files": "sub-*_bold.nii", "roi_file": "atlas.nii", "no_report": True}
FORMATS = ("parquet", "tsv.gz")
# Volume 0 is discarded, 3 and 4 are censored.
CENSORED = ("--discard_scans", "1", "--censor_file", "censor.txt", "censor.txt", "censor.txt")
T_R = 0.7

pytestmark = pytest.mark.usefixtures("study")


@pytest.fixture
def study(tmp_path, monkeypatch) -> None:
    """The current folder: three runs that differ by noise, an atlas, a censor file and confounds of no use."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(IMAGES):
        noise = np.random.default_rng(number).normal(size=(*LABELS.shape, N_VOLUMES))
        save(Path(f"{name}.nii"), make_series(LABELS) + noise, t_r=T_R)
    save(Path("atlas.nii"), LABELS)
    save(Path("other.nii"), (LABELS > 1).astype(np.int16) * 7)
    Path("censor.txt").write_text("".join("1\n" if row in (3, 4) else "0\n" for row in range(N_VOLUMES)))


def read(tidy: str, folder: str = "out") -> pd.DataFrame:
    """The long table as a reader of pandas gets it, texts as texts."""
    path = Path(folder, f"timeseries.{tidy}")
    # Text as text: pandas's own reading of numbers may differ in the last digit.
    table = pd.read_parquet(path) if tidy == "parquet" else pd.read_csv(path, sep="\t", na_values="n/a", dtype=str)
    texts = [name for name in table if name not in ("volume", "time", "value")]
    return table.astype({**dict.fromkeys(texts, object), "volume": int, "time": float, "value": float})


def melted(names=IMAGES, atlases=("",), volumes=range(N_VOLUMES), folder="out") -> pd.DataFrame:
    """The runs' own tables, put one below the other by pandas."""
    parts = []
    for name in names:
        for atlas in atlases:
            stem = f"{name}_atlas-{atlas}" if atlas else name
            wide = pd.read_csv(f"{folder}/{stem}_timeseries.tsv", sep="\t", na_values="n/a", dtype=str)
            long = wide.assign(volume=list(volumes)).melt("volume", var_name="region")
            parts.append(long.assign(run=name, atlas=atlas or "atlas"))
    columns = ["run", "atlas", "volume", "region", "value"]
    table = pd.concat(parts, ignore_index=True)[columns]
    return table.astype({**dict.fromkeys(["run", "atlas", "region"], object), "volume": int, "value": float})


def assert_same(table: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(table[list(expected)], expected, check_exact=True)


@pytest.mark.parametrize("tidy", FORMATS)
class TestRows:
    def test_every_value_is_that_of_its_runs_table(self, tidy):
        assert main([*RUN, "--tidy", tidy, "--standardize"]) == 0
        assert_same(read(tidy), melted())

    def test_columns_are_run_entities_atlas_volume_time_region_value(self, tidy):
        assert main([*RUN, "--tidy", tidy]) == 0
        table = read(tidy)
        entities = ["sub", "ses", "task", "run_entity"]
        assert list(table) == ["run", *entities, "atlas", "volume", "time", "region", "value"]
        found = table.groupby("run")[entities].first()
        assert found.loc[IMAGES[0]].tolist() == ["01", "a", "rest", "2"]
        assert found["sub"].tolist() == ["01", "02", "10"]
        assert table.loc[table["run"] != IMAGES[0], ["ses", "run_entity"]].isna().all(axis=None)

    def test_time_is_the_volumes_in_seconds(self, tidy):
        main([*RUN, "--tidy", tidy])
        table = read(tidy)
        assert table["time"].tolist() == pytest.approx(table["volume"] * T_R)
        assert set(table["time"]) >= {0.0, 0.7, 2.1, 7.7}

    def test_time_is_missing_without_a_repetition_time(self, tidy):
        for name in IMAGES:
            save(Path(f"{name}.nii"), make_series(LABELS), t_r=0.0)
        assert main([*RUN, "--tidy", tidy]) == 0
        assert read(tidy)["time"].isna().all()

    def test_dropped_volumes_leave_gaps(self, tidy):
        assert main([*RUN, *CENSORED, "--tidy", tidy]) == 0
        assert_same(read(tidy), melted(volumes=[1, 2, *range(5, N_VOLUMES)]))

    def test_censored_rows_that_are_written_are_missing_values(self, tidy):
        assert main([*RUN, *CENSORED, "--censored", "nan", "--tidy", tidy]) == 0
        table = read(tidy)
        assert_same(table, melted(volumes=range(1, N_VOLUMES)))
        assert set(table.loc[table["value"].isna(), "volume"]) == {3, 4}

    def test_discarded_volumes_alone_shift_the_first(self, tidy):
        assert main([*RUN, "--discard_scans", "2", "--tidy", tidy]) == 0
        assert_same(read(tidy), melted(volumes=range(2, N_VOLUMES)))

    def test_atlases_follow_each_other_in_each_run(self, tidy):
        assert main([*RUN[:-1], "other.nii", "--no_report", "--tidy", tidy]) == 0
        assert_same(read(tidy), melted(atlases=("atlas", "other")))

    def test_voxels_are_regions(self, tidy):
        assert main([*RUN, "--as_voxels", "--tidy", tidy]) == 0
        assert_same(read(tidy), melted())

    def test_names_that_need_quotes_stay(self, tidy):
        names = ['a "b"', "'c, d", "n/a"]
        assert main([*RUN, "--labels", *names, "--tidy", tidy]) == 0
        if tidy == "parquet":
            assert list(dict.fromkeys(read(tidy)["region"])) == names
        else:
            table = pd.read_csv("out/timeseries.tsv.gz", sep="\t", keep_default_na=False)
            assert list(dict.fromkeys(table["region"])) == names

    def test_folders_of_mirror_are_in_the_runs_name(self, tidy):
        for folder in ("x", "y"):
            save(Path(folder, "bold.nii"), make_series(LABELS), t_r=T_R)
        words = ["out", "-i", "x/bold.nii", "y/bold.nii", "-r", "atlas.nii", "--output_layout", "mirror"]
        assert main([*words, "--no_report", "--tidy", tidy]) == 0
        table = read(tidy)
        assert list(table) == ["run", "atlas", "volume", "time", "region", "value"]
        assert list(dict.fromkeys(table["run"])) == ["x/bold", "y/bold"]


def test_rows_are_the_same_where_processes_do_the_runs():
    assert main([*RUN, "--tidy", "tsv.gz", "--n_jobs", "2"]) == 0
    assert_same(read("tsv.gz"), melted())


@pytest.mark.parametrize("tidy", FORMATS)
class TestRuns:
    def test_skipped_runs_are_in_it(self, tidy):
        assert main([*RUN, "--tidy", tidy]) == 0
        before = Path(f"out/timeseries.{tidy}").read_bytes()
        Path(f"out/{IMAGES[1]}_timeseries.tsv").unlink()
        assert main([*RUN, "--tidy", tidy, "--resume"]) == 0
        assert Path(f"out/timeseries.{tidy}").read_bytes() == before

    def test_runs_of_an_earlier_call_without_it_are_in_it(self, tidy):
        main([*RUN, *CENSORED])
        assert main([*RUN, *CENSORED, "--tidy", tidy, "--resume"]) == 0
        assert_same(read(tidy), melted(volumes=[1, 2, *range(5, N_VOLUMES)]))

    def test_failed_runs_are_left_out(self, tidy):
        path = Path(f"{IMAGES[1]}.nii")
        path.write_bytes(path.read_bytes()[:-20])
        assert main([*RUN, "--tidy", tidy]) == 1
        assert_same(read(tidy), melted([IMAGES[0], IMAGES[2]]))

    def test_without_a_run_that_is_done_there_is_none(self, tidy):
        main([*RUN, "--tidy", tidy])
        for name in IMAGES:
            Path(f"{name}.nii").write_bytes(Path(f"{name}.nii").read_bytes()[:-20])
        assert main([*RUN, "--tidy", tidy]) == 1
        assert not Path(f"out/timeseries.{tidy}").exists()

    def test_last_shard_writes_it_over_all(self, tidy):
        path = Path(f"out/timeseries.{tidy}")
        for part in (3, 1):
            assert main([*RUN, "--tidy", tidy, "--shard", f"{part}/3"]) == 0
            assert not path.exists()
        assert main([*RUN, "--tidy", tidy, "--shard", "2/3"]) == 0
        by_shards = path.read_bytes()
        assert_same(read(tidy), melted())
        assert main([*RUN, "--tidy", tidy]) == 0
        assert path.read_bytes() == by_shards

    def test_python_writes_it(self, tidy):
        extract("out", **OPTIONS, tidy=tidy)
        assert_same(read(tidy), melted())

    def test_path_of_the_table_is_printed(self, tidy, capsys):
        main([*RUN, "--tidy", tidy])
        assert capsys.readouterr().out.splitlines()[-1] == f"one table of all runs: out/timeseries.{tidy}"

    def test_quiet_does_not_print_the_path(self, tidy, capsys):
        main([*RUN, "--tidy", tidy, "-q"])
        assert capsys.readouterr().out == ""


class TestFiles:
    def test_parquet_has_a_row_group_per_run_and_dictionaries(self):
        main([*RUN, "--tidy", "parquet"])
        with pq.ParquetFile("out/timeseries.parquet") as file:
            assert file.num_row_groups == len(IMAGES)
            types = {field.name: str(field.type) for field in file.schema_arrow}
        assert types["run"] == types["region"] == "dictionary<values=string, indices=int32, ordered=0>"
        assert (types["volume"], types["time"], types["value"]) == ("int32", "double", "double")

    @pytest.mark.parametrize("n_decimals", ["0", "3", "17"])
    def test_cells_of_the_text_are_those_of_the_tables(self, n_decimals):
        main([*RUN, "--tidy", "tsv.gz", "--n_decimals", n_decimals])
        with gzip.open("out/timeseries.tsv.gz", "rt", encoding="utf-8") as file:
            found = [line.rstrip("\n").split("\t")[-1] for line in file][1:]
        tables = [Path(f"out/{name}_timeseries.tsv").read_text().splitlines()[1:] for name in IMAGES]
        columns = [zip(*(line.split("\t") for line in lines), strict=True) for lines in tables]
        assert found == [cell for each in columns for column in each for cell in column]

    def test_parts_of_many_rows_have_at_most_a_million_and_a_column_at_least(self):
        for n_volumes, n_columns in ((12, [7]), (1 << 19, [2, 2, 2, 1]), (1 << 21, [1] * 7)):
            block = Block({}, np.arange(n_volumes), None, list("abcdefg"), np.full((n_volumes, 7), b"1"))
            parts = list(block.parts())
            assert [part.cells.shape for part in parts] == [(n_volumes, n) for n in n_columns]
            assert [region for part in parts for region in part.regions] == list("abcdefg")

    def test_text_holds_neither_time_nor_temporary_name(self):
        main([*RUN, "--tidy", "tsv.gz"])
        content = Path("out/timeseries.tsv.gz").read_bytes()
        assert content[4:8] == bytes(4)
        assert b".niimasker-" not in content[:100]

    @pytest.mark.parametrize("tidy", FORMATS)
    def test_next_call_without_it_removes_it(self, tidy):
        main([*RUN, "--tidy", tidy])
        assert main(RUN) == 0
        assert not Path(f"out/timeseries.{tidy}").exists()

    def test_other_format_takes_its_place(self):
        main([*RUN, "--tidy", "parquet"])
        assert main([*RUN, "--tidy", "tsv.gz", "--resume"]) == 0
        assert [path.name for path in Path("out").glob("timeseries.*")] == ["timeseries.tsv.gz"]

    def test_file_of_that_name_that_is_somebody_elses_stays(self):
        Path("out").mkdir()
        Path("out/timeseries.parquet").write_text("mine")
        assert main(RUN) == 0
        assert Path("out/timeseries.parquet").read_text() == "mine"

    def test_dry_run_writes_and_removes_none(self):
        main([*RUN, "--tidy", "parquet"])
        before = Path("out/timeseries.parquet").read_bytes()
        assert main([*RUN, "--tidy", "tsv.gz", "--dry_run"]) == 0
        assert [path.name for path in Path("out").glob("timeseries.*")] == ["timeseries.parquet"]
        assert Path("out/timeseries.parquet").read_bytes() == before

    def test_format_is_recorded(self):
        main([*RUN, "--tidy", "parquet"])
        assert json.loads(Path("out/niimasker_data/parameters.json").read_text())["parameters"]["tidy"] == "parquet"


class TestFailure:
    @pytest.mark.parametrize("tidy", FORMATS)
    def test_table_that_cannot_be_written_is_reported_and_leaves_nothing(self, tidy):
        settings = make_settings({**OPTIONS, "output_dir": "out", "tidy": tidy})
        study = prepare(settings)
        outcomes = run_study(study)
        Path(f"out/timeseries.{tidy}/in_the_way").mkdir(parents=True)
        with pytest.raises(OutputError, match=rf"out/timeseries\.{tidy} cannot be written \(Is a directory\)"):
            write_tidy_table(study, outcomes)
        assert not list(Path("out").glob(".niimasker-*"))

    def test_table_in_the_way_is_reported_before_the_first_run(self, capsys):
        Path("out/timeseries.parquet").mkdir(parents=True)
        assert main([*RUN, "--tidy", "parquet"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "out/timeseries.parquet exists and was not written by niimasker" in line
        assert not list(Path("out").glob("*_timeseries.tsv"))

    def test_truncated_table_of_a_run_is_reported(self, capsys):
        main([*RUN, "--tidy", "parquet", "--shard", "1/2"])
        path = Path(f"out/{IMAGES[0]}_timeseries.tsv")
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:-2]))
        capsys.readouterr()
        assert main([*RUN, "--tidy", "parquet", "--shard", "2/2"]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert f"{path} has 10 rows of 3 values" in line
        assert "its JSON file says 12 rows and its header has 3 names" in line
        assert not Path("out/timeseries.parquet").exists()
        assert not list(Path("out").glob(".niimasker-*"))

    def test_part_whose_file_is_removed_has_to_be_done_again(self, capsys):
        main([*RUN, "--tidy", "tsv.gz", "--shard", "1/2"])
        Path(f"out/{IMAGES[0]}_timeseries.json").unlink()
        assert main([*RUN, "--tidy", "tsv.gz", "--shard", "2/2"]) == 0
        assert "one table of all runs" not in capsys.readouterr().out
        assert main([*RUN, "--tidy", "tsv.gz", "--resume"]) == 0
        assert Path("out/timeseries.tsv.gz").is_file()

    def test_python_gets_an_error(self):
        main([*RUN, "--shard", "1/2"])
        os.truncate(f"out/{IMAGES[0]}_timeseries.tsv", 5)
        with pytest.raises(OutputError, match=r"_timeseries\.tsv (has|and the files)"):
            extract("out", **OPTIONS, tidy="parquet", shard="2/2")


class TestEntities:
    def test_names_of_other_columns_are_told_apart(self):
        found = read_entities("x/sub-01_task-rest_run-1_atlas-a_bold.nii.gz")
        assert found == {"sub": "01", "task": "rest", "run_entity": "1", "atlas_entity": "a"}

    def test_former_names_of_fmriprep_have_the_entities_of_today(self):
        found = read_entities("sub-01_task-rest_bold_space-T1w_preproc.nii.gz")
        assert found == {"sub": "01", "task": "rest", "space": "T1w", "desc": "preproc"}

    @pytest.mark.parametrize("name", ["bold.nii", "2021-05-03_bold.nii.gz", "ses-_bold.nii", "x-ray.nii.gz"])
    def test_other_names_have_few_or_none(self, name):
        assert read_entities(name) == ({"x": "ray"} if name.startswith("x") else {})
