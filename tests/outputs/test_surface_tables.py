"""Tables of runs on surfaces and grayordinates: structures and vertices, in every layout."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from surface_regions import INDICES, NAMES, SPACE, STRUCTURES, make_regions, make_weights, split_into_points
from surface_runs import IMAGE, SurfaceRun

from niimasker.inputs.storage import SurfaceStorage
from niimasker.options.merging import make_settings
from niimasker.outputs.bids_dataset import write_dataset
from niimasker.outputs.naming import possible_files
from niimasker.outputs.provenance import describe_columns, run_sources

# Beside this Python, or wherever the system looks.
VALIDATOR = shutil.which(
    "bids-validator-deno", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
)
LAYOUTS = ("flat", "mirror", "bids")

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)


def settings(**options):
    return make_settings({"output_dir": "out", "input_files": "a.nii", "roi_file": "atlas.nii", **options})


class TestRegions:
    COLUMNS = (
        *("index", "name", "structure", "x", "y", "z", "n_voxels", "n_vertices", "n_valid", "coverage", "mean", "tsnr"),
        "status",
    )

    def test_columns_say_structure_and_vertices(self):
        table = read(SurfaceRun(make_weights()).write().regions_path)
        assert tuple(table) == self.COLUMNS
        assert table["name"].tolist() == list(NAMES)
        assert table["structure"].tolist() == list(STRUCTURES)
        assert table["index"].tolist() == [str(index) for index in INDICES]

    def test_voxels_and_vertices_are_counted_apart(self):
        table = read(SurfaceRun(make_weights()).write().regions_path)
        assert table["n_vertices"].tolist() == ["2", "2", "0", "0", "1"]
        assert table["n_voxels"].tolist() == ["0", "0", "2", "0", "1"]

    def test_places_are_those_of_voxels(self):
        table = read(SurfaceRun(make_weights()).write().regions_path)
        x = dict(zip(table["name"], table["x"], strict=True))
        assert x["L_V1"] == x["Gone"] == "n/a"
        assert float(x["Stem"]) == pytest.approx(SPACE.coordinates[[17, 18], 0].mean(), rel=1e-5)

    def test_region_of_no_structure_has_na(self):
        weights = dataclasses.replace(make_weights(names=("Gone",)), structures=("",))
        assert read(SurfaceRun(weights).write().regions_path)["structure"].tolist() == ["n/a"]


class TestPoints:
    COLUMNS = ("column", "region", "structure", "vertex", "i", "j", "k", "x", "y", "z")

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_table_is_called_after_vertices(self, layout):
        tables = SurfaceRun(split_into_points(make_weights()), as_voxels=True, output_layout=layout).write()
        expected = "sub-01_task-rest_space-fsLR_atlas-atlas_den-91k" if layout == "bids" else IMAGE
        assert tables.points_path.name == f"{expected}_vertices.tsv"
        assert tables.points_path.is_file()
        assert not list(Path("out").rglob("*_voxels.tsv"))

    @pytest.mark.parametrize("layout", LAYOUTS)
    @pytest.mark.parametrize("suffix", ["voxels", "vertices"])
    def test_both_names_are_among_the_files_that_a_run_may_have_written(self, layout, suffix):
        names = {path.name for path in possible_files(settings(output_layout=layout), "sub-01_task-a", ["A"])}
        stem = "sub-01_task-a_atlas-A" if layout == "bids" else "sub-01_task-a"
        assert f"{stem}_{suffix}.tsv" in names
        assert (f"{stem}_{suffix}.json" in names) == (layout == "bids")

    def test_row_says_where_a_point_lies(self):
        weights = split_into_points(make_weights())
        table = read(SurfaceRun(weights, as_voxels=True).write().points_path)
        assert tuple(table) == self.COLUMNS
        assert table["column"].tolist() == list(weights.names)
        rows = {row.column: row for row in table.itertuples()}
        vertex, voxel = rows["Mixed grayordinate 14"], rows["Mixed grayordinate 7"]
        assert vertex[2:9] == ("Mixed", "CORTEX_LEFT", "7", "n/a", "n/a", "n/a", "n/a")
        assert voxel[2:8] == ("Mixed", "THALAMUS_LEFT", "n/a", "2", "2", "3")
        assert float(voxel.z) == pytest.approx(SPACE.coordinates[7, 2], rel=1e-5)

    def test_run_is_found_again_by_its_table(self):
        run = SurfaceRun(split_into_points(make_weights()), as_voxels=True)
        tables = run.write()
        assert run.find_again().tables[0] == tables
        tables.points_path.unlink()
        assert run.find_again() is None


class TestBids:
    @pytest.mark.parametrize(
        ("weights", "table", "options"),
        [
            (make_weights(), "regions_path", {}),
            (split_into_points(make_weights()), "points_path", {"as_voxels": True}),
        ],
        ids=["regions", "points"],
    )
    def test_dictionary_describes_every_column(self, weights, table, options):
        path = getattr(SurfaceRun(weights, output_layout="bids", **options).write(), table)
        described = json.loads(path.with_suffix(".json").read_text())
        assert list(described) == list(read(path))
        assert all(column["Description"] for column in described.values())

    def test_density_is_described(self):
        sidecar = json.loads(SurfaceRun(make_weights(), output_layout="bids").write().sidecar_path.read_text())
        left, right = "8 of 12 vertices of CORTEX_LEFT", "6 of 12 vertices of CORTEX_RIGHT"
        assert sidecar["Density"] == f"{right}, {left}, 5 voxels of 2.93 x 3.33 x 4.11 mm"

    @pytest.mark.parametrize("names", [("L_V1", "R_V1"), ("L_V1", "Stem")])
    def test_atlas_table_with_repeated_indices_is_listed_as_outside_the_standard(self, names):
        write_dataset(Path("out"), [], {"A": make_regions(names)})
        lines = set(Path("out/.bidsignore").read_text().splitlines())
        assert ({"atlas-A_dseg.tsv", "atlas-A_dseg.json"} <= lines) == (names == ("L_V1", "R_V1"))

    def test_atlas_table_says_the_structures(self):
        write_dataset(Path("out"), [], {"A": make_regions()})
        table = read(Path("out/atlas-A_dseg.tsv"))
        described = json.loads(Path("out/atlas-A_dseg.json").read_text())
        assert list(table) == ["index", "name", "structure", "x", "y", "z"] == list(described)[1:]
        structures = dict(zip(table["name"], table["structure"], strict=True))
        assert structures["Mixed"] == "THALAMUS_LEFT,CORTEX_LEFT"
        assert structures["Gone"] == "n/a"

    @pytest.mark.skipif(VALIDATOR is None, reason="bids-validator-deno is not installed")
    @pytest.mark.parametrize("as_voxels", [False, True])
    def test_validator_finds_no_error(self, as_voxels):
        options = {"as_voxels": True} if as_voxels else {"cifti_out": True, "connectivity": "pearson"}
        weights = split_into_points(make_weights()) if as_voxels else make_weights()
        run = SurfaceRun(weights, output_layout="bids", **options)
        run.write()
        write_dataset(Path("out"), [run.plan.run], {"atlas": make_regions()})
        words = [VALIDATOR, "out", "--format", "json"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        issues = json.loads(done.stdout)["issues"]["issues"]
        assert [issue for issue in issues if issue["severity"] == "error"] == []


class TestProvenance:
    def test_columns_of_equal_index_are_told_apart(self):
        columns = json.loads(SurfaceRun(make_weights()).write().sidecar_path.read_text())["Columns"]
        assert columns["L_V1"] == {"Index": 1, "Structure": "CORTEX_LEFT"}
        assert columns["R_V1"] == {"Index": 1, "Structure": "CORTEX_RIGHT"}
        assert list(columns) == list(NAMES)

    def test_columns_of_the_standard_are_by_name(self):
        assert describe_columns("A", make_weights())["R_V1"] == {"Atlas": "A", "ROI": 1}
        assert len(describe_columns("A", make_weights())) == len(NAMES)

    def test_both_files_of_a_pair_are_sources(self):
        paths = (Path("hemi-L.func.gii"), Path("hemi-R.func.gii"))
        for path in paths:
            path.write_text("xyz")
        plan = SurfaceRun(make_weights()).plan
        storage = SurfaceStorage(
            image_path=paths[0], n_points=24, n_volumes=40, hemisphere_paths=paths, n_vertices=(12, 12)
        )
        pair = dataclasses.replace(plan, series=dataclasses.replace(plan.series, storage=storage))
        assert run_sources(pair, None, ("a", "b"))["Image"] == [
            {"Path": "hemi-L.func.gii", "Bytes": 3, "SHA256": "a"},
            {"Path": "hemi-R.func.gii", "Bytes": 3, "SHA256": "b"},
        ]

    def test_one_image_is_one_source(self):
        plan = SurfaceRun(make_weights()).plan
        assert run_sources(plan, None, ("a",))["Image"]["SHA256"] == "a"
