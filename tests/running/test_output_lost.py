"""An output directory that is full, read-only or gone ends a study in one line; what was finished stays."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from studies import results_in, statuses, write_study

from niimasker.cli import main
from niimasker.outputs import files, results

N_RUNS = 5


@pytest.fixture
def study(tmp_path, monkeypatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path, N_RUNS)
    return ["out", "-i", "sub-*_bold.nii.gz", "-r", "atlas.nii.gz", "--no_report"]


def finished(folder: Path) -> list[str]:
    """The runs of which all files are there and whole."""
    stems = sorted(path.name.removesuffix("_timeseries.json") for path in folder.glob("*_timeseries.json"))
    for stem in stems:
        assert len((folder / f"{stem}_timeseries.tsv").read_text().splitlines()) == 13
        assert len((folder / f"{stem}_regions.tsv").read_text().splitlines()) == 4
    assert len(results_in(folder)) == 3 * len(stems)
    assert not list(folder.rglob(".niimasker-*"))
    return stems


@pytest.fixture
def failing(monkeypatch):
    """A function that makes every file of an ending fail to be written from a run on."""

    def fail(number: int, ending: str, action) -> None:
        replace = Path.replace

        def fail_or_replace(path, target):
            if Path(target).name.endswith(ending) and f"sub-0{number}" in Path(target).name:
                action()
            return replace(path, target)

        monkeypatch.setattr(files.Path, "replace", fail_or_replace)

    return fail


def raise_error(number: int):
    def action():
        raise OSError(number, os.strerror(number))

    return action


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
@pytest.mark.parametrize("ending", ["timeseries.tsv", "regions.tsv", "timeseries.json"])
def test_full_disk_ends_the_study_in_one_line(study, failing, capsys, number, ending):
    failing(2, ending, raise_error(number))
    assert main(study) == 1
    printed, said = capsys.readouterr()
    assert len(said.splitlines()) == 1
    assert f"cannot be written ({os.strerror(number)})" in said
    assert "2 runs done" in printed
    assert "2 of 5 runs not started" in printed
    assert finished(Path("out")) == ["sub-00_bold", "sub-01_bold"]


def test_file_of_one_run_that_cannot_be_written_fails_that_run(study, failing, capsys):
    failing(2, "regions.tsv", raise_error(errno.EACCES))
    assert main(study) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert finished(Path("out")) == [f"sub-0{n}_bold" for n in (0, 1, 3, 4)]


def test_output_directory_that_vanishes_ends_the_study(study, failing, capsys):
    failing(1, "timeseries.json", lambda: shutil.rmtree("out"))
    assert main(study) == 1
    said = capsys.readouterr().err
    assert all(line.startswith("niimasker: failed: ") for line in said.splitlines())
    assert "Traceback" not in said


def test_tables_that_are_removed_meanwhile_are_not_listed_as_done(study, failing, capsys):
    def replace_directory():
        shutil.rmtree("out")
        Path("out").mkdir()

    failing(3, "regions.tsv", replace_directory)
    assert main(study) == 1
    printed, said = capsys.readouterr()
    stems = finished(Path("out"))
    assert statuses(Path("out")).eq("done").sum() == len(stems) == int(printed.split()[0])
    gone = [
        line
        for line in said.splitlines()
        if line.endswith("has been removed since; process this run again with --resume.")
    ]
    assert [line.split(": ")[2] for line in gone] == [f"sub-0{n}_bold.nii.gz" for n in range(3)]


def test_directory_that_vanishes_before_a_report_is_not_made_again(study, monkeypatch, capsys):
    write_run = results.write_run

    def write_and_remove(*args, **options):
        result = write_run(*args, **options)
        shutil.rmtree("out")
        return result

    monkeypatch.setattr(results, "write_run", write_and_remove)
    assert main(study[:-1]) == 1
    printed = capsys.readouterr().out
    assert printed.startswith("0 runs done")
    assert not list(Path("out").rglob("*_report.html"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_directory_without_permission_is_one_line(study, capsys):
    Path("out").mkdir(mode=0o500)
    assert main(study) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert "Permission denied" in said


def test_small_disk_that_fills_up(study, tmp_path, capsys):
    Path("out").mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", "out"], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    try:
        assert main(study) == 1
        printed, said = capsys.readouterr()
        assert len(said.splitlines()) == 1
        assert "No space left on device" in said
        stems = finished(Path("out"))
        assert 0 < len(stems) < N_RUNS
        assert f"{len(stems)} run" in printed
    finally:
        subprocess.run(["umount", "-l", "out"], check=True)
