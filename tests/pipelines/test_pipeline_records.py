"""What the record, the summary, the long table and a dry run say of pipelines."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cleaned_studies import PIPELINES, WORDS, make_confounds, make_volumes, save_confounds
from images import save
from pipeline_tables import call, label_of, record, refuse, results_in, sidecars_of, statuses, summary, write_pipelines

pytestmark = pytest.mark.usefixtures("study")
LABELS = {name: label_of(name) for name in PIPELINES}
IMAGES = ("sub-01_task-rest_bold", "sub-02_task-rest_bold")


def process(*words: object, output: str = "out", code: int = 0, pipelines=PIPELINES):
    """Process the study with pipelines."""
    result = call(output, *WORDS, "--pipelines", write_pipelines("pipelines.json", pipelines), *words)
    assert result.code == code, result
    return result


class TestRecord:
    def test_pipelines_are_recorded_in_full(self):
        process()
        assert record()["parameters"]["pipelines"] == PIPELINES

    def test_order_is_recorded(self):
        process()
        assert list(record()["parameters"]["pipelines"]) == list(PIPELINES)

    def test_presets_are_recorded_in_full(self):
        assert call("out", *WORDS, "--pipelines", "simple").code == 0
        assert record()["parameters"]["pipelines"]["simple"]["regressors"]

    def test_runs_of_the_record_have_their_pipelines(self):
        process()
        assert [run["pipeline"] for run in record()["runs"]] == list(PIPELINES) * 2

    @pytest.mark.parametrize("layout", ["flat", "bids"])
    def test_record_repeats_the_call(self, layout):
        words = ["--regressors", "csf", "--output_layout", layout]
        process(*words)
        Path("pipelines.json").unlink()
        assert call("again", "-c", "out/niimasker_data/parameters.json").code == 0
        first, again = (results_in(folder) for folder in ("out", "again"))
        assert again == first

    def test_record_of_presets_repeats_the_call(self):
        call("out", *WORDS, "--pipelines", "simple", "baseline")
        assert call("again", "-c", "out/niimasker_data/parameters.json").code == 0
        assert results_in("again") == results_in("out")

    def test_record_without_pipelines_has_none(self):
        call("out", *WORDS)
        assert not record()["parameters"]["pipelines"]


class TestSummary:
    def test_row_per_run_and_pipeline(self):
        process()
        table = summary()
        assert list(statuses()) == [(f"sub-0{number}", name) for number in (1, 2) for name in PIPELINES]
        assert set(table["status"]) == {"done"}
        outputs = [f"{image}_desc-{label}" for image in IMAGES for label in LABELS.values()]
        assert table["output"].tolist() == outputs

    def test_numbers_are_the_pipelines_own(self):
        process()
        table = summary().set_index("pipeline")
        for name in PIPELINES:
            expected = [sidecar["DegreesOfFreedom"] for sidecar in sidecars_of("out", name)]
            assert table.loc[name, "degrees_of_freedom"].tolist() == pytest.approx(expected)
        assert (table.loc["scrubbing.5", "n_censored"] > 0).all()
        assert (table.loc["raw", "n_censored"] == 0).all()

    def test_pipeline_is_a_column_without_pipelines_too(self):
        call("out", *WORDS)
        assert summary()["pipeline"].isna().all()


@pytest.mark.parametrize("tidy", ["tsv.gz", "parquet"])
class TestLongTable:
    @staticmethod
    def read(tidy: str) -> pd.DataFrame:
        path = Path("out", f"timeseries.{tidy}")
        return pd.read_parquet(path) if tidy == "parquet" else pd.read_csv(path, sep="\t", na_values="n/a")

    def test_rows_are_those_of_the_tables(self, tidy):
        process("--tidy", tidy, "-r", "atlas.nii", "mask.nii")
        table = self.read(tidy)
        columns = list(table)
        assert columns.index("pipeline") < columns.index("volume")
        n_rows = 0
        for name, label in LABELS.items():
            for image in IMAGES:
                for atlas in ("atlas", "mask"):
                    path = f"out/{image}_desc-{label}_atlas-{atlas}_timeseries.tsv"
                    wide = pd.read_csv(path, sep="\t", na_values="n/a")
                    chosen = (table["pipeline"] == name) & (table["atlas"] == atlas)
                    chosen &= table["run"].astype(str).str.startswith(image)
                    assert table.loc[chosen, "value"].tolist() == pytest.approx(wide.to_numpy().T.ravel().tolist())
                    n_rows += wide.size
        assert len(table) == n_rows

    def test_volumes_are_the_pipelines_own(self, tidy):
        process("--tidy", tidy)
        table = self.read(tidy)
        table = table[table["run"].astype(str).str.startswith(IMAGES[0])]
        outliers = pd.read_csv(f"out/{IMAGES[0]}_desc-scrubbing5_outliers.tsv", sep="\t")
        kept = np.flatnonzero(~outliers.to_numpy().any(axis=1))
        assert 0 < len(kept) < 48
        assert sorted(set(table.loc[table["pipeline"] == "scrubbing.5", "volume"])) == kept.tolist()
        assert sorted(set(table.loc[table["pipeline"] == "raw", "volume"])) == list(range(48))


class TestDryRun:
    def test_lists_pipelines_and_writes_nothing(self):
        before = [*Path().rglob("*"), Path("pipelines.json")]
        result = process("--dry_run")
        assert sorted(Path().rglob("*")) == sorted(before)
        assert result.err == ""
        for name in PIPELINES:
            assert name in result.out
        assert "6 to do" in result.out

    def test_kept_volumes_are_the_pipelines_own(self):
        process()
        kept = {(row.output, str(row.n_volumes)) for row in summary().itertuples()}
        lines = [line.split() for line in process("--dry_run").out.splitlines() if line.startswith("sub-")]
        assert len(lines) == 6
        for output, n_volumes in kept:
            (words,) = [words for words in lines if output in words]
            assert n_volumes in words

    def test_mistake_of_a_pipeline_is_reported(self):
        file = write_pipelines("pipelines.json", {**PIPELINES, "bad": {"regressors": ["compcor"]}})
        result = call("out", *WORDS, "--pipelines", file, "--dry_run")
        assert result.code == 2
        assert "6 to do, 0 to skip, 2 with errors" in result.out
        assert any("comp" in line for line in result.failures)

    def test_refusals_are_the_same(self):
        refuse(*WORDS, "--dry_run", "--pipelines", write_pipelines("p.json", {"a": {"smoothing_fwhm": 6}}))


def test_seven_pipelines_of_one_run_have_seven_rows():
    rng = np.random.default_rng(0)
    save(Path("sub-09_bold.nii"), make_volumes(rng), t_r=2.0)
    save_confounds("sub-09_desc-confounds_timeseries.tsv", make_confounds(rng))
    pipelines = {f"p{number}": {"low_pass": 0.05 + number / 100} for number in range(7)}
    process("-i", "sub-09_bold.nii", pipelines=pipelines)
    assert summary()["pipeline"].tolist() == list(pipelines)
    contents = [
        json.dumps(sidecar["Settings"]["low_pass"]) for name in pipelines for sidecar in sidecars_of("out", name)
    ]
    assert contents == [json.dumps(each["low_pass"]) for each in pipelines.values()]
