"""Values reach worker processes through files, in which nobody else can plant code or values."""

from __future__ import annotations

import io
import os
import pickle
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from images import save
from small_tasks import describe
from studies import LABELS, results_in, write_study

from niimasker.cli import main
from niimasker.errors import OutputLostError
from niimasker.options.merging import make_settings
from niimasker.running import handover, placements
from niimasker.running.handover import OnDisk, store
from niimasker.running.placements import place_atlases
from niimasker.running.workers import Worker
from niimasker.study.preparation import prepare

has_owners = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="there are no user IDs")
is_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can make files of others"
)


@pytest.fixture
def folder(tmp_path) -> Path:
    path = tmp_path / "handed over"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture(scope="module")
def worker():
    worker = Worker()
    yield worker
    worker.end()


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def arrays_of(value: object) -> list[np.ndarray]:
    """Return all arrays in a value."""
    found: list[np.ndarray] = []

    class Finder(pickle.Pickler):
        def reducer_override(self, each):
            if isinstance(each, np.ndarray):
                found.append(each)
            return NotImplemented

    Finder(io.BytesIO(), 5).dump(value)
    return found


# Values

ARRAY = np.arange(24.0).reshape(2, 3, 4)
ARRAYS = {
    "contiguous": ARRAY,
    "Fortran": np.asfortranarray(ARRAY),
    "every other": ARRAY[:, ::2],
    "backwards": ARRAY[::-1],
    "transposed": ARRAY.transpose(0, 2, 1),
    "broadcast": np.broadcast_to(ARRAY[0], (5, 3, 4)),
    "scalar": np.array(3.0),
    "empty": np.empty((0, 3)),
    "text": np.array(["a", "bcd"]),
    "bool": np.array([True, False]),
    "big-endian": np.arange(3, dtype=">i2"),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_array_comes_back_equal_and_read_only(folder, name):
    array = ARRAYS[name]
    found = store({"array": array}, folder).load()["array"]
    np.testing.assert_array_equal(found, array, strict=True)
    assert not found.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        found[...] = 0


def test_memory_mapped_array_comes_back_as_an_array(folder, tmp_path):
    mapped = np.memmap(tmp_path / "image.nii", dtype=np.int16, mode="w+", shape=(3, 4))
    mapped[...] = 7
    found = store((mapped,), folder).load()[0]
    assert type(found) is np.ndarray
    np.testing.assert_array_equal(found, np.full((3, 4), 7, dtype=np.int16), strict=True)


def test_array_that_occurs_twice_is_stored_once(folder):
    array = np.zeros(100_000)
    stored = store([array, array], folder)
    assert stored.n_bytes < 1.1 * array.nbytes
    first, second = stored.load()
    assert first is second


def test_data_of_arrays_is_not_copied_into_memory(folder):
    (found,) = store((np.ones(1000),), folder).load()
    owner = found
    while isinstance(owner, np.ndarray):
        owner = owner.base
    assert isinstance(owner.obj, handover.mmap.mmap)


def test_size_is_that_of_the_file(folder):
    stored = store((np.ones(1000), "text", np.ones(3)), folder)
    assert stored.n_bytes == (folder / stored.name).stat().st_size > 8024


def test_value_is_loaded_once(folder):
    stored = store((np.ones(3),), folder)
    assert stored.load() is stored.load()


def test_removed_value_leaves_nothing(folder):
    stored = store((np.ones(3),), folder)
    stored.remove()
    assert not list(folder.iterdir())
    stored.remove()


@pytest.fixture(scope="module")
def study_of(tmp_path_factory):
    """A function that returns a prepared study of two runs."""
    folder = tmp_path_factory.mktemp("study")
    words = write_study(folder, 2)
    save(folder / "maps.nii.gz", np.stack([LABELS == 1, LABELS == 2], axis=-1).astype(np.float32))
    (folder / "seeds.tsv").write_text("x\ty\tz\n0\t0\t0\n4\t4\t4\n")

    def make(**options: object):
        given = {"output_dir": folder / "out", "input_files": words[1], "roi_file": str(folder / "atlas.nii.gz")}
        return prepare(make_settings({**given, **options}))

    make.folder = folder  # type: ignore[attr-defined]
    return make


OPTIONS = [
    {},
    {"as_voxels": True},
    {"smoothing_fwhm": 5.0},
    {"engine": "nilearn"},
    {"engine": "nilearn", "as_voxels": True},
    {"maps": True},
    {"maps": True, "engine": "nilearn"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_placement_comes_back_in_a_process(folder, worker, study_of, options):
    options = dict(options)
    if options.pop("maps", False):
        options["roi_file"] = str(study_of.folder / "maps.nii.gz")
    study = study_of(**options)
    placement = place_atlases(study.atlases, study.spaces[0], study.mask, study.settings)
    stored = store(placement, folder)
    assert all(not array.flags.writeable for array in arrays_of(stored.load().weights))
    found = worker.attempt(describe, stored)
    assert found.reason is None
    assert found.value == describe(placement)


def test_atlases_come_back_in_a_process(folder, worker, study_of):
    atlases = study_of(roi_file=[str(study_of.folder / name) for name in ("atlas.nii.gz", "maps.nii.gz")]).atlases
    assert len(atlases) == 2
    found = worker.attempt(describe, store(atlases, folder))
    assert found.value == describe(atlases)


# Folders and files of others


@pytest.fixture
def stored(folder) -> OnDisk[object]:
    handover._load.cache_clear()
    return store({"weights": scipy.sparse.csr_array(np.eye(50))}, folder)


def assert_refused(stored: OnDisk[object], worker: Worker, why: str) -> None:
    for found in (worker.attempt(describe, stored), worker.attempt(describe, stored)):
        assert found.ends_all
        assert str(stored.folder) in found.reason
        assert why in found.reason


def plant(stored: OnDisk[object], path: Path, bomb: Path) -> None:
    """Write a file of the right size that begins with a pickle which runs code."""
    pickled = pickle.dumps(Bomb(bomb))
    path.write_bytes(pickled + bytes(stored.n_bytes - len(pickled)))


def test_planted_pickle_is_not_loaded(stored, worker, tmp_path):
    path = stored.folder / stored.name
    plant(stored, path, tmp_path / "bomb")
    pickle.loads(path.read_bytes())
    (tmp_path / "bomb").unlink()  # it works
    assert_refused(stored, worker, f"the content of {stored.name} has changed")
    assert not (tmp_path / "bomb").exists()


def test_file_of_another_size_is_refused(stored, worker):
    path = stored.folder / stored.name
    path.write_bytes(path.read_bytes()[:-64])
    assert_refused(stored, worker, f"{stored.name} has {stored.n_bytes - 64} bytes")


@has_owners
def test_link_in_place_of_the_file_is_refused(stored, worker, tmp_path):
    path = stored.folder / stored.name
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert_refused(stored, worker, "cannot be read")


@has_owners
def test_link_in_place_of_the_folder_is_refused(stored, worker, tmp_path):
    stored.folder.rename(tmp_path / "elsewhere")
    stored.folder.symlink_to(tmp_path / "elsewhere")
    assert_refused(stored, worker, "cannot be read")


@has_owners
def test_folder_that_others_may_write_to_is_refused(stored, worker):
    stored.folder.chmod(0o770)
    assert_refused(stored, worker, "other users may write to the folder, whose mode is 0770")


@has_owners
def test_new_folder_of_ones_own_has_no_file_of_the_name(stored, worker, tmp_path):
    stored.folder.rename(tmp_path / "elsewhere")
    stored.folder.mkdir(mode=0o700)
    store({"weights": scipy.sparse.csr_array(np.eye(50))}, stored.folder)
    assert_refused(stored, worker, "cannot be read")


@is_root
def test_folder_of_another_user_is_refused(stored, worker, tmp_path):
    stored.folder.rename(tmp_path / "elsewhere")
    shutil.copytree(tmp_path / "elsewhere", stored.folder)
    os.chown(stored.folder, 12345, 12345)
    assert_refused(stored, worker, "the folder belongs to the user with the ID 12345")


@is_root
def test_file_of_another_user_is_refused(stored, worker):
    os.chown(stored.folder / stored.name, 12345, 12345)
    assert_refused(stored, worker, f"{stored.name} belongs to the user with the ID 12345")


@is_root
def test_nothing_is_stored_in_a_folder_of_another_user(folder):
    os.chown(folder, 12345, 12345)
    with pytest.raises(OutputLostError, match="the folder belongs to the user with the ID 12345"):
        store((np.ones(3),), folder)


@has_owners
def test_folder_that_inherits_permissions_is_closed_to_others(folder):
    folder.chmod(0o777)
    (found,) = store((np.ones(3),), folder).load()
    assert found.tolist() == [1, 1, 1]
    assert folder.stat().st_mode & 0o777 == 0o700


@has_owners
def test_link_in_place_of_a_new_folder_gets_no_file(folder, tmp_path):
    folder.rmdir()
    (tmp_path / "elsewhere").mkdir()
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputLostError, match="cannot be stored"):
        store((np.ones(3),), folder)
    assert not list((tmp_path / "elsewhere").iterdir())


@dataclass
class Swapping:
    """Stores values as niimasker does; then somebody swaps the folder for one with pickles."""

    bomb: Path

    def __call__(self, value: object, folder: Path) -> OnDisk[object]:
        stored = store(value, folder)
        folder.rename(folder.with_name("elsewhere"))
        folder.mkdir(mode=0o777)
        folder.chmod(0o777)
        plant(stored, folder / stored.name, self.bomb)
        return stored


@has_owners
def test_study_whose_folder_is_swapped_ends_in_one_line(tmp_path, monkeypatch, capsys):
    words = write_study(tmp_path, 3)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(placements, "store", Swapping(tmp_path / "bomb"))
    assert main([str(tmp_path / "out"), *words, "--n_jobs", "2"]) == 1
    lines = {line.partition("gz: ")[2] for line in capsys.readouterr().err.splitlines()}
    (line,) = lines
    assert line.startswith(str(tmp_path / "tmp"))
    assert "other users may write to the folder" in line
    assert not (tmp_path / "bomb").exists()
    assert not results_in(tmp_path / "out")


# Runs of studies


def assert_same_tables(folder: Path, words: list[str]) -> None:
    """Check that one and two processes write the same tables; the sidecars name the output directory."""
    for n_jobs in ("1", "2"):
        assert main([str(folder / n_jobs), *words, "--n_jobs", n_jobs]) == 0
    first, second = results_in(folder / "1"), results_in(folder / "2")
    tables = [name for name in first if name.endswith(".tsv")]
    assert tables
    assert [name for name in tables if first[name] != second[name]] == []


def test_same_bytes_of_voxels_for_any_number_of_processes(tmp_path):
    assert_same_tables(tmp_path, [*write_study(tmp_path, 2), "--as_voxels"])


def test_masks_of_single_runs_with_shared_atlases(tmp_path):
    words = write_study(tmp_path, 2)
    points = np.arange(LABELS.size).reshape(LABELS.shape)
    for number in range(2):
        save(tmp_path / f"sub-{number:02}_mask.nii.gz", (points > number * 40).astype(np.uint8))
    assert_same_tables(tmp_path, [*words, "--mask_img", str(tmp_path / "sub-{sub}_mask.nii.gz")])


def test_atlases_of_single_runs(tmp_path):
    words = write_study(tmp_path, 2)
    for number in range(2):
        save(tmp_path / f"sub-{number:02}_own.nii.gz", np.roll(LABELS, number, axis=0))
    assert_same_tables(tmp_path, [*words[:3], str(tmp_path / "sub-{sub}_own.nii.gz"), "--no_report"])
