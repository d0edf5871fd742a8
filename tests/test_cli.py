"""What a user types, reads and finds: through `main`, in an own folder of small images."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from answers import Result
from images import N_VOLUMES, OBLIQUE, SHAPE, make_labels, make_series, save

from niimasker import __version__, extract
from niimasker.cli import main
from niimasker.errors import NiimaskerError, NiimaskerWarning
from niimasker.options.settings import COMMAND_LINE_OPTIONS, GROUPS, OPTIONS, PER_CALL_OPTIONS, RUN_LIMITS

ALL_OPTIONS = (*OPTIONS, *COMMAND_LINE_OPTIONS)
VOLUMES = np.arange(N_VOLUMES)
LABELS = make_labels((1, 2, 5))
# Reports have tests of their own, and would cost most of the time here.
RUN = ("out", "-i", "bold.nii.gz", "-r", "atlas.nii.gz", "--no_report")
WITHOUT_NUMPY = """
import sys
{code}
print(sorted({{"numpy", "scipy", "pandas", "nibabel", "nilearn", "sklearn", "joblib"}} & sys.modules.keys()))
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """The current folder: an image, an atlas with the indices 1, 2 and 5, and confounds."""
    monkeypatch.chdir(tmp_path)
    fill(tmp_path)
    return tmp_path


@pytest.fixture
def niimasker(capsys):
    def run(*words: str) -> Result:
        capsys.readouterr()
        try:
            code = main(words)
        except SystemExit as error:
            code = error.code
        return Result(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """The output directory of a run with confounds and discarded volumes."""
    folder = tmp_path_factory.mktemp("finished")
    fill(folder)
    options = ["--regressor_files", f"{folder}/confounds.tsv", "--regressors", "x", "--discard_scans", "2"]
    assert main([f"{folder}/out", "-i", f"{folder}/bold.nii.gz", "-r", f"{folder}/atlas.nii.gz", *options]) == 0
    return folder / "out"


def fill(folder: Path) -> None:
    save(folder / "atlas.nii.gz", LABELS)
    save(folder / "bold.nii.gz", make_series(LABELS), t_r=2.0)
    write_confounds(folder / "confounds.tsv")


def write_confounds(path: Path, n_rows: int = N_VOLUMES, seed: int = 0) -> Path:
    values = np.random.default_rng(seed).normal(size=(n_rows, 2)).round(6)
    pd.DataFrame(values, columns=["x", "y"]).to_csv(path, sep="\t", index=False)
    return path


def write_seeds(path: Path, *voxels: tuple[int, int, int]) -> Path:
    centres = nib.affines.apply_affine(OBLIQUE, np.array(voxels))
    table = pd.DataFrame(centres[:, ::-1], columns=["z", "y", "x"]).assign(network="none")
    table.to_csv(path, sep="\t", index=False)
    return path


def copy_runs(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy("bold.nii.gz", name)


def write_truncated(name: str) -> None:
    """Write an image whose header promises more voxels than there are."""
    noise = np.random.default_rng(0).integers(0, 1000, (*SHAPE, N_VOLUMES), dtype=np.int16)
    path = save(Path(name), noise, t_r=2.0)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def read(path: str | Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t")


def base_names(paths: Iterable[str]) -> list[str]:
    return [Path(path).name for path in paths]


def read_json(path: str | Path) -> dict:
    return json.loads(Path(path).read_text(encoding="utf-8"))


def tables_in(folder: str) -> dict[str, bytes]:
    paths = [*Path(folder).rglob("*_timeseries.tsv"), *Path(folder).rglob("*_regions.tsv")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def files_in(folder: str | Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file()}


def assert_refused(result: Result, *parts: str) -> None:
    """Wrong use: exit code 2, one line that holds these parts, nothing written."""
    assert result.code == 2
    assert result.err.startswith("niimasker: error: ")
    assert len(result.lines) == 1
    assert [part for part in parts if part not in result.err] == []
    assert not Path("out").exists()


# Help and version


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize(("columns", "widest"), [("80", 80), ("100", 100), ("300", 100)])
def test_short_help_fits_one_screen(niimasker, monkeypatch, flag, columns, widest):
    monkeypatch.setenv("COLUMNS", columns)
    result = niimasker(flag)
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= widest


def test_short_help_of_a_narrow_terminal_loses_nothing(niimasker, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    words = niimasker("-h").out.split()
    monkeypatch.setenv("COLUMNS", "10")
    assert niimasker("-h").out.split() == words


def test_short_help_lists_the_common_options_alone(niimasker):
    listed = re.findall(r"^  (?:-\w, )?(?:--)?(\w+)", niimasker("-h").out, re.MULTILINE)
    assert sorted(listed) == sorted(option.name for option in ALL_OPTIONS if option.is_common)


def test_short_help_shows_the_first_clause_of_each_help(niimasker, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    out = niimasker("-h").out
    clauses = [option.help.partition(";")[0] for option in ALL_OPTIONS if option.is_common]
    assert [clause for clause in clauses if f"  {clause}" not in out] == []
    assert "motion limit of --scrub, in mm (default: 0.5)\n" in out


def test_short_help_says_where_the_rest_is(niimasker):
    out = niimasker("-h").out
    *_, options, documentation, exit_codes = out.splitlines()
    assert "--help_all" in options
    assert "README.md" in documentation
    assert exit_codes == "Exit codes: 0 no run failed, 1 a run failed, 2 wrong use, 130 interrupted."


def test_full_help_lists_every_option(niimasker):
    result = niimasker("--help_all")
    assert (result.code, result.err) == (0, "")
    names = [name for option in ALL_OPTIONS for name in option.names]
    listed = re.findall(r"^  (-.*|output_dir)", result.out, re.MULTILINE)
    shown = {word.strip(",") for line in listed for word in line.split()}
    assert [name for name in [*names, "--regressor_names"] if name not in shown] == []
    assert re.findall(r"^  -(\w)\b", result.out, re.MULTILINE) == list("irmqvch")


def test_full_help_fits_80_columns(niimasker, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, niimasker("--help_all").out.splitlines())) <= 80


def test_full_help_has_every_help_in_the_group_of_its_option(niimasker, monkeypatch):
    # Lines so wide that none is broken.
    monkeypatch.setenv("COLUMNS", "2000")
    out = niimasker("--help_all").out
    headings = re.findall(r"^(\w+):$", out, re.MULTILINE)
    assert [heading for heading in headings if heading in GROUPS] == list(GROUPS)
    for option in ALL_OPTIONS:
        block = out.partition(f"\n{option.group}:\n")[2].partition("\n\n")[0]
        assert f"{option.help}{option.default_note}\n" in f"{block}\n"


def test_version_is_printed(niimasker):
    result = niimasker("--version")
    assert (result.code, result.out) == (0, f"niimasker {__version__}\n")


# Words on the command line


@pytest.mark.parametrize(
    "words",
    [
        ["out/", "-i", "bold.nii.gz", "-r", "atlas.nii.gz", "--standardize"],
        ["--standardize", "-i", "bold.nii.gz", "-r", "atlas.nii.gz", "--", "out/"],
        ["-i", "bold.nii.gz", "-r", "atlas.nii.gz", "--standardize", "out/"],
        ["-i", "bold.nii.gz", "-r", "atlas.nii.gz", "--standardize", "--", "out/"],
        ["-i", "bold.nii.gz", "-r", "atlas.nii.gz", "--n_decimals", "8", "out/", "--standardize"],
        ["--standardize", "out/", "--input_files", "bold.nii.gz", "--roi_file", "atlas.nii.gz"],
    ],
    ids=" ".join,
)
def test_positional_and_options_come_in_any_order(niimasker, words):
    assert niimasker(*words).code == 0
    table = read("out/bold_timeseries.tsv")
    assert table.mean().to_numpy() == pytest.approx(0, abs=1e-7)
    assert table.std().to_numpy() == pytest.approx(1)


@pytest.mark.parametrize(
    "words", [[], RUN[1:], ["-r", "atlas.nii.gz", "-i", "bold.nii.gz", "out"], ["--example"]], ids=" ".join
)
def test_missing_output_dir_says_where_to_put_it(niimasker, words):
    assert_refused(niimasker(*words), "output_dir is missing; give it as the first word, or as the last one after --")


@pytest.mark.parametrize("word", ["--banana", "--output_dir"])
def test_unknown_option_is_named(niimasker, word):
    assert_refused(niimasker(*RUN, word), f"unrecognized arguments: {word}", "niimasker --help_all")


def test_option_without_its_value_is_named(niimasker):
    assert_refused(niimasker(*RUN, "--t_r"), "--t_r: expected one argument")


# Wrong use


def prepare_wrong_files() -> None:
    copy_runs("other.nii.gz", "a/bold.nii.gz", "b/bold.nii.gz")
    save(Path("volume.nii.gz"), make_series(LABELS)[..., 0])
    save(Path("five.nii.gz"), np.zeros((*SHAPE, 3, 2)))
    save(Path("no_t_r.nii.gz"), make_series(LABELS))
    save(Path("fractions.nii.gz"), LABELS / 4)
    write_confounds(Path("short.tsv"), N_VOLUMES - 2)
    write_seeds(Path("seeds.tsv"), (3, 3, 3), (3, 3, 4))
    Path("no_z.tsv").write_text("x\ty\n1\t2\n")
    Path("names.tsv").write_text("index\tname\n1\ta\n2\tb\n4\td\n")
    Path("noise.nii.gz").write_bytes(b"no image")


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["-i", "nope.nii.gz"], ["--input_files", "nope.nii.gz", "does not exist"]),
        (["-i", "nope*.nii.gz"], ["--input_files", "nope*.nii.gz", "no file matches"]),
        (["-i", "volume.nii.gz"], ["volume.nii.gz", "3D", "7x8x9", "expected a 4D"]),
        (["-i", "five.nii.gz"], ["five.nii.gz", "5D", "7x8x9x3x2"]),
        (["-i", "a/bold.nii.gz", "b/bold.nii.gz"], ["a/bold.nii.gz", "b/bold.nii.gz", "--output_layout mirror"]),
        (["-r", "nope.nii.gz"], ["nope.nii.gz"]),
        (["-r", "noise.nii.gz"], ["noise.nii.gz"]),
        (["-r", "fractions.nii.gz"], ["fractions.nii.gz", "0.25", "whole numbers"]),
        (["-r", "nilearn:banana"], ["nilearn:banana", "schaefer", "aal"]),
        (["-r", "no_z.tsv"], ["no_z.tsv", "no column z", "found x, y"]),
        (["-r", "seeds.tsv", "--radius", "6"], ["roi 0 and roi 1", "--allow_overlap"]),
        (["-m", "nope.nii.gz"], ["nope.nii.gz"]),
        (["-m", "atlas.nii.gz"], ["atlas.nii.gz", "one other value", "0, 1, 2, 5"]),
        (["--labels", "a", "b"], ["2 names", "3 regions", "index 5"]),
        (["--labels", "a", "b", "c", "d"], ["4 names", "3 regions", "'d'"]),
        (["--labels", "nope.tsv"], ["nope.tsv", "No such file"]),
        (["--labels", "names.tsv"], ["names.tsv", "index 5"]),
        (["-r", "seeds.tsv", "--radius", "1", "--as_voxels"], ["--as_voxels", "seeds.tsv", "coordinates"]),
        (["--regressor_files", "nope.tsv"], ["--regressor_files", "nope.tsv", "does not exist"]),
        (["--regressor_files", "*.tsv"], ["1 image", "confounds tables"]),
        (["--regressor_files", "short.tsv"], ["short.tsv", "10 rows", "bold.nii.gz", "12 volumes"]),
        (["--regressor_files", "confounds.tsv", "--regressors", "z"], ["confounds.tsv", "'z'", "x, y"]),
        (["--regressors", "x"], ["bold.nii.gz", "confounds table", "--regressor_files"]),
        (["--discard_scans", "12"], ["bold.nii.gz", "12 volumes", "--discard_scans 12"]),
        (["-i", "no_t_r.nii.gz", "--high_pass", "0.01"], ["no_t_r.nii.gz", "--t_r in seconds"]),
        (["--high_pass", "0.3"], ["--high_pass 0.3 Hz", "0.25 Hz"]),
        (["--t_r", "2000", "--low_pass", "0.1"], ["2000 s", "milliseconds"]),
        (["--t_r", "two"], ["--t_r", "a number above 0, in seconds", '"two"']),
        (["--n_jobs", "0"], ["--n_jobs", "-1", "found 0"]),
        (["-c", "nope.json"], ["nope.json", "No such file"]),
        (["--engine", "banana"], ["--engine", "nilearn", '"banana"']),
        (["--example"], ["--example", "output_dir alone"]),
    ],
    ids=lambda part: " ".join(part)[:60],
)
def test_wrong_use_is_one_line_before_anything_is_written(niimasker, words, parts):
    prepare_wrong_files()
    assert_refused(niimasker(*RUN, *words), *parts)


@pytest.mark.parametrize("missing", ["--input_files", "--roi_file"])
def test_missing_option_is_named(niimasker, missing):
    words = {"--input_files": ["-r", "atlas.nii.gz"], "--roi_file": ["-i", "bold.nii.gz"]}[missing]
    assert_refused(niimasker("out", *words), f"{missing} is missing")


def test_several_runs_that_do_not_fit_are_counted(niimasker):
    for name in ("a", "b", "c"):
        save(Path(f"{name}.nii.gz"), make_series(LABELS)[..., 0])
    assert_refused(niimasker(*RUN, "-i", "a.nii.gz", "b.nii.gz", "c.nii.gz"), "a.nii.gz", "2 more of 3")


def test_error_stays_one_line_whatever_the_file_is_called(niimasker):
    # "C:\new.nii" in JSON is a line break.
    Path("config.json").write_text(r'{"roi_file": "C:\new.nii"}')
    assert_refused(niimasker("out", "-i", "bold.nii.gz", "-c", "config.json"), "ew.nii")


@pytest.mark.parametrize("words", [["-i", "nope.nii.gz"], ["--t_r", "two"], ["--banana"]])
@pytest.mark.parametrize("flag", ["-v", "--verbose"])
def test_error_comes_with_a_traceback_when_verbose(niimasker, words, flag):
    result = niimasker(*RUN, *words, flag)
    assert result.code == 2
    assert "Traceback (most recent call last)" in result.err
    assert result.lines[-1].startswith("niimasker: error: ")


def test_verbose_in_json_is_verbose_too(niimasker):
    Path("config.json").write_text('{"verbose": true, "input_files": "nope.nii.gz"}')
    assert "Traceback" in niimasker("out", "--no_report", "-r", "atlas.nii.gz", "-c", "config.json").err


# Output directory


def test_output_dir_is_made_with_its_parents(niimasker):
    assert niimasker("new/folder/out", *RUN[1:]).code == 0
    assert Path("new/folder/out/bold_timeseries.tsv").is_file()


@pytest.mark.parametrize("output_dir", ["taken", "taken/out"])
def test_file_in_the_place_of_the_output_dir_is_one_line(niimasker, output_dir):
    Path("taken").write_text("mine")
    result = niimasker(output_dir, *RUN[1:])
    assert result.code != 0
    assert len(result.lines) == 1
    assert "taken" in result.err
    assert "cannot be written (Not a directory)" in result.err
    assert Path("taken").read_text() == "mine"


def test_table_that_cannot_be_written_fails_its_run_alone(niimasker):
    long_name = "x" * 245
    copy_runs(f"{long_name}.nii.gz")
    result = niimasker(*RUN[:3], f"{long_name}.nii.gz", *RUN[3:])
    assert result.code == 1
    assert len(result.lines) == 1
    assert f"{long_name}_timeseries.tsv cannot be written (File name too long)" in result.err
    assert Path("out/bold_timeseries.tsv").is_file()


# A run that fails


BROKEN = ("truncated.nii.gz", "truncated.nii", "noise.nii.gz", "empty.nii")


@pytest.fixture(params=BROKEN)
def broken(request) -> str:
    """The name of a broken image, beside two good ones."""
    copy_runs("good-1.nii.gz", "good-2.nii.gz")
    if request.param.startswith("truncated"):
        write_truncated(request.param)
    else:
        Path(request.param).write_bytes(b"no image" * 100 if request.param == "noise.nii.gz" else b"")
    return request.param


# A reason is one text wherever the run was done: of other processes one image tells enough.
@pytest.mark.parametrize(
    ("broken", "options"),
    [*((name, []) for name in BROKEN), ("truncated.nii.gz", ["--n_jobs", "2"])],
    indirect=["broken"],
)
def test_broken_image_fails_alone(niimasker, broken, options):
    words = ["-i", "good-1.nii.gz", broken, "good-2.nii.gz", "-r", "atlas.nii.gz", *options]
    result = niimasker("out", "--no_report", *words)
    assert result.code == 1
    assert len(result.lines) == 1
    assert result.lines[0].startswith("niimasker: ")
    assert f"{broken}: " in result.lines[0]
    assert "2 tables" in result.out
    assert re.search(r"\b1 .*failed", result.out)
    assert set(tables_in("out")) == {f"good-{n}_{kind}.tsv" for n in (1, 2) for kind in ("timeseries", "regions")}


def test_broken_image_is_in_the_records(niimasker, broken):
    niimasker("out", "--no_report", "-i", "good-1.nii.gz", broken, "good-2.nii.gz", "-r", "atlas.nii.gz")
    summary = read("out/niimasker_data/summary.tsv")
    records = read_json("out/niimasker_data/parameters.json")["runs"]
    assert base_names(summary["image"]) == ["good-1.nii.gz", broken, "good-2.nii.gz"]
    assert list(summary["status"]) == [record["status"] for record in records] == ["done", "failed", "done"]
    assert broken in summary["reason"][1]
    assert [bool(record["reason"]) for record in records] == [False, True, False]


@pytest.mark.parametrize("broken", ["header", "data", "space", "regressors"])
def test_reason_names_the_image_wherever_it_is_told(niimasker, broken):
    name = "sub-1/bold.nii.gz"
    copy_runs(name)
    words = ["-i", name, "-r", "atlas.nii.gz"]
    if broken == "header":
        Path(name).write_bytes(b"")
    elif broken == "data":
        write_truncated(name)
    elif broken == "space":
        far = OBLIQUE.copy()
        far[:3, 3] += 1000
        save(Path(name), make_series(LABELS), far)
    else:
        noise = np.random.default_rng(0).normal(size=(N_VOLUMES, 11))
        pd.DataFrame(noise).add_prefix("c").to_csv("many.tsv", sep="\t", index=False)
        words += ["--regressor_files", "many.tsv", "--regressors", "c*"]
    result = niimasker("out", "--no_report", *words)
    assert result.code == 1
    reason = read("out/niimasker_data/summary.tsv")["reason"][0]
    assert name in reason
    assert f"{name}: {name}" not in reason
    assert result.lines[-1] == f"niimasker: failed: {reason}"
    (record,) = read_json("out/niimasker_data/parameters.json")["runs"]
    assert record["reason"] == reason


def test_every_image_broken_is_exit_code_1(niimasker):
    Path("broken.nii").write_bytes(b"")
    result = niimasker("out", "-i", "broken.nii", "-r", "atlas.nii.gz")
    assert result.code == 1
    written = {path for path in files_in("out") if not path.startswith("reports/assets/")}
    assert written == {
        *(f"niimasker_data/{name}" for name in ("atlas.nii.gz", "parameters.json", "summary.tsv")),
        *(f"reports/{name}" for name in ("index.html", "runs.js")),
    }


def test_failed_run_shows_its_traceback_when_verbose(niimasker):
    write_truncated("broken.nii.gz")
    assert "Traceback" in niimasker("out", "--no_report", "-v", "-i", "broken.nii.gz", "-r", "atlas.nii.gz").err


def test_run_without_any_region_left_fails_alone(niimasker):
    far = OBLIQUE.copy()
    far[:3, 3] += 1000
    save(Path("far.nii.gz"), make_series(LABELS), far)
    result = niimasker(*RUN[:3], "far.nii.gz", *RUN[3:])
    assert result.code == 1
    assert len(result.lines) == 1
    assert "far.nii.gz: " in result.err
    assert "no region is left" in result.err
    assert Path("out/bold_timeseries.tsv").is_file()


def test_more_regressors_than_volumes_fail_with_both_numbers(niimasker):
    noise = np.random.default_rng(0).normal(size=(N_VOLUMES, 12))
    pd.DataFrame(noise).add_prefix("c").to_csv("many.tsv", sep="\t", index=False)
    result = niimasker(*RUN, "--regressor_files", "many.tsv", "--regressors", *(f"c{n}" for n in range(12)))
    assert result.code == 1
    # With the mean the first eleven span everything: the twelfth adds nothing.
    assert "no degrees of freedom are left of 12 volumes after 11 regressors and the mean (0); " in result.err
    assert "choose fewer columns with --regressors." in result.err
    assert not Path("out/bold_timeseries.tsv").exists()


def test_file_name_that_is_not_utf_8_is_read_or_refused(niimasker):
    name = os.fsdecode(b"caf\xe9.nii")
    try:
        save(Path(name), make_series(LABELS))
    except OSError:
        pytest.skip("this file system has UTF-8 names alone")
    result = niimasker("out", "--no_report", "-i", name, "-r", "atlas.nii.gz")
    assert result.code == 0 or result.err.startswith(("niimasker: error: ", "niimasker: failed: "))


@pytest.mark.parametrize("options", [[], ["--n_jobs", "2", "--no_report"]])
@pytest.mark.long
def test_interrupt_leaves_what_is_complete(options):
    write_truncated("run-0.nii.gz")
    copy_runs(*(f"run-{n}.nii.gz" for n in range(1, 100)))
    # Shells start background jobs with the signal ignored: Python's own handler is set again.
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from niimasker.cli import main; sys.exit(main())"
    )
    words = ["out", "-i", "run-*", "-r", "atlas.nii.gz", *options]
    with subprocess.Popen(
        [sys.executable, "-c", code, *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        first = process.stderr.readline()  # The first run fails at once; the others are under way.
        os.killpg(process.pid, signal.SIGINT)
        _, rest = process.communicate(timeout=60)
    assert "run-0.nii.gz: " in first
    assert process.returncode == 130
    assert rest.splitlines()[-1].startswith("niimasker: interrupted: ")
    assert "Traceback" not in rest
    assert all(read(path).shape == (N_VOLUMES, 3) for path in Path("out").glob("*_timeseries.tsv"))
    assert not [name for name in files_in("out") if Path(name).name.startswith(".")]
    statuses = [record["status"] for record in read_json("out/niimasker_data/parameters.json")["runs"]]
    assert len(statuses) == 100
    assert statuses[0] == "failed"
    assert statuses[-1] == "not started"


# Inputs and output names


def test_pattern_is_expanded_and_sorted_naturally(niimasker):
    copy_runs("run-10_bold.nii.gz", "run-2_bold.nii.gz", "run-1_bold.nii.gz")
    assert niimasker("out", "--no_report", "-i", "run-*_bold.nii.gz", "-r", "atlas.nii.gz").code == 0
    names = [f"run-{n}_bold.nii.gz" for n in (1, 2, 10)]
    assert base_names(read("out/niimasker_data/summary.tsv")["image"]) == names


def test_list_keeps_its_order(niimasker):
    copy_runs("b.nii.gz", "a.nii.gz")
    niimasker("out", "--no_report", "-i", "b.nii.gz", "a.nii.gz", "-r", "atlas.nii.gz")
    assert base_names(read("out/niimasker_data/summary.tsv")["image"]) == ["b.nii.gz", "a.nii.gz"]


@pytest.mark.parametrize("name", ["sub-01.run.1_bold.nii.gz", "sub-01.run.1_bold.nii"])
def test_dots_stay_in_output_names(niimasker, name):
    save(Path(name), make_series(LABELS))
    niimasker("out", "--no_report", "-i", name, "-r", "atlas.nii.gz")
    assert {path for path in files_in("out") if "/" not in path} == {
        f"sub-01.run.1_bold_{ending}" for ending in ("timeseries.tsv", "timeseries.json", "regions.tsv")
    }


def test_equal_output_names_are_an_error_that_lists_them(niimasker):
    copy_runs("a/bold.nii.gz", "b/bold.nii.gz", "c/other.nii.gz")
    result = niimasker(
        "out", "--no_report", "-i", "a/bold.nii.gz", "c/other.nii.gz", "b/bold.nii.gz", "-r", "atlas.nii.gz"
    )
    assert_refused(result, "a/bold.nii.gz", "b/bold.nii.gz", "--output_layout mirror")
    assert "other" not in result.err


def test_one_image_with_and_without_compression_is_an_error(niimasker):
    save(Path("bold.nii"), make_series(LABELS))
    assert_refused(niimasker(*RUN[:3], "bold.nii", *RUN[3:]), "bold.nii.gz", "bold.nii")


def test_mirror_layout_keeps_folders_below_the_common_root(niimasker):
    copy_runs("data/sub-1/bold.nii.gz", "data/sub-2/ses-1/bold.nii.gz")
    words = ("-i", "data/**/*.nii.gz", "-r", "atlas.nii.gz", "--output_layout", "mirror")
    assert niimasker("out", "--no_report", *words).code == 0
    assert set(tables_in("out")) == {
        f"{folder}/bold_{kind}.tsv" for folder in ("sub-1", "sub-2/ses-1") for kind in ("timeseries", "regions")
    }


def test_pairs_are_by_entities_and_in_the_records(niimasker):
    copy_runs("sub-1_bold.nii.gz", "sub-2_bold.nii.gz")
    for name in ("sub-1_confounds.tsv", "sub-2_confounds.tsv"):
        write_confounds(Path(name))
    words = ["-i", "sub-*_bold.nii.gz", "--regressor_files", "sub-2_confounds.tsv", "sub-1_confounds.tsv"]
    result = niimasker("out", "--no_report", *words, "--regressors", "x", "-r", "atlas.nii.gz", "-v")
    records = read_json("out/niimasker_data/parameters.json")["runs"]
    assert base_names(record["image"] for record in records) == ["sub-1_bold.nii.gz", "sub-2_bold.nii.gz"]
    assert base_names(record["confounds"] for record in records) == ["sub-1_confounds.tsv", "sub-2_confounds.tsv"]
    for n in (1, 2):
        assert any(f"sub-{n}_bold" in line and f"sub-{n}_confounds" in line for line in result.lines)


# JSON


def test_everything_can_come_from_json(niimasker):
    config = {"input_files": "b*.nii.gz", "roi_file": "atlas.nii.gz", "labels": ["a", "b", "c"], "n_decimals": 1}
    path = Path("My Configs/Config A.JSON")
    path.parent.mkdir()
    path.write_text(json.dumps(config))
    assert niimasker("out", "--no_report", "-c", str(path)).code == 0
    assert Path("out/bold_timeseries.tsv").read_text().splitlines()[:2] == ["a\tb\tc", "10.0\t20.0\t50.0"]


def test_json_wins_over_the_command_line_with_a_warning(niimasker):
    Path("config.json").write_text('{"n_decimals": 1}')
    result = niimasker(*RUN, "--n_decimals", "3", "-c", "config.json")
    assert result.code == 0
    assert result.lines[0].startswith("niimasker: warning: --n_decimals is 3")
    assert Path("out/bold_timeseries.tsv").read_text().splitlines()[1] == "10.0\t20.0\t50.0"


def test_broken_json_is_one_line(niimasker):
    Path("config.json").write_text('{\n  "t_r": 2,\n}')
    assert_refused(niimasker("out", "-c", "config.json"), "config.json, line ", "column ", "comma after the last item")


# Tables


def test_table_holds_the_means_of_regions_in_order(niimasker):
    result = niimasker(*RUN)
    table = read("out/bold_timeseries.tsv")
    assert (result.code, result.err) == (0, "")
    assert list(table.columns) == ["roi 1", "roi 2", "roi 5"]
    assert table.to_numpy() == pytest.approx(np.array([10, 20, 50]) + VOLUMES[:, None])


def test_region_order_is_that_of_indices_not_of_places(niimasker):
    labels = make_labels((40, 7, 12))
    save(Path("atlas.nii.gz"), labels)
    save(Path("bold.nii.gz"), make_series(labels))
    niimasker(*RUN)
    table = read("out/bold_timeseries.tsv")
    assert list(table.columns) == ["roi 7", "roi 12", "roi 40"]
    assert table.iloc[0].tolist() == pytest.approx([70, 120, 400])


def test_names_come_from_a_list(niimasker):
    niimasker(*RUN, "--labels", "left", "right", "mid line")
    assert list(read("out/bold_timeseries.tsv").columns) == ["left", "right", "mid line"]


def test_names_come_from_a_table_by_index(niimasker):
    Path("names.csv").write_text("name,index\nfive,5\none,1\ntwo,2\n")
    niimasker(*RUN, "--labels", "names.csv")
    assert read("out/bold_timeseries.tsv").iloc[0].to_dict() == pytest.approx({"one": 10, "two": 20, "five": 50})


def test_names_without_index_come_in_ascending_order_of_index(niimasker):
    Path("names.tsv").write_text("size\tLabel\n1\tb\n2\ta\n3\tc\n")
    niimasker(*RUN, "--labels", "names.tsv")
    assert list(read("out/bold_timeseries.tsv").columns) == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("words", "row"),
    [([], "10.00000000\t20.00000000\t50.00000000"), (["--n_decimals", "2"], "10.00\t20.00\t50.00")],
)
def test_decimals_are_8_unless_asked(niimasker, words, row):
    niimasker(*RUN, *words)
    assert Path("out/bold_timeseries.tsv").read_text().splitlines()[1] == row


def test_first_volumes_are_discarded(niimasker):
    niimasker(*RUN, "--discard_scans", "3")
    assert read("out/bold_timeseries.tsv")["roi 2"].tolist() == pytest.approx(20 + VOLUMES[3:])


def test_confounds_of_discarded_volumes_change_nothing(niimasker):
    words = [*RUN[1:], "--regressor_files", "confounds.tsv", "--regressors", "x", "--discard_scans", "2"]
    niimasker("out", "--no_report", *words)
    table = read("confounds.tsv")
    table.loc[:1, "x"] = 1000.0
    table.to_csv("confounds.tsv", sep="\t", index=False)
    niimasker("again", *words)
    assert tables_in("again") == tables_in("out")


def test_mask_img_restricts_regions_to_its_voxels(niimasker):
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[:3] = 1
    series = make_series(LABELS)
    series[3:] += 1000
    save(Path("mask.nii.gz"), mask)
    save(Path("bold.nii.gz"), series)
    assert niimasker(*RUN, "-m", "mask.nii.gz").code == 0
    table = read("out/bold_timeseries.tsv")
    assert table.to_numpy() == pytest.approx(np.array([10, 20, 50]) + VOLUMES[:, None])


@pytest.mark.parametrize("value", [1, 255, 7])
def test_one_value_is_a_single_region(niimasker, value):
    save(Path("mask.nii.gz"), np.where(LABELS == 2, value, 0).astype(np.int16))
    niimasker("out", "--no_report", "-i", "bold.nii.gz", "-r", "mask.nii.gz")
    table = read("out/bold_timeseries.tsv")
    assert list(table.columns) == [f"roi {value}"]
    assert table.to_numpy()[:, 0] == pytest.approx(20 + VOLUMES)


def test_as_voxels_names_voxels_from_0(niimasker):
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[3, 1:4, 4] = 1  # Two voxels of region 1, one of region 2.
    save(Path("mask.nii.gz"), mask)
    assert niimasker("out", "--no_report", "-i", "bold.nii.gz", "-r", "mask.nii.gz", "--as_voxels").code == 0
    table = read("out/bold_timeseries.tsv")
    assert list(table.columns) == ["voxel 0", "voxel 1", "voxel 2"]
    assert table.to_numpy() == pytest.approx(np.array([10, 10, 20]) + VOLUMES[:, None])


def test_mask_img_is_ignored_with_a_warning_for_voxels(niimasker):
    mask = (LABELS == 1).astype(np.uint8)
    save(Path("mask.nii.gz"), mask)
    result = niimasker(
        "out", "--no_report", "-i", "bold.nii.gz", "-r", "mask.nii.gz", "-m", "mask.nii.gz", "--as_voxels"
    )
    assert result.code == 0
    assert result.err.startswith("niimasker: warning: --mask_img is ignored")


def test_spheres_are_numbered_from_0(niimasker):
    write_seeds(Path("seeds.tsv"), (3, 5, 4), (3, 1, 4))
    result = niimasker("out", "--no_report", "-i", "bold.nii.gz", "-r", "seeds.tsv", "--radius", "1")
    table = read("out/bold_timeseries.tsv")
    assert (result.code, result.err) == (0, "")
    assert list(table.columns) == ["roi 0", "roi 1"]
    assert table.to_numpy() == pytest.approx(np.array([50, 10]) + VOLUMES[:, None])


def test_no_radius_is_the_nearest_voxel_with_a_warning(niimasker):
    write_seeds(Path("seeds.tsv"), (3, 5, 4))
    result = niimasker("out", "--no_report", "-i", "bold.nii.gz", "-r", "seeds.tsv")
    assert result.code == 0
    assert result.err.startswith("niimasker: warning: seeds.tsv: no --radius is given")
    assert read("out/bold_regions.tsv")["n_voxels"].tolist() == [1]


def test_overlapping_spheres_are_named_in_pairs(niimasker):
    write_seeds(Path("seeds.tsv"), (3, 1, 4), (3, 5, 4), (3, 6, 4), (3, 2, 4))
    result = niimasker("out", "--no_report", "-i", "bold.nii.gz", "-r", "seeds.tsv", "--radius", "4")
    assert_refused(result, "roi 0 and roi 3", "roi 1 and roi 2", "--allow_overlap")
    assert "roi 0 and roi 1" not in result.err


def test_overlap_is_allowed_on_demand(niimasker):
    write_seeds(Path("seeds.tsv"), (3, 1, 4), (3, 2, 4))
    words = ["-i", "bold.nii.gz", "-r", "seeds.tsv", "--radius", "4", "--allow_overlap"]
    assert niimasker("out", "--no_report", *words).code == 0


def test_maps_are_numbered_from_1(niimasker):
    maps = np.stack([LABELS == 2, LABELS == 5], axis=-1).astype(np.float32)
    save(Path("maps.nii.gz"), maps)
    assert niimasker("out", "--no_report", "-i", "bold.nii.gz", "-r", "maps.nii.gz").code == 0
    table = read("out/bold_timeseries.tsv")
    assert list(table.columns) == ["roi 1", "roi 2"]
    assert table.to_numpy() == pytest.approx(np.array([20, 50]) + VOLUMES[:, None])


# Emptied regions


def empty_by_mask() -> list[str]:
    save(Path("mask.nii.gz"), (LABELS != 2).astype(np.uint8))
    return ["-m", "mask.nii.gz"]


def empty_by_field_of_view() -> list[str]:
    # The same grid, longer along its second axis than the image.
    labels = np.pad(LABELS, ((0, 0), (0, 4), (0, 0)))
    labels[labels == 2] = 0
    labels[1:-1, 9:11, 1:-1] = 2
    save(Path("atlas.nii.gz"), labels)
    return []


@pytest.fixture(params=[empty_by_mask, empty_by_field_of_view])
def emptied(request, niimasker) -> Result:
    """A run in which region 2 has no voxel."""
    return niimasker(*RUN, *request.param())


def test_emptied_region_keeps_its_column_as_missing(emptied):
    rows = [line.split("\t") for line in Path("out/bold_timeseries.tsv").read_text().splitlines()]
    assert rows[0] == ["roi 1", "roi 2", "roi 5"]
    assert [row[1] for row in rows[1:]] == ["n/a"] * N_VOLUMES
    assert [float(row[2]) for row in rows[1:]] == pytest.approx(50 + VOLUMES)


def test_emptied_region_is_named_in_a_warning(emptied):
    line, *others = emptied.lines
    assert emptied.code == 0
    assert all("field of view" in other for other in others)
    assert line.startswith("niimasker: warning: ")
    assert "roi 2" in line
    assert "roi 1" not in line
    assert any("roi 2" in warning for warning in read_json("out/bold_timeseries.json")["Warnings"])


def test_emptied_region_has_its_reason_in_the_regions_table(emptied):
    regions = read("out/bold_regions.tsv")
    assert list(regions["status"] == "ok") == [True, False, True]
    assert regions["status"][1].startswith("empty: ")
    assert regions["n_valid"].tolist() == [70, 0, 70]


def test_warning_names_a_run_as_its_output_is_named(niimasker):
    copy_runs("data/run-01/bold_25mm.nii.gz", "data/run-02/bold_25mm.nii.gz")
    volumes = np.array(make_series(LABELS), dtype=np.float32)
    volumes[3, 1, 2, 4] = np.nan
    save(Path("data/run-02/bold_25mm.nii.gz"), volumes, t_r=2.0)
    words = ["-i", "data/**/*.nii.gz", "-r", "atlas.nii.gz", "--output_layout", "mirror"]
    result = niimasker("out", "--no_report", *words)
    assert Path("out/run-02/bold_25mm_timeseries.tsv").is_file()
    (line,) = result.lines
    assert "NaN" in line
    assert line.endswith(" (run-02/bold_25mm)")
    result = niimasker("out", "--no_report", *words, *empty_by_mask())
    assert [line for line in result.lines if line.endswith(" (2 runs, first run-01/bold_25mm)")]


def test_warning_about_many_runs_is_told_once(niimasker):
    copy_runs("a.nii.gz", "b.nii.gz", "c.nii.gz")
    result = niimasker(
        "out", "--no_report", "-i", "a.nii.gz", "b.nii.gz", "c.nii.gz", "-r", "atlas.nii.gz", *empty_by_mask()
    )
    assert len(result.lines) == 1
    assert "3 runs" in result.err


# Files


def test_regions_table_describes_every_region(niimasker):
    niimasker(*RUN, "--labels", "a", "b", "c")
    regions = read("out/bold_regions.tsv")
    described = "index name x y z n_voxels n_valid coverage mean tsnr status"
    assert list(regions.columns) == described.split()
    assert regions["index"].tolist() == [1, 2, 5]
    assert regions["name"].tolist() == ["a", "b", "c"]
    assert regions["n_voxels"].tolist() == [70, 70, 70]
    assert regions["mean"].tolist() == pytest.approx([15.5, 25.5, 55.5])
    centre = nib.affines.apply_affine(OBLIQUE, [3, 1.5, 4])
    assert regions.loc[0, ["x", "y", "z"]].tolist() == pytest.approx(centre, abs=1e-4)


def test_processes_follow_to_another_folder(niimasker, monkeypatch):
    assert niimasker(*RUN, "--n_jobs", "2").code == 0
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    words = ("-i", "../bold.nii.gz", "-r", "../atlas.nii.gz", "--n_jobs", "2")
    assert niimasker("out", "--no_report", *words).code == 0
    assert Path("out/bold_timeseries.tsv").is_file()


def test_running_again_replaces_the_same_files(niimasker):
    niimasker(*RUN)
    before = tables_in("out")
    Path("out/notes.txt").write_text("mine")
    assert niimasker(*RUN).code == 0
    assert tables_in("out") == before
    assert Path("out/notes.txt").read_text() == "mine"


def test_output_is_the_named_files_and_no_temporary_ones(niimasker):
    write_truncated("broken.nii")
    niimasker(*RUN[:3], "broken.nii", *RUN[3:])
    assert files_in("out") == {
        "bold_timeseries.tsv",
        "bold_timeseries.json",
        "bold_regions.tsv",
        "niimasker_data/parameters.json",
        "niimasker_data/summary.tsv",
        "niimasker_data/atlas.nii.gz",
    }


def test_sidecar_counts_volumes(finished):
    volumes = read_json(finished / "bold_timeseries.json")["Volumes"]
    assert volumes == {"Read": 12, "Discarded": 2, "Censored": 0, "Kept": 10, "CensoredBy": {}}


def test_sidecar_names_confounds_and_columns(finished):
    sidecar = read_json(finished / "bold_timeseries.json")
    assert sidecar["Confounds"] == ["x"]
    assert sidecar["ConfoundsLeftOut"] == {}
    assert sidecar["DegreesOfFreedom"] == 8
    (warning,) = sidecar["Warnings"]
    assert warning == (
        "8 degrees of freedom are left of 10 volumes after 1 regressor and the mean; correlations will be unreliable."
    )
    assert {name: column["Index"] for name, column in sidecar["Columns"].items()} == {
        "roi 1": 1,
        "roi 2": 2,
        "roi 5": 5,
    }


def test_sidecar_holds_every_setting_as_resolved(finished):
    recorded = read_json(finished / "bold_timeseries.json")["Settings"]
    assert set(recorded) == {option.name for option in OPTIONS} - {*PER_CALL_OPTIONS, *RUN_LIMITS}
    assert (recorded["discard_scans"], recorded["n_decimals"], recorded["regressors"]) == (2, 8, ["x"])


def test_sidecar_holds_versions(finished):
    software = read_json(finished / "bold_timeseries.json")["Software"]
    assert software["niimasker"] == __version__
    assert software["numpy"] == np.__version__
    assert software["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"nilearn", "nibabel", "scipy", "pandas"} <= set(software)


@pytest.mark.parametrize(
    ("source", "name"), [("Image", "bold.nii.gz"), ("Regions", "atlas.nii.gz"), ("Confounds", "confounds.tsv")]
)
def test_sidecar_holds_the_checksums_of_sources(finished, source, name):
    record = read_json(finished / "bold_timeseries.json")["Sources"][source]
    path = finished.parent / name
    assert record["Path"] == str(path)
    assert record["Bytes"] == path.stat().st_size
    assert record["SHA256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_sidecar_holds_the_checksum_of_the_mask(niimasker):
    niimasker(*RUN, *empty_by_mask())
    record = read_json("out/bold_timeseries.json")["Sources"]["Mask"]
    assert record["SHA256"] == hashlib.sha256(Path("mask.nii.gz").read_bytes()).hexdigest()


@pytest.mark.parametrize(("source", "t_r"), [("header", 2.0), ("sidecar", 1.25), ("t_r", 0.8)])
def test_repetition_time_says_where_it_came_from(niimasker, source, t_r):
    if source == "sidecar":
        Path("bold.json").write_text('{"RepetitionTime": 1.25}')
    niimasker(*RUN, *(["--t_r", "0.8"] if source == "t_r" else []))
    sidecar = read_json("out/bold_timeseries.json")
    assert (sidecar["RepetitionTimeSource"], sidecar["RepetitionTime"]) == (source, t_r)
    assert sidecar["SamplingFrequency"] == pytest.approx(1 / t_r)


def test_repetition_time_in_milliseconds_is_read_by_its_unit(niimasker):
    save(Path("bold.nii.gz"), make_series(LABELS), t_r=2500, unit="msec")
    niimasker(*RUN)
    assert read_json("out/bold_timeseries.json")["RepetitionTime"] == pytest.approx(2.5)


def test_unknown_repetition_time_is_null(niimasker):
    save(Path("bold.nii.gz"), make_series(LABELS))
    niimasker(*RUN)
    sidecar = read_json("out/bold_timeseries.json")
    assert sidecar["RepetitionTime"] is sidecar["RepetitionTimeSource"] is sidecar["SamplingFrequency"] is None


def test_roi_file_is_kept_as_it_is(niimasker):
    niimasker(*RUN)
    assert Path("out/niimasker_data/atlas.nii.gz").read_bytes() == Path("atlas.nii.gz").read_bytes()


def test_spheres_are_kept_as_an_image_and_a_table(niimasker):
    write_seeds(Path("seeds.tsv"), (3, 5, 4), (3, 1, 4))
    niimasker("out", "--no_report", "-i", "bold.nii.gz", "-r", "seeds.tsv", "--radius", "1")
    img = nib.load("out/niimasker_data/spheres_img.nii.gz")
    expected = np.zeros(SHAPE)
    expected[3, 5, 4], expected[3, 1, 4] = 1, 2
    assert np.array_equal(np.asarray(img.dataobj), expected)
    assert img.affine == pytest.approx(OBLIQUE, abs=1e-5)
    assert Path("out/niimasker_data/seeds.tsv").read_bytes() == Path("seeds.tsv").read_bytes()


def test_parameters_hold_command_and_settings(niimasker):
    niimasker(*RUN, "--labels", "a", "b", "mid line", "--t_r", "2.5")
    content = read_json("out/niimasker_data/parameters.json")
    assert set(content) == {"command", "parameters", "meta_data", "runs", "files"}
    assert content["command"] == "niimasker " + " ".join(RUN) + " --labels a b 'mid line' --t_r 2.5"
    assert set(content["parameters"]) == {option.name for option in OPTIONS}
    assert (content["parameters"]["t_r"], content["parameters"]["labels"]) == (2.5, ["a", "b", "mid line"])
    assert content["meta_data"]["niimasker"] == __version__


def test_parameters_hold_the_runs(finished):
    (record,) = read_json(finished / "niimasker_data/parameters.json")["runs"]
    assert base_names([record["image"], record["confounds"]]) == ["bold.nii.gz", "confounds.tsv"]
    assert (record["status"], record["reason"]) == ("done", None)


def test_summary_has_a_row_a_run(finished):
    summary = read(finished / "niimasker_data/summary.tsv")
    assert len(summary) == 1
    row = summary.iloc[0]
    assert (row["status"], row["n_volumes"], row["n_regions"]) == ("done", 10, 3)
    assert pd.isna(row["reason"])
    assert row["seconds"] >= 0


# From Python


def test_extract_returns_outcomes_with_their_tables():
    copy_runs("a.nii.gz", "b.nii.gz")
    outcomes = extract(
        "out", no_report=True, input_files=["b.nii.gz", "a.nii.gz"], roi_file="atlas.nii.gz", discard_scans=2
    )
    assert [outcome.status for outcome in outcomes] == ["done", "done"]
    paths = [outcome.tables[0].signals_path for outcome in outcomes]
    assert base_names(paths) == ["b_timeseries.tsv", "a_timeseries.tsv"]
    assert read(paths[0])["roi 1"].tolist() == pytest.approx(10 + VOLUMES[2:])


def test_extract_takes_paths(folder):
    (outcome,) = extract(
        folder / "out", no_report=True, input_files=[folder / "bold.nii.gz"], roi_file=folder / "atlas.nii.gz"
    )
    assert outcome.tables[0].signals_path == folder / "out/bold_timeseries.tsv"


def test_extract_returns_the_reason_of_a_failed_run():
    write_truncated("broken.nii")
    outcomes = extract("out", no_report=True, input_files=["broken.nii", "bold.nii.gz"], roi_file="atlas.nii.gz")
    assert [outcome.status for outcome in outcomes] == ["failed", "done"]
    assert "broken.nii" in outcomes[0].reason
    assert [len(outcome.tables) for outcome in outcomes] == [0, 1]


def test_extract_raises_for_wrong_use_before_it_writes():
    with pytest.raises(NiimaskerError, match=r"nope\.nii\.gz does not exist"):
        extract("out", input_files="nope.nii.gz", roi_file="atlas.nii.gz")
    assert not Path("out").exists()


def test_extract_warns():
    write_seeds(Path("seeds.tsv"), (3, 3, 3))
    with pytest.warns(NiimaskerWarning, match="no --radius is given"):
        extract("out", no_report=True, input_files="bold.nii.gz", roi_file="seeds.tsv")


# The installation


@pytest.mark.parametrize(("words", "code"), [(["--version"], 0), ([*RUN, "--t_r", "two"], 2)])
def test_installed_command_runs(words, code):
    command = shutil.which("niimasker", path=sysconfig.get_path("scripts"))
    assert command, "niimasker is not installed beside this Python"
    done = subprocess.run([command, *words], capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert (done.stdout or done.stderr).startswith("niimasker")


@pytest.mark.parametrize(
    "code",
    [
        "import niimasker",
        "from niimasker.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass",
        "from niimasker.cli import main\ntry: main(['--help_all'])\nexcept SystemExit: pass",
        "from niimasker.cli import main\ntry: main(['--version'])\nexcept SystemExit: pass",
        "from niimasker.cli import main\nassert main(['out', '--t_r', 'two']) == 2",
    ],
    ids=["import", "help", "full help", "version", "wrong word"],
)
def test_what_needs_no_scientific_library_imports_none(code):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_NUMPY.format(code=code)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
