"""Several confounds tables of each run, joined side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from images import SHAPE, make_labels, save
from studies import statuses

from niimasker.cli import main

N = 60
RUNS = ("sub-1_task-a", "sub-2_task-a")
PREP, MIXING = "prep/{}_desc-confounds_timeseries.tsv", "tedana/{}_desc-ICA_mixing.tsv"
BOTH = ("--regressor_files", "prep/*.tsv", "tedana/*_mixing.tsv")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """The current folder: two runs, and for each the tables of two programs in two folders."""
    monkeypatch.chdir(tmp_path)
    save(Path("atlas.nii.gz"), make_labels())
    for number, run in enumerate(RUNS):
        noise = np.random.default_rng(number).integers(0, 1000, (*SHAPE, N), dtype=np.int16)
        save(Path(f"prep/{run}_desc-preproc_bold.nii.gz"), noise, t_r=2.0)
        write(PREP.format(run), noise_columns(10 + number, "csf", "white_matter", "a_comp_cor_00"))
        write(MIXING.format(run), noise_columns(20 + number, "ICA_00", "ICA_01"))
        metrics = "Component\tclassification\nICA_00\taccepted\nICA_01\trejected\n"
        Path(f"tedana/{run}_desc-tedana_metrics.tsv").write_text(metrics)
        Path(f"prep/{run}_desc-confounds_timeseries.json").write_text('{"a_comp_cor_00": {"Mask": "combined"}}')
    return tmp_path


def noise_columns(seed: int, *names: str) -> dict[str, np.ndarray]:
    values = np.random.default_rng(seed).normal(size=(len(names), N)).round(6)
    return dict(zip(names, values, strict=True))


def write(path: str | Path, columns: Mapping[str, Sequence[object] | np.ndarray]) -> Path:
    path = Path(path)
    path.parent.mkdir(exist_ok=True)
    pd.DataFrame(dict(columns)).to_csv(path, sep="\t", index=False, na_rep="n/a")
    return path


def extract(output: str, *words: str, images: str = "prep/*_bold.nii.gz") -> int:
    return main([output, "-i", images, "-r", "atlas.nii.gz", "--no_report", *words])


def sidecar(output: str = "out", run: str = RUNS[0]) -> dict:
    return json.loads(Path(f"{output}/{run}_desc-preproc_bold_timeseries.json").read_text())


def test_words_and_columns_choose_from_all_tables():
    assert extract("out", *BOTH, "--regressors", "wm_csf", "tedana", "compcor") == 0
    assert sidecar()["Confounds"] == ["ICA_01", "a_comp_cor_00", "csf", "white_matter"]


def test_signals_are_those_of_one_table_with_all_columns():
    for run in RUNS:
        tables = [pd.read_csv(form.format(run), sep="\t") for form in (PREP, MIXING)]
        write(f"one/{run}.tsv", pd.concat(tables, axis=1))
    assert extract("out", *BOTH, "--regressors", "csf", "ICA_0*") == 0
    assert extract("one_out", "--regressor_files", "one/*.tsv", "--regressors", "csf", "ICA_0*") == 0
    for run in RUNS:
        name = f"{run}_desc-preproc_bold_timeseries.tsv"
        assert Path("out", name).read_bytes() == Path("one_out", name).read_bytes()


def test_without_words_all_columns_of_all_tables_are_used():
    assert extract("out", *BOTH) == 0
    assert sidecar()["Confounds"] == ["csf", "white_matter", "a_comp_cor_00", "ICA_00", "ICA_01"]


def test_tables_without_entities_are_paired_by_order_each():
    for number in (1, 2):
        write(f"physio/{number}.tsv", noise_columns(30 + number, "heart"))
    assert extract("out", "--regressor_files", "prep/*.tsv", "physio/*.tsv", "--regressors", "heart", "csf") == 0
    assert [Path(record["Path"]) for record in sidecar(run=RUNS[1])["Sources"]["Confounds"]] == [
        Path(PREP.format(RUNS[1])),
        Path("physio/2.tsv"),
    ]


def test_one_run_may_have_tables_named_one_by_one():
    tables = [PREP.format(RUNS[0]), MIXING.format(RUNS[0])]
    words = ["--regressor_files", *tables, "--regressors", "csf", "ICA_01"]
    assert extract("out", *words, images=f"prep/{RUNS[0]}_desc-preproc_bold.nii.gz") == 0
    assert sidecar()["Confounds"] == ["csf", "ICA_01"]


def test_measures_of_motion_may_be_in_any_table():
    motion = {"framewise_displacement": [0.1] * 30 + [2.0] + [0.1] * 29, "std_dvars": [1.0] * N}
    for run in RUNS:
        write(f"motion/{run}_motion.tsv", motion)
    words = ["--regressor_files", "prep/*.tsv", "motion/*.tsv", "--regressors", "csf", "--scrub"]
    assert extract("out", *words) == 0
    assert sidecar()["Volumes"]["Censored"] == 1


class TestRecords:
    def test_sidecar_parameters_and_summary_have_all_tables(self):
        assert extract("out", *BOTH, "--regressors", "csf") == 0
        paths = [PREP.format(RUNS[0]), MIXING.format(RUNS[0])]
        records = sidecar()["Sources"]["Confounds"]
        assert [record["Path"] for record in records] == paths
        assert [record["Bytes"] for record in records] == [Path(path).stat().st_size for path in paths]
        summary = pd.read_csv("out/niimasker_data/summary.tsv", sep="\t")
        assert summary["confounds"][0] == ", ".join(paths)
        parameters = json.loads(Path("out/niimasker_data/parameters.json").read_text())
        assert parameters["runs"][0]["confounds"] == ", ".join(paths)

    def test_a_single_table_is_recorded_as_before(self):
        assert extract("out", "--regressor_files", "prep/*.tsv", "--regressors", "csf") == 0
        assert sidecar()["Sources"]["Confounds"]["Path"] == PREP.format(RUNS[0])

    def test_dry_run_lists_all_tables(self, capsys):
        assert extract("out", *BOTH, "--regressors", "csf", "--dry_run") == 0
        printed = capsys.readouterr().out
        for run in RUNS:
            assert f"  {Path(PREP.format(run)).name} {MIXING.format(run)}  " in printed

    def test_verbose_lists_all_tables(self, capsys):
        assert extract("out", *BOTH, "--regressors", "csf", "-v") == 0
        assert f"confounds {PREP.format(RUNS[0])} with {MIXING.format(RUNS[0])}, outputs" in capsys.readouterr().err

    def test_report_lists_all_tables(self):
        words = ["out", "-i", "prep/*_bold.nii.gz", "-r", "atlas.nii.gz", *BOTH, "--regressors", "csf"]
        assert main(words) == 0
        page = Path(f"out/reports/{RUNS[0]}_desc-preproc_bold_report.html").read_text("utf-8")
        assert "Confounds (2)" in page
        assert MIXING.format(RUNS[0]) in page

    @pytest.mark.parametrize("changed", [MIXING, "tedana/{}_desc-tedana_metrics.tsv"])
    def test_resume_does_runs_again_whose_further_table_changed(self, capsys, changed):
        words = [*BOTH, "--regressors", "csf", "--resume"]
        assert extract("out", *words) == 0
        path = Path(changed.format(RUNS[1]))
        path.write_text(path.read_text() + "\n")
        assert extract("out", *words) == 0
        assert statuses(Path("out")).tolist() == ["skipped", "done"]


class TestColumnsInBothTables:
    @pytest.mark.parametrize("written", [("1.50", "1.5"), ("n/a", ""), ("x", "x"), ("NA", "nan")])
    def test_equal_columns_count_once(self, written):
        for run in RUNS:
            for form, cell in zip((PREP, MIXING), written, strict=True):
                table = pd.read_csv(form.format(run), sep="\t").assign(both=[cell, *["1"] * (N - 1)])
                write(form.format(run), table)
        assert extract("out", *BOTH, "--regressors", "*comp_cor*", "ICA_01") == 0
        assert sidecar()["Confounds"] == ["a_comp_cor_00", "ICA_01"]

    def test_columns_that_differ_are_an_error(self, capsys):
        for run in RUNS:
            table = pd.read_csv(MIXING.format(run), sep="\t")
            write(MIXING.format(run), table.assign(csf=pd.read_csv(PREP.format(run), sep="\t")["csf"]))
        table = pd.read_csv(MIXING.format(RUNS[0]), sep="\t")
        table.loc[2, "csf"] = 7.5
        cell = pd.read_csv(PREP.format(RUNS[0]), sep="\t", dtype=str)["csf"][2]
        write(MIXING.format(RUNS[0]), table)
        assert extract("out", *BOTH, "--regressors", "ICA_01") == 2
        assert capsys.readouterr().err == (
            f"niimasker: error: {PREP.format(RUNS[0])} and {MIXING.format(RUNS[0])} both have a column 'csf', and "
            f"differ in row 3 (the first row below the header is row 1), '{cell}' and '7.5'; rename it in one of them, "
            "or give only one of the tables.\n"
        )


class TestTablesThatDoNotFit:
    def test_table_of_another_length_is_named(self, capsys):
        path = Path(MIXING.format(RUNS[0]))
        path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
        assert extract("out", *BOTH, "--regressors", "csf") == 2
        assert capsys.readouterr().err == (
            f"niimasker: error: {path} has 59 rows but prep/{RUNS[0]}_desc-preproc_bold.nii.gz has 60 volumes; each "
            "confounds table must come from the same run as its image.\n"
        )

    def test_gap_names_the_table_of_its_column(self, capsys):
        table = pd.read_csv(MIXING.format(RUNS[0]), sep="\t")
        table.loc[5, "ICA_01"] = np.nan
        path = write(MIXING.format(RUNS[0]), table)
        assert extract("out", *BOTH, "--regressors", "csf", "ICA_01") == 2
        assert capsys.readouterr().err == (
            f"niimasker: error: {path}: column 'ICA_01' has no value in row 6 (the first row below the header is row "
            "1); correct the table or leave this column out of --regressors.\n"
        )

    def test_column_that_no_table_has_names_both(self, capsys):
        assert extract("out", *BOTH, "--regressors", "global_signal") == 2
        shown = f"{PREP.format(RUNS[0])} with {MIXING.format(RUNS[0])}"
        assert (
            f"{shown} lacks columns that global_signal=basic takes: global_signal; it has csf, white_matter, "
            "a_comp_cor_00, ICA_00, ICA_01."
        ) in capsys.readouterr().err

    def test_pattern_without_a_table_for_every_run_is_an_error(self, capsys):
        Path(MIXING.format(RUNS[1])).unlink()
        assert extract("out", *BOTH, "--regressors", "csf") == 2
        assert capsys.readouterr().err == (
            "niimasker: error: --regressor_files: prep/*.tsv has a table for every image, but tedana/*_mixing.tsv has "
            "not: no confounds table has the BIDS entities of prep/sub-2_task-a_desc-preproc_bold.nii.gz (sub-2 "
            "task-a). Files that are joined side by side must each be there for every image.\n"
        )

    def test_files_whose_number_does_not_divide_are_an_error(self, capsys):
        for number in (1, 2, 3):
            write(f"physio/{number}.tsv", noise_columns(30 + number, "heart"))
        assert extract("out", "--regressor_files", "prep/*.tsv", "physio/*.tsv", "--regressors", "csf") == 2
        assert capsys.readouterr().err == (
            "niimasker: error: --regressor_files: prep/*.tsv has a table for every image, but physio/*.tsv has not: 2 "
            "images but 3 confounds tables; give one per image. Files that are joined side by side must each be there "
            "for every image.\n"
        )

    def test_patterns_that_overlap_for_some_runs_are_an_error(self, capsys):
        for name in ("sub-1_task-a_yz", "sub-2_task-a_y", "sub-2_task-a_z"):
            write(f"c/{name}.tsv", noise_columns(1, "x"))
        assert extract("out", "--regressor_files", "c/*_y*.tsv", "c/*z.tsv", "--regressors", "x") == 2
        assert capsys.readouterr().err == (
            "niimasker: error: --regressor_files: c/*_y*.tsv and c/*z.tsv have the same table for "
            f"prep/{RUNS[0]}_desc-preproc_bold.nii.gz, but different ones for other images; narrow the patterns, so "
            "that they share no file.\n"
        )

    def test_two_patterns_of_the_same_tables_count_once(self):
        assert extract("out", "--regressor_files", "prep/*.tsv", "prep/*_timeseries.tsv", "--regressors", "csf") == 0
        assert sidecar()["Sources"]["Confounds"]["Path"] == PREP.format(RUNS[0])

    def test_one_pattern_that_matches_two_tables_of_a_run_is_an_error(self, capsys):
        assert extract("out", "--regressor_files", "*/*_task-a_desc-[cI]*.tsv", "--regressors", "csf") == 2
        assert capsys.readouterr().err == (
            "niimasker: error: more than one confounds table has the BIDS entities of "
            f"prep/{RUNS[0]}_desc-preproc_bold.nii.gz (sub-1 task-a): {MIXING.format(RUNS[0])}, "
            f"{PREP.format(RUNS[0])}; to join them, give a pattern for each in quotes.\n"
        )
