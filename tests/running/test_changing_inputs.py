"""What a run is read from is of one moment: files that change during a study are read again, or fail their run."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from images import OBLIQUE, RAS, make_series, save, save_stored
from studies import LABELS, results_in, statuses

from niimasker import workflow
from niimasker.cli import main
from niimasker.errors import RegionsError
from niimasker.inputs.runs import Run
from niimasker.options.merging import make_settings
from niimasker.running import cleaned_runs
from niimasker.study import preparation, rechecks
from niimasker.study.preparation import prepare
from niimasker.workflow import extract, run_study

N_VOLUMES = 30
IMAGE, CONFOUNDS, CENSOR, JSON = "sub-01_bold.nii", "sub-01_confounds.tsv", "sub-01_censor.txt", "sub-01_bold.json"
OPTIONS = {
    "input_files": "sub-*_bold.nii",
    "roi_file": "atlas.nii",
    "labels": "names.tsv",
    "mask_img": "sub-{sub}_mask.nii",
    "regressor_files": "sub-*_confounds.tsv",
    "regressors": "x",
    "censor_file": "sub-*_censor.txt",
    "no_report": True,
}
SHARED_MASK = {**OPTIONS, "mask_img": "brain.nii"}

# A mask that leaves out a part of each region.
PART = np.ones(LABELS.shape, dtype=np.int16)
PART[3] = 0


def write_image(path: Path, *, slope: float = 1.0, affine: np.ndarray = OBLIQUE) -> None:
    save_stored(path, make_series(LABELS, N_VOLUMES).astype(np.int16), affine, slope=slope)


def write_confounds(path: Path, divisor: int) -> None:
    path.write_text("x\n" + "".join(f"{row * row % divisor}\n" for row in range(N_VOLUMES)))


def write_censoring(path: Path, volume: int) -> None:
    path.write_text("".join(f"{int(row == volume)}\n" for row in range(N_VOLUMES)))


@pytest.fixture
def study(tmp_path, monkeypatch) -> Path:
    """The current folder, with 3 runs and the files of each."""
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        write_image(Path(f"sub-0{number}_bold.nii"))
        Path(f"sub-0{number}_bold.json").write_text('{"RepetitionTime": 2.0}')
        Path(f"sub-0{number}_confounds.tsv").write_text(
            "x\n" + "".join(f"{row * row % 7}\n" for row in range(N_VOLUMES))
        )
        Path(f"sub-0{number}_censor.txt").write_text("".join(f"{int(row == 3)}\n" for row in range(N_VOLUMES)))
        save(Path(f"sub-0{number}_mask.nii"), (LABELS >= 0).astype(np.int16))
    save(Path("brain.nii"), (LABELS >= 0).astype(np.int16))
    save(Path("atlas.nii"), LABELS)
    Path("names.tsv").write_text("index\tname\n1\ta\n2\tb\n5\tc\n")
    return tmp_path


def equals_undisturbed_call(**options: object) -> bool:
    """Return whether the results are those of a call in which nothing changed."""
    disturbed = results_in(Path("out"))
    shutil.rmtree("out")
    extract("out", **options)
    return disturbed == results_in(Path("out"))


def replace(path: Path, write: Callable[[Path], object]) -> None:
    """Replace a file by another one of the same times."""
    found = path.stat()
    other = path.with_name(f"other_{path.name}")
    write(other)
    os.utime(other, ns=(found.st_atime_ns, found.st_mtime_ns))
    other.replace(path)


CHANGES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "slope": (IMAGE, lambda path: write_image(path, slope=10)),
    "confounds": (
        CONFOUNDS,
        lambda path: write_confounds(path, 5),
    ),
    "censored volumes": (
        CENSOR,
        lambda path: write_censoring(path, 7),
    ),
    "repetition time": (JSON, lambda path: path.write_text('{"RepetitionTime": 3.0}')),
    "mask": ("sub-01_mask.nii", lambda path: save(path, PART)),
}


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_files_changed_after_the_check_are_checked_again(study, n_jobs):
    checked = prepare(make_settings({"output_dir": "out", **OPTIONS, "n_jobs": n_jobs}))
    for name, write in CHANGES.values():
        replace(study / name, write)
    assert [outcome.status for outcome in run_study(checked)] == ["done"] * 3
    extract("out", **OPTIONS, resume=True)
    assert statuses(Path("out")).tolist() == ["skipped"] * 3
    assert equals_undisturbed_call(**OPTIONS)


def test_file_written_just_before_the_check_is_checked_again(study, monkeypatch):
    plans = []
    plan_run = preparation.plan_run

    def write_and_plan(run: Run, *others):
        Path(CENSOR).write_bytes(Path(CENSOR).read_bytes())
        return plan_run(run, *others)

    def record_and_plan(run: Run, *others):
        plans.append(str(run.image_path))
        return plan_run(run, *others)

    monkeypatch.setattr(preparation, "plan_run", write_and_plan)
    monkeypatch.setattr(rechecks, "plan_run", record_and_plan)
    time.sleep(0.05)  # until the other files are settled
    outcomes = extract("out", **OPTIONS)
    assert [outcome.status for outcome in outcomes] == ["done"] * 3
    assert plans == [IMAGE]


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (lambda path: write_image(path, affine=RAS), "the image is now on another grid"),
        (lambda path: cut(path), "its size allows"),
        (lambda path: save(path, LABELS), "a 3D image"),
    ],
    ids=["grid", "cut", "3D"],
)
def test_run_that_is_no_longer_valid_fails_alone(study, write, reason):
    checked = prepare(make_settings({"output_dir": "out", **OPTIONS}))
    before = (study / IMAGE).read_bytes()
    replace(study / IMAGE, write)
    outcomes = run_study(checked)
    assert [outcome.status for outcome in outcomes] == ["done", "failed", "done"]
    said = outcomes[1].reason
    assert said.startswith(f"{IMAGE}: changed after the check before the first run")
    assert reason in said
    assert said.endswith(("process this run again with --resume.", "Process this run again with --resume."))
    (study / IMAGE).write_bytes(before)
    extract("out", **OPTIONS, resume=True)
    assert equals_undisturbed_call(**OPTIONS)


def cut(path: Path) -> None:
    write_image(path)
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize(("name", "write"), CHANGES.values(), ids=CHANGES)
def test_file_that_changes_while_it_is_read_fails_its_run(study, monkeypatch, name, write):
    load = cleaned_runs.load_run_confounds

    def load_and_change(run, *others):
        loaded = load(run, *others)
        if str(run.image_path) == IMAGE:
            replace(study / name, write)
        return loaded

    with monkeypatch.context() as patch:
        patch.setattr(cleaned_runs, "load_run_confounds", load_and_change)
        outcomes = extract("out", **OPTIONS)
    assert [outcome.status for outcome in outcomes] == ["done", "failed", "done"]
    assert f"{name}: changed while the run was processed" in outcomes[1].reason
    assert not list(Path("out").glob("sub-01*"))
    extract("out", **OPTIONS, resume=True)
    assert statuses(Path("out")).tolist() == ["skipped", "done", "skipped"]
    assert equals_undisturbed_call(**OPTIONS)


@pytest.mark.parametrize("name", [IMAGE, CONFOUNDS, CENSOR])
def test_file_that_vanishes_while_it_is_read_fails_its_run(study, monkeypatch, name):
    load = cleaned_runs.load_run_confounds

    def vanish_and_load(run, *others):
        (study / name).unlink(missing_ok=True)
        return load(run, *others)

    monkeypatch.setattr(cleaned_runs, "load_run_confounds", vanish_and_load)
    options = {**OPTIONS, "input_files": IMAGE, "regressor_files": CONFOUNDS, "censor_file": CENSOR}
    (outcome,) = extract("out", **options)
    assert f"{name}: changed while the run was processed" in outcome.reason
    assert not outcome.is_bug


def test_file_that_is_being_written_fails_its_run(study, monkeypatch):
    checked = prepare(make_settings({"output_dir": "out", **OPTIONS}))

    def begin_to_write(run: Run) -> None:
        if str(run.image_path) == IMAGE:
            Path(CENSOR).write_text("0\n")

    def continue_to_write(seconds: float) -> None:
        assert 0 < seconds <= 0.02
        with Path(CENSOR).open("a") as file:
            file.write("0\n")

    monkeypatch.setattr("niimasker.inputs.file_states.time.sleep", continue_to_write)
    outcomes = run_study(checked, on_start=begin_to_write)
    assert [outcome.status for outcome in outcomes] == ["done", "failed", "done"]
    assert f"{CENSOR}: is being written" in outcomes[1].reason


SHARED = {
    "atlas": ("atlas.nii", lambda path: save(path, np.where(LABELS == 2, 1, LABELS))),
    "names": ("names.tsv", lambda path: path.write_text("index\tname\n1\ta\n2\tx\n5\tc\n")),
    "mask": ("brain.nii", lambda path: save(path, PART)),
}


@pytest.mark.parametrize(("name", "write"), SHARED.values(), ids=SHARED)
def test_regions_that_change_after_they_were_loaded_stop_the_study(study, monkeypatch, capsys, name, write):
    words = ["out", "-i", "sub-*_bold.nii", "-r", "atlas.nii", "--labels", "names.tsv", "-m", "brain.nii"]
    plan_run = preparation.plan_run

    def plan_and_change(*others):
        replace(study / name, write)
        return plan_run(*others)

    with monkeypatch.context() as patch:
        patch.setattr(preparation, "plan_run", plan_and_change)
        assert main([*words, "--no_report"]) == 2
    assert f"error: {name}: changed while it was loaded" in capsys.readouterr().err
    assert not Path("out").exists()
    assert main([*words, "--no_report"]) == 0


def test_look_up_table_that_appears_after_the_regions_were_loaded_stops_the_study(study):
    save(Path("atlas-X_dseg.nii"), LABELS)
    options = {"input_files": "sub-*_bold.nii", "roi_file": "atlas-X_dseg.nii"}
    checked = prepare(make_settings({"output_dir": "out", **options}))
    shutil.copy("names.tsv", "atlas-X_dseg.tsv")
    with pytest.raises(RegionsError, match=r"atlas-X_dseg.tsv: changed while it was loaded"):
        run_study(checked)


def test_copy_of_the_regions_is_of_what_was_loaded(study, monkeypatch):
    begin = workflow.begin_study_files

    def change_and_begin(*words: object) -> None:
        replace(study / "atlas.nii", SHARED["atlas"][1])
        begin(*words)

    monkeypatch.setattr(workflow, "begin_study_files", change_and_begin)
    with pytest.raises(RegionsError, match=r"atlas.nii: changed while it was loaded"):
        extract("out", **SHARED_MASK)


@pytest.mark.long
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_images_that_change_all_the_time_give_tables_of_one_version(study, n_jobs):
    versions = {name: study / f"{name}.image" for name in ("1", "10")}
    expected = {}
    for name, path in versions.items():
        write_image(path, slope=float(name))
    n_runs = 40
    names = [f"run-{number:02}_bold.nii" for number in range(n_runs)]
    options = {"input_files": "run-*_bold.nii", "roi_file": "atlas.nii", "no_report": True}
    for name, path in versions.items():
        shutil.copy(path, "only_bold.nii")
        extract(f"version_{name}", **{**options, "input_files": "only_bold.nii"})
        content = Path(f"version_{name}/only_bold_timeseries.tsv").read_bytes()
        expected[hashlib.sha256(path.read_bytes()).hexdigest()] = content
    for name in names:
        shutil.copy(versions["1"], name)
    has_ended, draw = threading.Event(), random.Random(n_jobs)

    def change_images() -> None:
        while not has_ended.wait(draw.random() * 0.002):
            name, version = draw.choice(names), draw.choice(list(versions.values()))
            if draw.random() < 0.5:
                shutil.copy(version, "being_written")
                os.replace("being_written", name)  # noqa: PTH105
            else:
                shutil.copy(version, name)

    thread = threading.Thread(target=change_images)
    thread.start()
    try:
        outcomes = extract("out", **options, n_jobs=n_jobs)
    finally:
        has_ended.set()
        thread.join()
    done = [outcome for outcome in outcomes if outcome.status == "done"]
    for outcome in done:
        record = json.loads(outcome.tables[0].sidecar_path.read_text())
        assert outcome.tables[0].signals_path.read_bytes() == expected[record["Sources"]["Image"]["SHA256"]]
        assert record["Fingerprint"]["image"]["SHA256"] == record["Sources"]["Image"]["SHA256"]
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    assert not any(outcome.is_bug for outcome in failed)
    assert len(done) + len(failed) == n_runs
    assert done
    extract("out", **options, resume=True)
    assert statuses(Path("out")).isin(["done", "skipped"]).all()
    for name in names:
        table = Path("out", name.replace(".nii", "_timeseries.tsv"))
        assert table.read_bytes() == expected[hashlib.sha256(Path(name).read_bytes()).hexdigest()]
