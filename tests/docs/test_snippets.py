"""The pieces of JSON, Python, R and Octave on the pages run on the example."""

from __future__ import annotations

import contextlib
import io
import runpy
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from documentation import ATLAS, IMAGE, SIGNALS, block_with, blocks

from niimasker.options.config_file import read_config
from niimasker.options.merging import make_settings

OCTAVE = shutil.which("octave-cli") or shutil.which("octave")
RSCRIPT = shutil.which("Rscript")
PLAIN = {"input_files": "bold.nii.gz", "roi_file": "atlas.nii.gz"}
# A table as R and Octave should stand it: a name with a space, values that are missing, in the last column too.
ODD_TABLE = "roi 1\tLeft A\tB\n1.5\tn/a\t2\n-3e-1\tn/a\t7\n4\tn/a\tn/a\n"


@pytest.mark.parametrize("block", blocks("json"))
def test_json_blocks_are_configurations_or_files_of_an_option(tmp_path, block):
    path = tmp_path / "config.json"
    path.write_text(block, "utf-8")
    option = "judge" if '"amber"' in block else "pipelines"
    config = read_config(path) if "input_files" in block else {**PLAIN, option: str(path)}
    assert make_settings({"output_dir": "results"}, config)


@pytest.fixture
def run_python(example, tmp_path, monkeypatch):
    """Run a piece of Python where the example has been run, and return what it prints."""

    def run(block: str) -> str:
        (tmp_path / "snippet.py").write_text(block, "utf-8")
        monkeypatch.chdir(example.folder)
        with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.redirect_stderr(io.StringIO()) as said:
            runpy.run_path(str(tmp_path / "snippet.py"), run_name="__main__")
        assert said.getvalue() == ""
        return printed.getvalue()

    return run


class TestPython:
    def test_every_piece_is_run(self):
        assert len(blocks("python")) == 6

    def test_reads_the_examples_table(self, example, run_python):
        block = block_with("python", SIGNALS)
        printed = run_python(f"{block}\nprint(*signals.shape, *correlation.shape, signals.iloc[0, 0])").split()
        first = float(example.lines(SIGNALS, 2)[1][0])
        assert [float(word) for word in printed] == pytest.approx([110, 30, 30, 30, first], rel=1e-6)

    def test_puts_values_of_voxels_back_into_a_volume(self, example, run_python):
        folder = example.output("voxels_output")
        run_python(block_with("python", "_voxels.tsv"))
        volume = nib.load(folder / "standard_deviation.nii.gz").get_fdata()
        atlas = nib.load(example.folder / "example_output/data/atlas" / ATLAS)
        bold = nib.load(example.folder / f"example_output/data/fmriprep/sub-01/func/{IMAGE}.nii.gz")
        inside = np.asarray(atlas.dataobj) > 0
        assert np.array_equal(volume > 0, inside)
        assert volume[inside] == pytest.approx(np.asarray(bold.dataobj)[inside].std(axis=1, ddof=1))

    def test_puts_values_of_vertices_back_onto_the_surface(self, example, run_python):
        folder = example.output("vertices_output")
        run_python(block_with("python", "_vertices.tsv"))
        data = example.folder / "example_output/data"
        for hemi in "LR":
            labels = nib.load(data / f"atlas/tpl-fsaverage_den-10k_hemi-{hemi}_atlas-Example_dseg.label.gii")
            bold_path = data / f"surfaces/sub-01/func/sub-01_task-rest_hemi-{hemi}_space-fsaverage5_bold.func.gii"
            kept = np.array([array.data for array in nib.load(bold_path).darrays[1:]], dtype=float)
            expected = np.where(labels.agg_data() > 0, kept.std(axis=0, ddof=1), 0)
            written = nib.load(folder / f"standard_deviation.{hemi}.shape.gii").agg_data()
            assert written == pytest.approx(expected, rel=1e-6)

    def test_loop_over_outcomes_prints_the_tables(self, example, run_python):
        tables = run_python(block_with("python", "extract(")).splitlines()
        assert len(tables) == 2
        assert all((example.folder / path).is_file() for path in tables)

    def test_reads_the_long_table_as_the_runs_own(self, example, run_python):
        folder = example.output("parquet_output")
        shows = "print(*means.loc['01'].round(6), *one_run.shape)"
        printed = run_python(f"{block_with('python', 'read_parquet')}\n{shows}")
        *means, n_volumes, n_regions = map(float, printed.split())
        signals = pd.read_csv(folder / f"{IMAGE}_timeseries.tsv", sep="\t")
        assert (n_volumes, n_regions) == signals.shape
        assert means == pytest.approx(signals.mean()[list(dict.fromkeys(signals))].tolist(), abs=1e-6)

    def test_compares_the_engines_on_the_example(self, example, run_python):
        for name in ("stream_output", "nilearn_output"):
            example.output(name)
        difference = float(run_python(block_with("python", "{engine}_output")))
        assert 0 < difference < 1e-11


def run_script(command: Sequence[str | None], script: Path, text: str) -> list[float]:
    """The numbers that a script prints."""
    script.write_text(text, "utf-8")
    done = subprocess.run([*filter(None, command), script.name], cwd=script.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [float(word) for word in done.stdout.split()]


def on_odd_table(block: str, folder: Path) -> str:
    (folder / "odd.tsv").write_text(ODD_TABLE, "utf-8")
    assert SIGNALS in block
    return block.replace(SIGNALS, "odd.tsv")


@pytest.mark.skipif(RSCRIPT is None, reason="R is not installed")
class TestR:
    block = block_with("r", SIGNALS)

    def run(self, folder: Path, text: str) -> list[float]:
        return run_script([RSCRIPT, "--vanilla"], folder / "snippet.R", text)

    def test_reads_the_examples_table(self, example):
        printed = self.run(example.folder, f"{self.block}\ncat(dim(signals), dim(correlation), signals[1, 1])")
        assert printed == pytest.approx([110, 30, 30, 30, float(example.lines(SIGNALS, 2)[1][0])], rel=1e-6)

    def test_reads_missing_values_and_names_with_spaces(self, tmp_path):
        shows = (
            'cat(colSums(is.na(signals)), signals$`roi 1`, signals$B[1:2], signals[["roi 1"]][3], correlation[1, 3])'
        )
        printed = self.run(tmp_path, f"{on_odd_table(self.block, tmp_path)}\n{shows}")
        assert printed == [0, 3, 1, 1.5, -0.3, 4, 2, 7, 4, -1]

    def test_reads_the_long_table(self, example, tmp_path):
        folder = example.output("tidy_output")
        shows = 'cat(dim(signals), means$value[means$sub == "01" & means$region == "LH_Vis_1"])'
        (tmp_path / "tidy_output").symlink_to(folder)
        printed = self.run(tmp_path, f"{block_with('r', 'tidy_output')}\n{shows}")
        table = pd.read_csv(folder / f"{IMAGE}_timeseries.tsv", sep="\t")
        assert printed == pytest.approx([2 * table.size, 10, table["LH_Vis_1"].mean()], rel=1e-6)


@pytest.mark.skipif(OCTAVE is None, reason="Octave is not installed")
class TestOctave:
    (block,) = blocks("matlab")

    def run(self, folder: Path, text: str) -> list[float]:
        return run_script([OCTAVE, "--no-gui", "--norc", "--quiet"], folder / "snippet.m", text)

    def test_reads_the_examples_table(self, example):
        printed = self.run(example.folder, f"{self.block}\nprintf('%.8f ', size(signals), numel(names), first(1))")
        assert printed == pytest.approx([110, 30, 30, float(example.lines(SIGNALS, 2)[1][0])])

    def test_reads_missing_values_and_names_with_spaces(self, tmp_path):
        shows = "printf('%g ', sum(isnan(signals)), first, signals(1:2, strcmp(names, 'B')))"
        assert self.run(tmp_path, f"{on_odd_table(self.block, tmp_path)}\n{shows}") == [0, 3, 1, 1.5, -0.3, 4, 2, 7]
