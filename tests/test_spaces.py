"""Another kind of space than a grid goes through a whole run once it can be opened and regions be placed on it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from images import OBLIQUE, SHAPE, make_labels

from niimasker import extract
from niimasker.inputs.series import open_series
from niimasker.inputs.spaces import Grid
from niimasker.regions.placing import placement
from niimasker.regions.placing.grids import place_on_grid

IMAGE = "sub-01_bold"


@dataclass(frozen=True)
class Listed:
    """Points in a list, which no volume holds."""

    n_points: int

    def to_volume(self, values: np.ndarray) -> None:
        """Return no volume."""
        return


@pytest.fixture
def images(tmp_path) -> dict[str, Path]:
    rng = np.random.default_rng(0)
    volumes = rng.normal(1000, 10, (*SHAPE, 40)).astype(np.float32)
    paths = {"input_files": tmp_path / f"{IMAGE}.nii", "roi_file": tmp_path / "atlas.nii"}
    for path, values in zip(paths.values(), (volumes, make_labels((1, 2, 5))), strict=True):
        nib.save(nib.Nifti1Image(values, OBLIQUE), path)
    return paths


@pytest.fixture
def listed_points(monkeypatch, images) -> None:
    """Open images as lists of points, on which regions are placed by their places in the list."""
    grid = open_series(images["input_files"]).space

    def open_listed(path, sidecar_paths, further_paths):
        series = open_series(path, sidecar_paths, further_paths)
        return dataclasses.replace(series, space=Listed(series.space.n_points))

    def place_on_list(regions, space, mask):
        return dataclasses.replace(place_on_grid(regions, grid, mask), space=space)

    monkeypatch.setattr("niimasker.study.plans.open_series", open_listed)
    monkeypatch.setitem(placement.PLACERS, Listed, place_on_list)


OPTIONS = {"standardize": True, "detrend": True, "connectivity": "pearson"}


def run(images: dict[str, Path], output_dir: Path) -> dict[str, str]:
    """The tables of a run and its page, by their names."""
    (outcome,) = extract(output_dir, **images, **OPTIONS)
    assert outcome.status == "done"
    paths = [*output_dir.glob("*.tsv"), *output_dir.glob("reports/*_report.html")]
    return {path.name: path.read_text("utf-8") for path in paths}


def test_tables_do_not_depend_on_the_kind_of_space(tmp_path, images, request):
    by_grid = run(images, tmp_path / "grid")
    request.getfixturevalue("listed_points")
    by_list = run(images, tmp_path / "list")
    pages = {files.pop(f"{IMAGE}_report.html") for files in (by_grid, by_list)}
    assert len(pages) == 2
    assert by_grid == by_list


def test_page_of_points_that_no_volume_holds_has_no_picture_of_the_brain(tmp_path, images, request):
    title = "Regions on the mean image"
    assert title in run(images, tmp_path / "grid")[f"{IMAGE}_report.html"]
    request.getfixturevalue("listed_points")
    page = run(images, tmp_path / "list")[f"{IMAGE}_report.html"]
    assert title not in page
    assert "None" not in page


def test_grid_draws_values_in_the_order_of_its_file():
    grid = Grid(SHAPE, tuple(map(tuple, OBLIQUE.tolist())))
    values = np.arange(grid.n_points)
    volume = grid.to_volume(values)
    assert volume.values[1, 2, 3] == 1 + SHAPE[0] * (2 + SHAPE[1] * 3)
    np.testing.assert_array_equal(volume.affine, OBLIQUE)
