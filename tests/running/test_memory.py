"""--n_jobs -1 uses all cores that the memory allows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from images import save
from studies import LABELS, write_study

from niimasker import extract
from niimasker.errors import NiimaskerWarning
from niimasker.inputs.free_memory import _free_of_groups, free_bytes
from niimasker.options.merging import make_settings
from niimasker.running import memory
from niimasker.running.memory import count_processes, process_bytes
from niimasker.study.preparation import Study, prepare

GB = 10**9


@pytest.fixture
def study(tmp_path) -> Study:
    return make_study(tmp_path)


def make_study(folder: Path, **options: object) -> Study:
    _, images, _, atlas, _ = write_study(folder, 2)
    return prepare(make_settings({"output_dir": folder / "out", "input_files": images, "roi_file": atlas, **options}))


@pytest.fixture
def machine(monkeypatch):
    """A function that says how many cores and bytes there are."""

    def make(n_cores: int, free: int) -> None:
        monkeypatch.setattr(memory.joblib, "cpu_count", lambda: n_cores)
        monkeypatch.setattr(memory, "free_bytes", lambda: free)
        monkeypatch.setattr(memory, "own_bytes", lambda: 0)

    return make


def test_cores_are_taken_where_memory_is_enough(study, machine):
    machine(8, 100 * GB)
    assert count_processes(-1, study, 0, 3) == 8


def test_memory_lowers_the_number_with_a_message(study, machine):
    machine(8, 2 * GB)
    with pytest.warns(NiimaskerWarning, match=r"--n_jobs -1 uses 6 of 8 cores: a process needs about 0\.3 GB"):
        assert count_processes(-1, study, 0, 3) == 6


def test_study_with_all_cores_is_done(tmp_path, machine):
    machine(2, 0)
    _, images, _, atlas, _ = write_study(tmp_path, 2)
    with pytest.warns(NiimaskerWarning, match="--n_jobs -1 uses 1 of 2 cores"):
        outcomes = extract(tmp_path / "out", input_files=images, roi_file=atlas, no_report=True, n_jobs=-1)
    assert [outcome.status for outcome in outcomes] == ["done", "done"]


def test_no_process_beside_this_one_is_started_where_it_does_not_fit(study, machine):
    machine(8, GB // 4)
    with pytest.warns(NiimaskerWarning, match="--n_jobs -1 uses 1 of 8 cores"):
        assert count_processes(-1, study, 0, 3) == 0


def test_one_process_is_left_for_a_timeout(tmp_path, machine):
    machine(8, 0)
    with pytest.warns(NiimaskerWarning, match="--n_jobs -1 uses 1 of 8 cores"):
        assert count_processes(-1, make_study(tmp_path, timeout=60), 0, 3) == 1


def test_what_this_process_needs_later_counts(study, machine, monkeypatch):
    machine(8, 2 * GB)
    monkeypatch.setattr(memory, "own_bytes", lambda: GB)
    with pytest.warns(NiimaskerWarning, match="--n_jobs -1 uses 3 of 8 cores"):
        assert count_processes(-1, study, 0, 3) == 3


def test_this_process_may_need_what_it_needed_before():
    before = memory.own_bytes()
    np.ones(300 * 2**20 // 8)
    assert memory.own_bytes() >= before
    assert 2**20 < before < 2**40


def test_number_that_is_given_is_kept(study, machine):
    machine(8, 0)
    assert count_processes(5, study, 0, 3) == 5


def test_weights_count_for_each_process(study):
    (plan, _) = study.plans
    assert process_bytes(plan, study, GB, 3) - process_bytes(plan, study, 0, 3) == GB


def test_columns_count_for_each_process(study):
    (plan, _) = study.plans
    # Six arrays of 8 bytes for each of 12 volumes.
    assert process_bytes(plan, study, 0, 1000) - process_bytes(plan, study, 0, 0) == 6 * 8 * 12 * 1000


def test_regions_of_each_runs_own_are_measured(tmp_path, machine, monkeypatch):
    _, images, _, _, _ = write_study(tmp_path, 2)
    for number in range(2):
        save(tmp_path / f"sub-{number:02}_mask.nii.gz", np.ones(LABELS.shape, dtype=np.uint8))
    monkeypatch.setattr(memory, "_N_SIGNALS", 10**6)
    machine(2, 0)
    own = {"roi_file": str(tmp_path / "sub-{sub}_mask.nii.gz"), "as_voxels": True}
    # 504 columns of 12 volumes, a million times 8 bytes each.
    with pytest.warns(NiimaskerWarning, match=r"a process needs about 48\.\d GB"):
        extract(tmp_path / "out", input_files=images, no_report=True, n_jobs=-1, **own)


def test_nilearns_maskers_take_the_image(tmp_path):
    stream, nilearn = (make_study(tmp_path, engine=engine) for engine in ("stream", "nilearn"))
    n_bytes = 7 * 8 * 9 * 12 * 8
    assert process_bytes(nilearn.plans[0], nilearn, 0, 3) < process_bytes(stream.plans[0], stream, 0, 3) + 3 * n_bytes
    assert process_bytes(nilearn.plans[0], nilearn, 0, 3) > 3 * n_bytes


def test_machine_has_some_memory_free():
    assert 0 < free_bytes() < 2**63


def write_group(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content)


def test_limit_of_the_second_version_counts(tmp_path):
    (tmp_path / "self").write_text("0::/user/job\n")
    write_group(tmp_path / "fs/user/job", memory__max="max\n", memory__current="5\n", memory__stat="inactive_file 1\n")
    write_group(
        tmp_path / "fs/user", memory__max="1000\n", memory__current="700\n", memory__stat="anon 3\ninactive_file 200\n"
    )
    assert _free_of_groups(tmp_path / "self", tmp_path / "fs") == [500]


def test_limit_of_the_first_version_counts(tmp_path):
    (tmp_path / "self").write_text("5:cpu,cpuacct:/x\n4:memory:/slurm/job_1\n")
    files = {"memory__limit_in_bytes": "1000", "memory__usage_in_bytes": "300"}
    write_group(tmp_path / "fs/memory/slurm/job_1", **files, memory__stat="total_inactive_file 100\n")
    assert _free_of_groups(tmp_path / "self", tmp_path / "fs") == [800]


def test_group_of_a_container_is_its_root(tmp_path):
    (tmp_path / "self").write_text("0::/docker/abc\n")
    write_group(tmp_path / "fs", memory__max="1000", memory__current="400", memory__stat="inactive_file 0\n")
    assert _free_of_groups(tmp_path / "self", tmp_path / "fs") == [600]


def test_no_groups_are_no_limit(tmp_path):
    assert _free_of_groups(tmp_path / "none", tmp_path) == []
