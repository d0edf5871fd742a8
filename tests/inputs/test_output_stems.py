"""The names of outputs stay in the output directory, and apart from niimasker's own files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from images import make_labels, make_series, save

from niimasker import extract
from niimasker.cli import main
from niimasker.errors import NiimaskerWarning, RunsError
from niimasker.inputs import output_stems
from niimasker.inputs.run_images import RunImage

LABELS = make_labels((1, 2, 5))


def name_outputs(image_paths, layout):
    """Return the output names of images of one file each."""
    return output_stems.name_outputs([RunImage.from_path(path) for path in image_paths], layout)


@pytest.mark.parametrize("layout", ["flat", "mirror", "bids"])
@pytest.mark.parametrize("name", [".nii.gz", ".nii", "..nii.gz", "...nii.gz", "sub-01/.nii.gz", "sub-01/...nii.gz"])
def test_image_without_a_name_is_refused(name, layout):
    with pytest.raises(RunsError, match="has no name before its ending; rename it"):
        name_outputs([Path("study/sub-02_bold.nii.gz"), Path("study", name)], layout)


@pytest.mark.parametrize("folder", ["niimasker_data", "reports", "Reports"])
def test_folders_of_niimaskers_own_files_are_refused(folder):
    images = [Path("study/a.nii"), Path(f"study/{folder}/sub/b.nii")]
    with pytest.raises(RunsError, match=rf"outputs of {images[1]} would lie in the folder {folder} of .*; rename"):
        name_outputs(images, "mirror")
    assert name_outputs(images, "flat") == ["a", "b"]


def test_names_as_those_of_niimaskers_own_files_are_taken():
    images = [Path(f"study/{name}.nii") for name in ("reports", "niimasker_data", ".hidden")]
    assert name_outputs(images, "flat") == name_outputs(images, "mirror") == ["reports", "niimasker_data", ".hidden"]
    images = [Path("study/a.nii"), Path("study/sub/reports/b.nii")]
    assert name_outputs(images, "mirror") == ["a", "sub/reports/b"]


@pytest.mark.parametrize("layout", ["flat", "mirror"])
def test_nothing_beside_the_output_folder_is_touched(layout, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("a.nii.gz", ".nii.gz"):
        save(Path("in/sub-01", name), make_series(LABELS), t_r=2.0)
    shutil.move("in/sub-01/a.nii.gz", "in/a.nii.gz")
    save(Path("atlas.nii.gz"), LABELS)
    Path("out_timeseries.tsv").write_text("mine\n")
    words = ["-i", "in/a.nii.gz", "in/sub-01/.nii.gz", "-r", "atlas.nii.gz", "--output_layout", layout]
    assert main(["out", *words]) == 2
    assert "in/sub-01/.nii.gz has no name before its ending" in capsys.readouterr().err
    assert Path("out_timeseries.tsv").read_text() == "mine\n"
    assert not Path("out").exists()


def test_two_pipelines_of_one_output_name_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("sub-01_bold.nii.gz", "sub-01_desc-smooth_bold.nii.gz"):
        save(Path(name), make_series(LABELS), t_r=2.0)
    save(Path("atlas.nii.gz"), LABELS)
    options = {"input_files": "sub-01_*.nii.gz", "roi_file": "atlas.nii.gz", "output_layout": "bids"}
    expected = r"'smooth\+raw' of sub-01_bold.* 'raw' of sub-01_desc-smooth_bold.*; rename"
    with pytest.warns(NiimaskerWarning, match="2 images of one run"), pytest.raises(RunsError, match=expected):
        extract("out", **options, pipelines={"raw": {}, "smooth+raw": {"detrend": True}})
    assert not Path("out").exists()
