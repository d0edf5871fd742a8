"""--resume notices what happens to the file of either hemisphere of an atlas."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from gifti_files import EXTERNAL, save_series
from studies import statuses

from niimasker.cli import main

N_VERTICES, N_VOLUMES = 12, 10


def write_run(path: str) -> None:
    values = np.random.default_rng(len(path)).normal(100, 5, (N_VOLUMES, N_VERTICES)).astype(np.float32)
    arrays = [nib.gifti.GiftiDataArray(volume, intent="NIFTI_INTENT_TIME_SERIES") for volume in values]
    nib.save(nib.gifti.GiftiImage(darrays=arrays), path)


def write_annotation(path: str, *names: str) -> None:
    """Write regions of two vertices each, and vertices without one."""
    labels = np.repeat(np.arange(len(names) + 1), 2)
    labels = np.append(labels, np.zeros(N_VERTICES - len(labels), dtype=int)).astype(np.int32)
    colours = np.array([[20 * number, 10, 5, 0] for number in range(len(names) + 1)])
    nib.freesurfer.write_annot(path, labels, colours, ["unknown", *names], fill_ctab=True)


@pytest.fixture(autouse=True)
def study(tmp_path, monkeypatch) -> Path:
    """The current folder, with a run of the left hemisphere and an atlas of both."""
    monkeypatch.chdir(tmp_path)
    write_run("sub-01_hemi-L_bold.func.gii")
    write_annotation("lh.A.annot", "a", "b")
    write_annotation("rh.A.annot", "c", "d", "e")
    return tmp_path


def extract(*roi_files: str, words: tuple[str, ...] = ()) -> list[str]:
    """Resume, and return what became of the run."""
    given = ["-i", "sub-01_hemi-L_bold.func.gii", "-r", *roi_files, "--t_r", "2", "--no_report", "--resume", *words]
    assert main(["out", *given]) == 0
    return statuses(Path("out")).tolist()


def columns() -> list[str]:
    return next(Path("out").glob("*_timeseries.tsv")).read_text().splitlines()[0].split("\t")


def test_one_atlas_has_one_table_however_it_is_given():
    assert extract("lh.A.annot", "rh.A.annot", words=("--atlas_name", "A")) == ["done"]
    assert columns() == ["a", "b", "c", "d", "e"]
    for way in (["rh.A.annot", "lh.A.annot"], ["{hemi}.A.annot"], ["lh.A.annot"], ["./rh.A.annot"]):
        assert extract(*way, words=("--atlas_name", "A")) == ["skipped"]
    copies = {path.name: path.read_bytes() for path in Path("out/niimasker_data").glob("*.annot")}
    assert copies == {name: Path(name).read_bytes() for name in ("lh.A.annot", "rh.A.annot")}


@pytest.mark.parametrize("changed", ["lh.A.annot", "rh.A.annot"])
def test_changed_file_of_either_hemisphere_is_read_again(changed):
    extract("lh.A.annot")
    write_annotation(changed, "x", "y")
    assert extract("lh.A.annot") == ["done"]
    assert {"x", "y"} < set(columns())


def test_partner_that_appears_later_is_another_analysis(capsys):
    Path("rh.A.annot").rename("away")
    extract("lh.A.annot")
    assert columns() == ["a", "b"]
    Path("away").rename("rh.A.annot")
    capsys.readouterr()
    assert extract("lh.A.annot") == ["done"]
    assert columns() == ["a", "b", "c", "d", "e"]
    assert (
        "replaces 1 run made with regions of lh.A.annot by regions of lh.A.annot, rh.A.annot" in capsys.readouterr().err
    )


def test_missing_file_of_a_pair_that_was_asked_for_is_an_error(capsys):
    Path("rh.A.annot").unlink()
    for way in (["{hemi}.A.annot"], ["lh.A.annot", "rh.A.annot"]):
        assert main(["out", "-i", "sub-01_hemi-L_bold.func.gii", "-r", *way, "--t_r", "2", "--no_report"]) == 2
        assert "error: rh.A.annot: no such file" in capsys.readouterr().err


def test_names_of_the_annotation_are_its_own_though_a_table_lies_beside_it():
    for side in ("lh", "rh"):
        Path(f"{side}.A.annot").rename(f"{side}.A_dseg.annot")
    Path("A_dseg.tsv").write_text("index\tname\n1\tx\n2\ty\n3\tz\n")
    assert extract("{hemi}.A_dseg.annot") == ["done"]
    assert columns() == ["a", "b", "c", "d", "e"]
    sources = json.loads(next(Path("out").glob("*_timeseries.json")).read_text())["Sources"]
    assert sources["Names"]["Path"] == "lh.A_dseg.annot"


@pytest.mark.parametrize("changed", ["lh", "rh"])
def test_changed_file_of_a_subjects_own_atlas_is_read_again(changed):
    Path("surf/01").mkdir(parents=True)
    for side in ("lh", "rh"):
        Path(f"{side}.A.annot").rename(f"surf/01/{side}.A.annot")
    own = "surf/{sub}/{hemi}.A.annot"
    assert extract(own) == ["done"]
    assert extract(own) == ["skipped"]
    write_annotation(f"surf/01/{changed}.A.annot", "x", "y")
    assert extract(own) == ["done"]
    assert {"x", "y"} < set(columns())


def test_values_in_another_file_are_part_of_the_run(study):
    values = np.random.default_rng(3).normal(100, 5, (N_VOLUMES, N_VERTICES)).astype(np.float32)
    path = save_series(study / "sub-02_hemi-L_bold.func.gii", values, encoding=EXTERNAL)
    words = ["out", "-i", path.name, "-r", "lh.A.annot", "--no_report", "--resume"]
    assert main(words) == 0
    before = Path("out/sub-02_hemi-L_bold_timeseries.tsv").read_bytes()
    main(words)
    assert statuses(Path("out")).tolist() == ["skipped"]
    (study / f"{path.name}.dat").write_bytes((values + 1).tobytes())
    main(words)
    assert statuses(Path("out")).tolist() == ["done"]
    assert Path("out/sub-02_hemi-L_bold_timeseries.tsv").read_bytes() != before


@pytest.mark.parametrize("option", ["-r", "-m"])
def test_values_in_another_file_are_part_of_an_atlas_and_of_a_mask(study, option):
    labels = np.arange(N_VERTICES, dtype=np.int32) % 2
    path = save_series(study / "B_hemi-L.shape.gii", labels[None], encoding=EXTERNAL)
    regions = ["-r", path.name] if option == "-r" else ["-r", "lh.A.annot", "-m", path.name]
    words = ["out", "-i", "sub-01_hemi-L_bold.func.gii", *regions, "--no_report", "--resume"]
    assert main(words) == 0
    main(words)
    assert statuses(Path("out")).tolist() == ["skipped"]
    (study / f"{path.name}.dat").write_bytes((1 - labels).tobytes())
    main([*words, "--overwrite"])
    assert statuses(Path("out")).tolist() == ["done"]
