"""--dry_run lists what would be done, reports every error, and writes nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from images import make_series, save
from studies import DEADLINE, LABELS, start, write_study

from niimasker.cli import main

N_RUNS = 4


@pytest.fixture
def study(tmp_path, monkeypatch) -> list[str]:
    """The words of a study in the current folder, a table of confounds for each of its runs."""
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path, N_RUNS)
    for number in range(N_RUNS):
        Path(f"sub-{number:02}_confounds.tsv").write_text("x\n" + "".join(f"{row % 5}\n" for row in range(12)))
    confounds = ["--regressor_files", "sub-*_confounds.tsv", "--regressors", "x"]
    return ["out", "-i", "sub-*_bold.nii.gz", "-r", "atlas.nii.gz", "--no_report", *confounds]


@pytest.fixture
def dry_run(study, capsys):
    """A function that returns exit code, what is printed and what is said."""

    def run(*words: str):
        capsys.readouterr()
        code = main([*study, "--dry_run", *words])
        return code, *capsys.readouterr()

    return run


def rows_of(printed: str) -> list[list[str]]:
    return [line.split() for line in printed.splitlines() if line.startswith("sub-")]


def test_runs_are_listed_and_nothing_is_written(dry_run):
    code, printed, said = dry_run()
    assert (code, said) == (0, "")
    assert rows_of(printed) == [
        [f"sub-0{n}_bold.nii.gz", "12", "12", "2", f"sub-0{n}_confounds.tsv", f"sub-0{n}_bold", "to", "do"]
        for n in range(N_RUNS)
    ]
    assert printed.splitlines()[0] == "atlas.nii.gz: 3 regions"
    assert printed.splitlines()[-1].startswith("4 runs: 4 to do, 0 to skip, 0 with errors.")
    assert not Path("out").exists()


def test_kept_volumes_of_each_run_are_listed(dry_run):
    for number in range(N_RUNS):
        Path(f"sub-{number:02}_censor.txt").write_text("1\n" * number + "0\n" * (12 - number))
    Path("sub-03_confounds.tsv").write_text("y\n" + "1\n" * 12)
    code, printed, _ = dry_run("--censor_file", "sub-*_censor.txt", "--discard_scans", "2")
    assert code == 2
    assert "  volumes  kept  TR (s)  " in printed
    assert [row[1:3] for row in rows_of(printed)] == [["12", "10"], ["12", "10"], ["12", "10"], ["12", "?"]]


def test_reader_that_has_seen_enough_ends_nothing(study):
    with start(*study, "--dry_run") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(DEADLINE) == 0


def test_runs_that_resume_skips_are_marked(dry_run, study):
    assert main(study) == 0
    Path("out/sub-02_bold_regions.tsv").unlink()
    before = sorted(Path("out").rglob("*"))
    code, printed, _ = dry_run("--resume")
    assert code == 0
    assert [row[-1] for row in rows_of(printed)] == ["skip", "skip", "do", "skip"]
    assert sorted(Path("out").rglob("*")) == before


def test_every_error_of_every_run_is_reported(dry_run):
    save(Path("sub-00_bold.nii.gz"), make_series(LABELS)[..., 0])
    Path("sub-01_bold.nii.gz").write_bytes(b"no image")
    Path("sub-02_confounds.tsv").write_text("y\n1\n")
    for number in range(N_RUNS):
        n_rows = 7 if number == 2 else 12
        Path(f"sub-{number:02}_censor.txt").write_text("0\n" * n_rows)
    code, printed, said = dry_run("--censor_file", "sub-*_censor.txt")
    assert code == 2
    assert [line.split()[-1] for line in printed.splitlines() if line.startswith("sub-")] == [*["error"] * 3, "do"]
    assert "1 to do, 0 to skip, 3 with errors" in printed
    lines = said.splitlines()
    assert all(line.startswith("niimasker: error: ") for line in lines)
    expected = [
        "sub-00_bold.nii.gz: a 3D image",
        "sub-01_bold.nii.gz: cannot be read as a NIfTI image",
        "sub-02_confounds.tsv has 1 row but sub-02_bold.nii.gz has 12 volumes",
        "sub-02_confounds.tsv: --regressors has unknown words: 'x'",
        "sub-02_censor.txt has 7 rows but sub-02_bold.nii.gz has 12 volumes",
    ]
    assert [part for part, line in zip(expected, lines, strict=True) if part not in line] == []
    assert not Path("out").exists()


def test_image_that_cannot_be_read_leaves_its_tables_to_be_checked(dry_run):
    Path("sub-01_bold.nii.gz").write_bytes(b"no image")
    Path("sub-01_confounds.tsv").write_text("y\n1\n")
    for number in range(N_RUNS):
        Path(f"sub-{number:02}_censor.txt").write_text("0\n" * 11 + ("2\n" if number == 1 else "0\n"))
    code, _, said = dry_run("--censor_file", "sub-*_censor.txt")
    assert code == 2
    expected = [
        "sub-01_bold.nii.gz: cannot be read",
        "sub-01_confounds.tsv: --regressors has",
        "sub-01_censor.txt holds '2'",
    ]
    assert [part for part, line in zip(expected, said.splitlines(), strict=True) if part not in line] == []


def test_wrong_confounds_leave_the_rest_to_be_checked(dry_run):
    Path("sub-01_confounds.tsv").write_text("y\n" + "1\n" * 12)
    code, _, said = dry_run("--discard_scans", "12", "--low_pass", "0.3")
    assert code == 2
    expected = ["--low_pass 0.3 Hz is not below 0.25 Hz", "--discard_scans 12 leaves none", "unknown words: 'x'"]
    assert [part for part, line in zip(expected, said.splitlines(), strict=True) if part not in line] == []


def test_header_of_a_run_whose_confounds_do_not_fit_is_shown(dry_run):
    save(Path("sub-00_bold.nii.gz"), make_series(LABELS)[..., 0])
    Path("sub-01_confounds.tsv").write_text("x\n1\n")
    save(Path("sub-02_bold.nii.gz"), make_series(LABELS, 9))
    _, printed, _ = dry_run()
    assert [row[1:4] for row in rows_of(printed)] == [
        ["?", "?", "?"],
        ["12", "?", "2"],
        ["9", "?", "unknown"],
        ["12", "12", "2"],
    ]
    _, printed, _ = dry_run("--t_r", "1.5")
    assert [row[3] for row in rows_of(printed)] == ["?", "1.5", "1.5", "1.5"]


def test_mistake_that_is_the_same_for_all_runs_is_told_once(dry_run):
    code, _, said = dry_run("--regressors", "x", "motion=most")
    assert (code, len(said.splitlines())) == (2, 1)


def test_mistakes_of_all_runs_together_are_told_beside_those_of_single_runs(dry_run):
    Path("seeds.tsv").write_text("x\ty\tz\n0\t0\t0\n3\t0\t0\n")
    Path("sub-01_bold.nii.gz").write_bytes(b"no image")
    code, _, said = dry_run("-r", "seeds.tsv", "--radius", "6", "--regressors", "x", "motoin*")
    assert code == 2
    expected = ["no column of any table matches motoin*", "overlap", "sub-01_bold.nii.gz: cannot be read"]
    assert [part for part, line in zip(expected, said.splitlines(), strict=True) if part not in line] == []


@pytest.mark.parametrize("column", ["x", "rare_1"])
@pytest.mark.parametrize("words", [["--shard", "1/4"], []], ids=["shard", "all"])
def test_pattern_is_looked_for_in_the_tables_of_all_runs(study, capsys, words, column):
    Path("sub-02_bold.nii.gz").write_bytes(b"no image")
    Path("sub-02_confounds.tsv").write_text(f"x\t{column}2\n" + "1\t2\n" * 12)
    code = main([*study, "--regressors", "x", "rare*", *words])
    said = capsys.readouterr().err
    assert ("no column of any table matches rare*" in said) == (column == "x")
    assert code == {("x", 0): 2, ("x", 2): 2, ("rare_1", 0): 1, ("rare_1", 2): 0}[column, len(words)]


def test_table_that_cannot_be_read_may_hold_a_pattern(dry_run):
    Path("sub-01_confounds.tsv").write_bytes(b"\0")
    code, _, said = dry_run("--regressors", "x", "rare*")
    assert (code, len(said.splitlines())) == (2, 1)
    assert "binary file" in said


def test_similar_errors_of_several_runs_are_one_line(dry_run):
    code, _, said = dry_run("--low_pass", "0.3")
    assert code == 2
    assert said == (
        "niimasker: error: sub-00_bold.nii.gz: --low_pass 0.3 Hz is not below 0.25 Hz, the Nyquist frequency at a "
        f"repetition time of 2 s; give a lower cut-off. (similar in {N_RUNS} runs, first sub-00_bold)\n"
    )


def test_errors_that_differ_in_more_than_names_are_lines_of_their_own(dry_run):
    Path("sub-00_bold.nii.gz").write_bytes(b"no image")
    save(Path("sub-02_bold.nii.gz"), make_series(LABELS)[..., 0])
    save(Path("sub-03_bold.nii.gz"), make_series(LABELS)[..., 0])
    _, _, said = dry_run()
    assert [line.split(": ")[2] for line in said.splitlines()] == ["sub-00_bold.nii.gz", "sub-02_bold.nii.gz"]
    assert said.endswith("(similar in 2 runs, first sub-02_bold)\n")


def test_own_atlases_masks_and_names_of_each_run_are_read(dry_run):
    for number in range(N_RUNS):
        shutil.copy("atlas.nii.gz", f"sub-{number:02}_dseg.nii.gz")
        shutil.copy("atlas.nii.gz", f"sub-{number:02}_mask.nii.gz")
        rows = [f"{index}\t{name}\n" for index, name in zip((1, 2, 5), "abc", strict=True)]
        Path(f"sub-{number:02}_dseg.tsv").write_text("".join(["index\tname\n", *rows[: 2 if number == 1 else 3]]))
    code, printed, said = dry_run("-r", "sub-{sub}_dseg.nii.gz")
    assert code == 2
    assert [row[-1] for row in rows_of(printed)[1:]] == ["do", "error", "do", "do"]
    assert said == (
        "niimasker: error: sub-01_dseg.tsv, a table separated by tabs, names 2 indices in column index but "
        "sub-01_dseg.nii.gz has 3 regions; index 5 of the image is the first without a name. It is the look-up table "
        "of sub-01_dseg.nii.gz; give other names with --labels.\n"
    )
    code, _, said = dry_run("-m", "sub-{sub}_mask.nii.gz")
    assert code == 2
    assert said == (
        "niimasker: error: sub-00_mask.nii.gz: not a mask; expected 0 and one other value, found 0, 1, 2, 5. (similar "
        f"in {N_RUNS} runs, first sub-00_bold)\n"
    )


def test_unknown_regions_end_it(dry_run):
    code, printed, said = dry_run("-r", "nope.nii.gz")
    assert (code, printed, len(said.splitlines())) == (2, "", 1)


def test_quiet_tells_problems_alone(dry_run):
    assert dry_run("--quiet") == (0, "", "")
