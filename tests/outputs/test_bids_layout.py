"""--output_layout bids: names, what the folder says of itself, and what validators and readers make of it."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import bids2table
import numpy as np
import pandas as pd
import pytest
from images import N_VOLUMES, make_labels, make_series, save
from studies import results_in, statuses

from niimasker.cli import main
from niimasker.outputs.study_names import long_table_path, name_group_files

LABELS = make_labels((1, 2, 5))
SPACE = "space-MNI152NLin2009cAsym"
RUNS = [
    f"sub-01/ses-1/func/sub-01_ses-1_task-rest_run-01_{SPACE}_res-2",
    f"sub-01/ses-2/func/sub-01_ses-2_task-rest_run-01_{SPACE}_res-2",
    f"sub-02/ses-1/func/sub-02_ses-1_task-rest_run-01_{SPACE}_res-2",
]
FIRST = f"out/sub-01/ses-1/func/sub-01_ses-1_task-rest_run-01_{SPACE}"
ATLAS = "atlases/tpl-MNI152NLin2009cAsym_res-2_atlas-Slabs_dseg.nii.gz"
WORDS = (
    *("-i", "prep/**/*_bold.nii.gz", "-r", ATLAS, "--output_layout", "bids"),
    *("--regressor_files", "prep/**/*_timeseries.tsv", "--regressors", "x"),
)
# Beside this Python, or wherever the system looks.
VALIDATOR = shutil.which(
    "bids-validator-deno", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
)


@pytest.fixture
def study(tmp_path, monkeypatch) -> Path:
    """The current folder: three runs in two sessions, with confounds, and an atlas."""
    monkeypatch.chdir(tmp_path)
    for number, run in enumerate(RUNS):
        image_path = save(Path(f"prep/{run}_desc-preproc_bold.nii.gz"), make_series(LABELS) + number, t_r=2.0)
        table_path = image_path.with_name(f"{Path(run).name.split('_space')[0]}_desc-confounds_timeseries.tsv")
        # Neither a line nor constant: the signals are lines, and keep something when this is regressed out.
        rows = "".join(f"{row % 3}\t{0.9 if row == 6 else 0.1}\n" for row in range(N_VOLUMES))
        table_path.write_text(f"x\tframewise_displacement\n{rows}")
    save(Path(ATLAS), LABELS)
    return tmp_path


def run(*words: str, output: str = "out", code: int = 0) -> None:
    """Run the study with further words."""
    assert main([output, *WORDS, *words]) == code


def files_in(output: str = "out") -> set[str]:
    """Return the files of the runs and of the data set."""
    return set(results_in(Path(output)))


def read(path: str) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", na_values="n/a")


def read_json(path: str) -> dict:
    return json.loads(Path(path).read_text("utf-8"))


OF_DATASET = {".bidsignore", "README", "dataset_description.json", "atlas-Slabs_dseg.tsv", "atlas-Slabs_dseg.json"}


class TestNames:
    def test_every_run_has_its_files_in_the_folder_of_its_session(self, study):
        run("--no_report")
        stems = [run.removesuffix("_res-2") for run in RUNS]
        signals = {f"{stem}_atlas-Slabs_res-2_stat-mean_timeseries" for stem in stems}
        coverage = {f"{stem}_atlas-Slabs_res-2_stat-coverage_bold" for stem in stems}
        design = {f"{stem}_res-2_design" for stem in stems}
        of_runs = {f"{stem}{suffix}" for stem in signals | coverage | design for suffix in (".tsv", ".json")}
        assert files_in() == of_runs | OF_DATASET

    def test_tables_are_those_of_the_flat_layout(self, study):
        run("--no_report", "--discard_scans", "1")
        run("--no_report", "--discard_scans", "1", "--output_layout", "flat", output="flat")
        flat = f"flat/{Path(RUNS[0]).name}_desc-preproc_bold"
        for name, other in (
            (f"{FIRST}_atlas-Slabs_res-2_stat-mean_timeseries", "timeseries"),
            (f"{FIRST}_atlas-Slabs_res-2_stat-coverage_bold", "regions"),
            (f"{FIRST}_res-2_design", "regressors"),
            (f"{FIRST}_res-2_outliers", "outliers"),
        ):
            assert Path(f"{name}.tsv").read_bytes() == Path(f"{flat}_{other}.tsv").read_bytes()

    def test_desc_of_the_source_is_the_last_entity(self, study):
        save(Path("sub-03_task-rest_desc-smooth_bold.nii.gz"), make_series(LABELS))
        words = ["-i", "sub-03_task-rest_desc-smooth_bold.nii.gz", "-r", ATLAS, "--connectivity", "pearson"]
        assert main(["out", *words, "--output_layout", "bids", "--no_report"]) == 0
        assert {name for name in files_in() if name.endswith(".tsv")} == {
            "atlas-Slabs_dseg.tsv",
            "sub-03/func/sub-03_task-rest_atlas-Slabs_stat-coverage_desc-smooth_bold.tsv",
            "sub-03/func/sub-03_task-rest_atlas-Slabs_stat-mean_desc-smooth_timeseries.tsv",
            "sub-03/func/sub-03_task-rest_atlas-Slabs_stat-pearsoncorrelation_desc-smooth_relmat.tsv",
        }

    def test_voxels_are_no_statistic(self, study):
        run("--no_report", "--as_voxels")
        signals = read(f"{FIRST}_atlas-Slabs_res-2_timeseries.tsv")
        assert signals.columns.tolist() == read(f"{FIRST}_atlas-Slabs_res-2_voxels.tsv")["column"].tolist()
        assert not [name for name in files_in() if "stat-mean" in name]

    def test_files_of_another_kind_of_signal_go_when_a_run_is_done_again(self, study):
        run("--no_report", "--as_voxels", "--discard_scans", "1")
        run("--no_report")
        fresh = "fresh"
        run("--no_report", output=fresh)
        assert files_in() == files_in(fresh)

    def test_images_without_subject_are_refused_with_ways_out(self, study, capsys):
        save(Path("bold.nii.gz"), make_series(LABELS))
        assert main(["out", "-i", "bold.nii.gz", "-r", ATLAS, "--output_layout", "bids"]) == 2
        said = capsys.readouterr().err
        assert all(words in said for words in ("bold.nii.gz", "no sub-", "--output_layout flat or mirror"))
        assert not Path("out").exists()

    def test_images_that_differ_in_what_is_not_kept_are_refused(self, study, capsys):
        for name in ("sub-03_task-rest_bold", "sub-03_task-rest_desc-preproc_bold"):
            save(Path(f"{name}.nii.gz"), make_series(LABELS))
        assert main(["out", "-i", "sub-03*.nii.gz", "-r", ATLAS, "--output_layout", "bids"]) == 2
        said = capsys.readouterr().err
        assert "sub-03_task-rest_bold.nii.gz, sub-03_task-rest_desc-preproc_bold.nii.gz; rename one" in said


class TestAtlases:
    def test_each_has_its_tables_and_its_regions(self, study):
        save(Path("atlases/my_mask (v2).nii.gz"), (LABELS == 1).astype(np.int16))
        run("-r", ATLAS, "atlases/my_mask (v2).nii.gz", "--no_report")
        assert read(f"{FIRST}_atlas-mymaskv2_res-2_stat-mean_timeseries.tsv").columns.tolist() == ["roi 1"]
        assert read(f"{FIRST}_atlas-Slabs_res-2_stat-mean_timeseries.tsv").shape == (N_VOLUMES, 3)
        assert read("out/atlas-mymaskv2_dseg.tsv")["index"].tolist() == [1]

    def test_seg_and_scale_are_entities_in_the_standards_order(self, study):
        atlases = [f"atlases/tpl-A_atlas-4S_seg-a_scale-{scale}_dseg.nii.gz" for scale in (156, 256)]
        for path in atlases:
            shutil.copy(ATLAS, path)
        run("-r", *atlases, "--connectivity", "pearson", "--tidy", "tsv.gz")
        keys = [f"4S_seg-a_scale-{scale}" for scale in (156, 256)]
        assert {name for name in files_in() if name.startswith(f"{FIRST[4:]}_atlas-") and name.endswith(".tsv")} == {
            f"{FIRST[4:]}_atlas-{key}_res-2_{suffix}.tsv"
            for key in keys
            for suffix in ("stat-mean_timeseries", "stat-coverage_bold", "stat-pearsoncorrelation_relmat")
        }
        assert {name for name in files_in() if name.startswith("atlas-")} == {
            f"atlas-{key}_dseg.{extension}" for key in keys for extension in ("tsv", "json")
        }
        sidecar = read_json(f"{FIRST}_atlas-{keys[0]}_res-2_stat-mean_timeseries.json")
        assert sidecar["roi 5"] == {"Atlas": keys[0], "ROI": 5}
        assert read("out/timeseries.tsv.gz")["atlas"].unique().tolist() == keys
        assert keys[1] in Path(f"out/reports/{RUNS[0]}_report.html").read_text("utf-8")

    def test_atlases_of_one_family_have_the_same_names_alone_and_together(self, study):
        atlases = {n: f"atlases/tpl-A_atlas-S_desc-{n}Parcels_dseg.nii.gz" for n in (100, 200)}
        for path in atlases.values():
            shutil.copy(ATLAS, path)
        run("-r", *atlases.values(), "--no_report", output="together")
        for n, path in atlases.items():
            run("-r", path, "--no_report", output=f"alone{n}")
        assert files_in("alone100") | files_in("alone200") == files_in("together")

    def test_given_names_come_first(self, study):
        run("--atlas_name", "Mine", "--no_report")
        assert Path(f"{FIRST}_atlas-Mine_res-2_stat-mean_timeseries.tsv").is_file()
        assert read_json(f"{FIRST}_atlas-Mine_res-2_stat-mean_timeseries.json")["roi 5"] == {"Atlas": "Mine", "ROI": 5}

    def test_given_names_name_several_in_the_flat_layout(self, study):
        shutil.copy(ATLAS, "other.nii.gz")
        run("-r", ATLAS, "other.nii.gz", "--atlas_name", "A", "B", "--no_report", "--output_layout", "flat")
        tables = {name.partition("_bold_")[2] for name in files_in() if name.endswith("_timeseries.tsv")}
        assert tables == {"atlas-A_timeseries.tsv", "atlas-B_timeseries.tsv"}

    def test_a_name_for_each_is_wanted(self, study, capsys):
        run("--atlas_name", "A", "B", code=2)
        assert "--atlas_name has 2 names but --roi_file has 1; give one name for each" in capsys.readouterr().err

    def test_names_that_are_no_unicode_are_listed(self, study):
        run("--labels", "\udce9", "b", "c", "--no_report")
        assert read("out/atlas-Slabs_dseg.tsv")["name"].tolist() == ["\\udce9", "b", "c"]

    def test_regions_of_an_atlas_are_listed_with_their_centres(self, study):
        Path("names.tsv").write_text("index\tname\n1\ta\n2\tb\n5\tc\n")
        run("--labels", "names.tsv", "--no_report")
        facts = read(f"{FIRST}_atlas-Slabs_res-2_stat-coverage_bold.tsv")
        regions = read("out/atlas-Slabs_dseg.tsv")
        assert regions["name"].tolist() == ["a", "b", "c"]
        assert regions.equals(facts[["index", "name", "x", "y", "z"]])


class TestSidecars:
    @pytest.mark.parametrize("layout", ["flat", "mirror", "bids"])
    def test_columns_name_atlas_and_region(self, study, layout):
        run("--output_layout", layout, "--no_report")
        (path, *_) = sorted(Path("out").rglob("*_timeseries.json"))
        sidecar = read_json(str(path))
        atlas = "Slabs" if layout == "bids" else Path(ATLAS).name.removesuffix(".nii.gz")
        assert {name: sidecar[name] for name in ("roi 1", "roi 2", "roi 5")} == {
            f"roi {index}": {"Atlas": atlas, "ROI": index} for index in (1, 2, 5)
        }

    def test_sidecar_of_voxels_describes_no_column(self, study):
        run("--as_voxels", "--no_report")
        sidecar = read_json(f"{FIRST}_atlas-Slabs_res-2_timeseries.json")
        voxels = read(f"{FIRST}_atlas-Slabs_res-2_voxels.tsv")
        assert sidecar["Columns"] is None
        assert not set(sidecar) & set(voxels["column"])
        assert set(voxels["region"]) == {"roi 1", "roi 2", "roi 5"}

    def test_region_that_is_called_as_a_fact_leaves_the_fact(self, study):
        run("--labels", "Volumes", "Files", "c", "--no_report")
        sidecar = read_json(f"{FIRST}_atlas-Slabs_res-2_stat-mean_timeseries.json")
        assert sidecar["Volumes"]["Read"] == N_VOLUMES
        assert all(name.startswith("sub-01/") for name in sidecar["Files"])
        assert sidecar["Columns"] == {"Volumes": {"Index": 1}, "Files": {"Index": 2}, "c": {"Index": 5}}

    # Of 12 volumes of 2 s, 2 are discarded; the file censors the third and the seventh.
    @pytest.mark.parametrize(
        ("words", "start"),
        [
            ([], 0.0),
            (["--discard_scans", "2"], 4.0),
            (["--discard_scans", "2", "--censor_file", "censor.tsv"], 6.0),
            (["--discard_scans", "2", "--censor_file", "censor.tsv", "--censored", "nan"], 4.0),
            (["--censor_file", "censor.tsv"], 0.0),
        ],
    )
    def test_start_time_is_that_of_the_first_row(self, study, words, start):
        Path("censor.tsv").write_text("".join(f"{int(row in (2, 6))}\n" for row in range(N_VOLUMES)))
        image = f"prep/{RUNS[0]}_desc-preproc_bold.nii.gz"
        assert main(["out", "-i", image, "-r", ATLAS, "--output_layout", "bids", "--no_report", *words]) == 0
        path = f"{FIRST}_atlas-Slabs_res-2_stat-mean_timeseries"
        assert read_json(f"{path}.json")["StartTime"] == start
        # The signal of roi 1 is 10 + volume.
        first_row = read(f"{path}.tsv")["roi 1"].first_valid_index()
        first_volume = read(f"{path}.tsv")["roi 1"][first_row] - 10
        assert first_volume - first_row == start / 2

    def test_start_time_is_not_known_without_repetition_time(self, study):
        save(Path("sub-03_bold.nii.gz"), make_series(LABELS))
        assert main(["out", "-i", "sub-03_bold.nii.gz", "-r", ATLAS, "--discard_scans", "2", "--no_report"]) == 0
        assert read_json("out/sub-03_bold_timeseries.json")["StartTime"] is None

    def test_columns_of_every_table_of_facts_are_described(self, study):
        run("--as_voxels", "--scrub", "--scrub_segment", "0", "--std_dvars_threshold", "0", "--no_report")
        tables = [path for path in sorted(files_in()) if re.search("_(bold|voxels|outliers|dseg).tsv", path)]
        assert len(tables) == 3 * 3 + 1
        for table in tables:
            described = read_json(f"out/{table.replace('.tsv', '.json')}")
            described.pop("Description", None)
            assert list(described) == read(f"out/{table}").columns.tolist()

    def test_outliers_are_those_of_scrubbing(self, study):
        run("--scrub", "--scrub_segment", "0", "--std_dvars_threshold", "0", "--no_report")
        outliers = read(f"{FIRST}_res-2_outliers.tsv")
        assert outliers["framewise_displacement"].tolist() == [int(volume == 6) for volume in range(N_VOLUMES)]
        assert len(read(f"{FIRST}_atlas-Slabs_res-2_stat-mean_timeseries.tsv")) == N_VOLUMES - 1

    def test_regressors_have_the_timing_of_the_image(self, study):
        run("--discard_scans", "2", "--no_report")
        design = read_json(f"{FIRST}_res-2_design.json")
        assert (design["SamplingFrequency"], design["StartTime"]) == (0.5, 0.0)


class TestDataset:
    def test_description_names_program_and_source(self, study):
        description = {"Name": "a", "BIDSVersion": "1.9.0", "DatasetDOI": "doi:10.1/x"}
        Path("prep/dataset_description.json").write_text(json.dumps(description))
        run("--no_report")
        found = read_json("out/dataset_description.json")
        assert found["DatasetType"] == "derivative"
        assert [program["Name"] for program in found["GeneratedBy"]] == ["niimasker"]
        assert found["SourceDatasets"] == [{"URL": (study / "prep").as_uri(), "DOI": "doi:10.1/x"}]

    def test_source_without_description_is_the_folder_of_the_subjects(self, study):
        run("--no_report")
        assert read_json("out/dataset_description.json")["SourceDatasets"] == [{"URL": (study / "prep").as_uri()}]

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ('{"GeneratedBy": [{"Name": "fMRIPrep"}]}', "was written by fMRIPrep"),
            ('{"Name": "raw"}', "was not written by niimasker"),
            ("{", "was not written by niimasker"),
            ("[" * 200_000, "was not written by niimasker"),
        ],
    )
    @pytest.mark.parametrize("words", [[], ["--dry_run"]])
    def test_folder_of_another_dataset_is_refused(self, study, capsys, text, found, words):
        Path("out").mkdir()
        Path("out/dataset_description.json").write_text(text)
        run(*words, code=2)
        assert f"out/dataset_description.json {found}" in capsys.readouterr().err
        assert [path.name for path in Path("out").iterdir()] == ["dataset_description.json"]
        assert Path("out/dataset_description.json").read_text() == text

    def test_other_layouts_leave_a_data_set_alone(self, study):
        Path("out").mkdir()
        Path("out/dataset_description.json").write_text("{}")
        run("--output_layout", "mirror", "--no_report")
        assert Path("out/dataset_description.json").read_text() == "{}"

    def test_lines_and_readme_of_somebody_else_stay(self, study):
        Path("out").mkdir()
        Path("out/.bidsignore").write_bytes(b"m\xefne\nreports\n")
        Path("out/README.md").write_text("mine")
        run("--no_report")
        run("--no_report")
        lines = Path("out/.bidsignore").read_bytes().splitlines()
        assert lines[:2] == [b"m\xefne", b"reports"]
        assert len(lines) == len(set(lines))
        assert b"niimasker_data" in lines
        assert not Path("out/README").exists()

    def test_readme_names_the_files_of_all_runs(self, study):
        run("--no_report")
        readme = Path("out/README").read_text()
        of_all_runs = [*dataclasses.astuple(name_group_files(Path())), long_table_path(Path(), "parquet")]
        assert [str(path) for path in of_all_runs if str(path) not in readme] == []

    def test_readers_of_derivatives_find_the_tables(self, study):
        run("--no_report")
        index = bids2table.index_dataset(study / "out").to_pandas()
        tables = index[(index["suffix"] == "timeseries") & (index["ext"] == ".tsv")]
        assert tables[["sub", "ses", "task", "atlas", "res"]].to_numpy().tolist() == [
            ["01", "1", "rest", "Slabs", "2"],
            ["01", "2", "rest", "Slabs", "2"],
            ["02", "1", "rest", "Slabs", "2"],
        ]


class TestRunning:
    def test_finished_runs_are_skipped(self, study):
        run("--no_report")
        before = results_in(Path("out"))
        run("--no_report", "--resume")
        assert statuses(Path("out")).to_dict() == dict.fromkeys(RUNS, "skipped")
        assert results_in(Path("out")) == before

    @pytest.mark.parametrize(
        "name",
        ["atlas-Slabs_res-2_stat-mean_timeseries.tsv", "atlas-Slabs_res-2_stat-coverage_bold.json", "res-2_design.tsv"],
    )
    def test_run_that_lacks_a_file_is_done_again(self, study, name):
        run("--no_report")
        before = results_in(Path("out"))
        Path(f"{FIRST}_{name}").unlink()
        run("--no_report", "--resume")
        assert statuses(Path("out")).tolist() == ["done", "skipped", "skipped"]
        assert results_in(Path("out")) == before

    def test_other_name_of_the_atlas_redoes_all(self, study):
        run("--no_report")
        run("--no_report", "--resume", "--atlas_name", "Other")
        assert set(statuses(Path("out"))) == {"done"}

    def test_shards_and_processes_write_what_one_call_writes(self, study):
        run("--no_report")
        whole = results_in(Path("out"))
        shutil.rmtree("out")
        run("--no_report", "--shard", "1/2", "--n_jobs", "2")
        run("--no_report", "--shard", "2/2")
        assert results_in(Path("out")) == whole
        assert statuses(Path("out")).to_dict() == dict.fromkeys(RUNS, "done")

    def test_dry_run_shows_the_names_and_writes_nothing(self, study, capsys):
        run("--dry_run")
        said = capsys.readouterr().out
        assert all(stem in said for stem in RUNS)
        assert not Path("out").exists()

    def test_index_leads_to_the_page_of_each_run(self, study):
        run()
        page = Path("out/reports/index.html").read_text("utf-8")
        links = {unquote(link) for link in re.findall(r'"([^"]+_report\.html)"', page)}
        assert links == {f"{stem}_report.html" for stem in RUNS}
        assert all(Path("out/reports", link).is_file() for link in links)


@pytest.mark.skipif(VALIDATOR is None, reason="bids-validator-deno is not installed")
class TestValidator:
    def validate(self) -> list[dict]:
        """Return the errors that the validator finds."""
        words = [str(VALIDATOR), "out", "--format", "json"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        issues = json.loads(done.stdout)["issues"]["issues"]
        return [issue for issue in issues if issue["severity"] == "error"]

    @pytest.mark.parametrize(
        "words",
        [
            ["--discard_scans", "1", "--connectivity", "pearson", "precision", "--tidy", "parquet"],
            ["--as_voxels", "--scrub", "--scrub_segment", "0", "--std_dvars_threshold", "0", "--tidy", "tsv.gz"],
            ["-r", ATLAS, "seeds.tsv", "maps.nii.gz", "--radius", "3", "--allow_overlap"],
            ["-r", "tpl-A_atlas-B_seg-c_scale-1_desc-d_dseg.nii.gz", "--connectivity", "pearson"],
        ],
        ids=["connectivity", "voxels", "several atlases", "seg and scale"],
    )
    def test_no_error_is_found(self, study, words):
        Path("seeds.tsv").write_text("x\ty\tz\n0\t0\t10\n0\t6\t10\n")
        shutil.copy(ATLAS, "tpl-A_atlas-B_seg-c_scale-1_desc-d_dseg.nii.gz")
        save(Path("maps.nii.gz"), np.stack([LABELS == 1, LABELS == 2], axis=-1).astype(np.float32))
        run(*words)
        assert self.validate() == []

    def test_wrong_names_would_be_found(self, study):
        run("--no_report")
        Path("out/sub-01/ses-1/func/sub-01_ses-1_task-rest_signals.tsv").write_text("a\n1\n")
        Path("out/atlas-Slabs_dseg.tsv").write_text("name\na\n")
        assert {issue["code"] for issue in self.validate()} == {"NOT_INCLUDED", "TSV_COLUMN_MISSING"}
