"""Temporary folders are told alive by a lock that the kernel keeps, whatever machine or container they come from."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from studies import environment, wait_until, write_study

from niimasker.cli import main
from niimasker.outputs import files, locks
from niimasker.outputs.files import remove_leftovers, replacing, temporary_folder
from niimasker.outputs.staging import staging

NAME = f".niimasker-{'0' * 32}"

HOLDING = """
import sys, time
from pathlib import Path
from niimasker.outputs.files import replacing, temporary_folder
with replacing(Path(sys.argv[1], "a.tsv")) as path, temporary_folder(Path(sys.argv[1])) as folder:
    (folder / "content").touch()
    Path(sys.argv[1], "ready").touch()
    time.sleep(600)
"""


def hidden(folder: Path) -> list[Path]:
    return sorted(folder.glob(".niimasker-*"))


@pytest.fixture(params=["process", "container"])
def other(request, tmp_path):
    """Another process that writes a file and has a temporary folder, also one with process ids of its own."""
    words = [sys.executable, "-c", HOLDING, str(tmp_path)]
    if request.param == "container":
        words = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", *words]
        if (
            not shutil.which("unshare")
            or subprocess.run([*words[:6], "true"], capture_output=True, check=False).returncode
        ):
            pytest.skip("no namespaces here")
    process = subprocess.Popen(words, env=environment())
    wait_until((tmp_path / "ready").exists, "the files are there")
    yield process
    process.kill()
    process.wait()


def test_files_of_a_living_process_stay_and_those_of_a_killed_one_go(other, tmp_path):
    before = hidden(tmp_path)
    assert len(before) == 2
    remove_leftovers([tmp_path])
    assert hidden(tmp_path) == before
    assert list(tmp_path.glob(".niimasker-*/content"))
    other.kill()
    other.wait()
    wait_until(
        lambda: all(locks.is_abandoned(path) for path in (folder / ".in-use" for folder in before)),
        "the lock is given up",
    )
    remove_leftovers([tmp_path])
    assert hidden(tmp_path) == []


def test_own_files_stay(tmp_path):
    with replacing(tmp_path / "a.tsv") as path, temporary_folder(tmp_path) as folder:
        path.touch()
        remove_leftovers([tmp_path])
        assert hidden(tmp_path) == sorted([path.parent, folder])
    assert hidden(tmp_path) == []


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.mkdir(),
        lambda path: os.mkfifo(path),
        lambda path: path.symlink_to("/etc"),
        lambda path: path.symlink_to("nowhere"),
        lambda path: path.symlink_to(path.name),
        lambda path: path.with_name(".niimasker-notes").touch(),
        lambda path: path.with_name(f".niimasker-00000000-{'9' * 40}-a").touch(),
    ],
    ids=["new folder", "pipe", "link", "dangling link", "link to itself", "other name", "process id of 40 digits"],
)
def test_names_of_strangers_in_a_shared_folder_stop_nothing(tmp_path, monkeypatch, make):
    shared = tmp_path / "shared"
    shared.mkdir()
    make(shared / NAME)
    before = os.listdir(shared)  # noqa: PTH208
    monkeypatch.setenv("TMPDIR", str(shared))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert main([str(tmp_path / "out"), *write_study(tmp_path, 1), "--n_jobs", "2", "-q"]) == 0
    assert os.listdir(shared) == before  # noqa: PTH208


def test_old_folders_go_where_there_are_no_locks(tmp_path, monkeypatch):
    monkeypatch.setattr("niimasker.outputs.files.lock", lambda *_, **__: None)
    for age in (0, 2 * 86400):
        path = tmp_path / f".niimasker-{age:032}"
        path.mkdir()
        (path / ".in-use").touch()
        os.utime(path, (time.time() - age,) * 2)
    remove_leftovers([tmp_path])
    assert [path.name for path in hidden(tmp_path)] == [f".niimasker-{0:032}"]


def open_files() -> list[str]:
    """Return the files that this process has open, in the order of their descriptors."""
    links = []
    for name in sorted(os.listdir("/proc/self/fd"), key=int):  # noqa: PTH208
        try:
            links.append(os.readlink(f"/proc/self/fd/{name}"))  # noqa: PTH115
        except OSError:
            continue  # the descriptor that listed them
    return links


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no /proc")


@needs_proc
def test_file_that_is_written_is_not_locked(tmp_path):
    # On SMB, a locked file can be read and written through the descriptor alone that has the lock.
    with replacing(tmp_path / "a.tsv") as temporary:
        temporary.write_text("a")
        opened = [Path(name) for name in open_files() if name.startswith(str(tmp_path))]
        assert opened == [temporary.parent / ".in-use"]
        assert opened[0].stat().st_size == 0


@needs_proc
def test_files_of_a_run_keep_one_descriptor_open_in_each_folder(tmp_path):
    n_before = len(open_files())
    with staging() as staged:
        for number in range(200):
            staged.add(tmp_path / "sub" / f"{number}.tsv").write_text("")
        assert len(open_files()) == n_before + 1
        staged.publish(last=[], removed=[])
    assert len(list((tmp_path / "sub").iterdir())) == 200


def test_new_folder_that_is_taken_for_a_leftover_is_made_again(tmp_path, monkeypatch):
    lock, n_calls = files.lock, 0

    def lock_late(descriptor: int, *, shared: bool = False) -> bool | None:
        nonlocal n_calls
        n_calls += 1
        if n_calls == 1:
            remove_leftovers([tmp_path])
        return lock(descriptor, shared=shared)

    monkeypatch.setattr(files, "lock", lock_late)
    with temporary_folder(tmp_path) as folder:
        assert folder.is_dir()
        assert list(tmp_path.iterdir()) == [folder]
    assert not list(tmp_path.iterdir())


class TestFlushing:
    @pytest.fixture
    def events(self, monkeypatch):
        """What is flushed and what gets its name, in order."""
        events: list[tuple[str, str]] = []
        fsync, replace = os.fsync, Path.replace

        def note_fsync(descriptor: int) -> None:
            events.append(("flushed", str(Path(f"/proc/self/fd/{descriptor}").readlink())))
            fsync(descriptor)

        def note_replace(path: Path, target: Path) -> Path:
            events.append(("named", str(target)))
            assert ("flushed", str(path.absolute())) in events, "a name before its content"
            return replace(path, target)

        monkeypatch.setattr(os, "fsync", note_fsync)
        monkeypatch.setattr(Path, "replace", note_replace)
        return events

    @pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no /proc")
    def test_file_is_flushed_before_its_name_and_its_folder_after(self, tmp_path, events):
        with replacing(tmp_path / "a.tsv") as temporary:
            temporary.write_text("content")
        assert [event for event, _ in events] == ["flushed", "named", "flushed"]
        assert events[-1] == ("flushed", str(tmp_path))

    @pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no /proc")
    def test_json_file_of_a_run_comes_last(self, tmp_path, monkeypatch, events):
        monkeypatch.chdir(tmp_path)
        write_study(tmp_path, 1)
        words = ["-i", "sub-00_bold.nii.gz", "-r", "atlas.nii.gz", "--discard_scans", "2", "--connectivity", "pearson"]
        assert main(["out", *words, "-q"]) == 0
        of_run = [name for event, name in events if event == "named" and "/sub-00_bold_" in name]
        ends = ["outliers.tsv", "timeseries.tsv", "regions.tsv", "pearson_relmat.tsv", "pearson_relmat.json"]
        assert [name.split("/sub-00_bold_")[1].removeprefix("connectivity-") for name in of_run] == [
            *ends,
            "timeseries.json",
            "report.html",
        ]
        last = events.index(("named", of_run[-2]))
        assert ("flushed", str(tmp_path / "out")) in events[events.index(("named", of_run[-3])) : last]


def test_description_that_a_power_cut_emptied_is_written_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path, 1)
    words = ["out", "-i", "sub-00_bold.nii.gz", "-r", "atlas.nii.gz", "--output_layout", "bids", "--no_report", "-q"]
    assert main(words) == 0
    path = Path("out/dataset_description.json")
    before = path.read_bytes()
    path.write_bytes(b"")
    assert main([*words, "--resume"]) == 0
    assert path.read_bytes() == before
