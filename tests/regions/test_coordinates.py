"""Tables of coordinates as people have them: how columns are called and numbers written, names and radii."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from images import make_labels, make_series, save

from niimasker.cli import main
from niimasker.errors import RegionsError
from niimasker.regions.coordinates import read_seeds
from niimasker.regions.loading import load_regions

EXPECTED = [[1, 2, 3], [-4.5, 5, 6]]


def write(folder: Path, text: str, name: str = "seeds.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def load(path: Path, *labels: str, radius: float | None = 5.0):
    (regions,) = load_regions([str(path)], labels=labels, as_voxels=False, radius=radius, atlas_dir=None)
    return regions


def said(path: Path, **options) -> str:
    with pytest.raises(RegionsError) as caught:
        load(path, **options)
    return str(caught.value)


class TestColumns:
    @pytest.mark.parametrize(
        "heading",
        ["{}", "MNI_{}", "mni {}", "{} (mm)", "{}_mm", "{} MNI", "MNI{}", "{}mni", "{}.MNI.mm", "peak {}", "coord_{}"],
    )
    @pytest.mark.parametrize("case", [str.upper, str.lower], ids=["upper", "lower"])
    def test_axes_are_known_however_they_are_spelt(self, tmp_path, heading, case):
        header = ",".join(heading.format(case(axis)) for axis in "zxy")
        seeds = read_seeds(write(tmp_path, f"{header}\n3,1,2\n6,-4.5,5\n"))
        np.testing.assert_allclose(seeds.coordinates, EXPECTED)

    def test_right_anterior_superior_are_x_y_z(self, tmp_path):
        seeds = read_seeds(write(tmp_path, "ROI Label,ROI Name,R,A,S\n1,a,1,2,3\n2,b,-4.5,5,6\n"))
        np.testing.assert_allclose(seeds.coordinates, EXPECTED)

    @pytest.mark.parametrize(
        ("text", "name"),
        [
            ("x;y;z\n1;2;3\n-4,5;5;6\n", "seeds.csv"),
            ("x\ty\tz\n1\t2\t3\n-4,5\t5\t6\n", "seeds.tsv"),
            ("x\ty\tz\n1\t2\t3\n-4.5\t5\t6\n", "seeds.csv"),
            ("x,y,z\n1,2,3\n-4.5,5,6\n", "seeds.tsv"),
            ("x y z\n1 2 3\n-4.5 5 6\n", "seeds.tsv"),
            ("\ufeff# made by hand\nx,y,z,,\n1,2,3,,\n,,,,\n\N{MINUS SIGN}4.5,5,6,,\n", "seeds.csv"),
        ],
        ids=["semicolons", "decimal commas", "tabs in .csv", "commas in .tsv", "white space", "Excel and minus"],
    )
    def test_delimiters_and_numbers_are_read_as_they_are(self, tmp_path, text, name):
        np.testing.assert_allclose(read_seeds(write(tmp_path, text, name)).coordinates, EXPECTED)

    def test_voxels_are_no_coordinates(self, tmp_path):
        path = write(tmp_path, "x_vox,y_vox,z_vox\n1,2,3\n")
        assert said(path) == (f"{path}: no column x, y, z; expected columns x, y, z in mm, found x_vox, y_vox, z_vox.")

    def test_two_sets_of_coordinates_are_refused(self, tmp_path):
        path = write(tmp_path, "x,y,z,MNI_x,MNI_y,MNI_z\n1,2,3,4,5,6\n")
        assert said(path) == (
            f"{path}: coordinates in columns x, y, z and MNI_x, MNI_y, MNI_z; leave in those in mm alone."
        )


class TestNames:
    @pytest.mark.parametrize("heading", ["name", "Label", "ROI Name", "region", "Anatomy"])
    def test_column_of_names_names_the_seeds(self, tmp_path, heading):
        regions = load(write(tmp_path, f"index,{heading},X,Y,Z\n8,PCC,1,2,3\n7,mPFC,4,5,6\n"))
        assert (regions.indices, regions.names) == ((0, 1), ("PCC", "mPFC"))
        assert regions.names_join.words == (
            f"read as a table separated by commas, joined by column {heading}: 0 PCC, 1 mPFC"
        )

    def test_labels_win(self, tmp_path):
        path = write(tmp_path, "name,x,y,z\nPCC,1,2,3\nmPFC,4,5,6\n")
        assert load(path, "a", "b").names == ("a", "b")
        assert load(path, str(path)).names == ("PCC", "mPFC")

    def test_without_a_column_of_names_seeds_are_numbered(self, tmp_path):
        regions = load(write(tmp_path, "hemisphere,x,y,z\nL,1,2,3\nL,4,5,6\n"))
        assert (regions.names, regions.names_join) == (("roi 0", "roi 1"), None)

    def test_own_table_without_names_cannot_be_that_of_the_labels(self, tmp_path):
        path = write(tmp_path, "x,y,z\n1,2,3\n")
        with pytest.raises(RegionsError) as caught:
            load(path, str(path))
        assert str(caught.value) == f"{path}: no column of names; call one of its columns name."

    def test_seed_without_a_name_is_told(self, tmp_path):
        path = write(tmp_path, "name,x,y,z\nPCC,1,2,3\n,4,5,6\n")
        assert said(path) == (
            f"{path}: no name in column name, row 2 (the first row below the header is row 1); give it one."
        )


class TestRadii:
    @pytest.mark.parametrize("heading", ["radius", "Radius (mm)", "sphere_radius", "ROI radius [mm]"])
    def test_column_of_radii_is_not_passed_over(self, tmp_path, heading):
        path = write(tmp_path, f"x,y,z,{heading}\n1,2,3,4\n4,5,6,8\n")
        assert said(path, radius=None) == (
            f"{path}: its column of radii (4, 8 mm) is not used: all spheres have one radius, that of --radius; give "
            "it and remove the column."
        )
        assert said(path, radius=4.0) == (
            f"{path}: its column of radii (4, 8 mm) is not used: all spheres have one radius, that of --radius; remove "
            "the column, which is not 4."
        )

    @pytest.mark.parametrize("heading", ["diameter", "Diameter (mm)", "radius_vox"])
    def test_diameters_and_radii_in_voxels_are_refused(self, tmp_path, heading):
        path = write(tmp_path, f"x,y,z,{heading}\n1,2,3,4\n4,5,6,4\n")
        assert said(path, radius=4.0) == (
            f"{path}: column {heading} is not used: all spheres have one radius, that of --radius, in mm; remove the "
            "column."
        )

    def test_radii_that_are_that_of_the_option_do_no_harm(self, tmp_path):
        assert load(write(tmp_path, "x,y,z,radius\n1,2,3,4\n4,5,6,4.0\n"), radius=4.0).definition.radius == 4


@pytest.fixture
def study(tmp_path, monkeypatch) -> Path:
    """A folder with an image and two seeds near each other."""
    monkeypatch.chdir(tmp_path)
    save(Path("bold.nii"), make_series(make_labels((1, 2, 5))), t_r=2.0)
    write(tmp_path, "name;X;Y;Z\nPCC;0,0;0;5\nmPFC;3;3;10\n")
    return tmp_path


@pytest.mark.usefixtures("study")
class TestCommand:
    def test_names_are_the_columns_and_the_sidecar_says_so(self):
        assert main(["out", "-i", "bold.nii", "-r", "seeds.csv", "--radius", "1", "--no_report"]) == 0
        assert Path("out/bold_timeseries.tsv").read_text().splitlines()[0] == "PCC\tmPFC"
        sources = json.loads(Path("out/bold_timeseries.json").read_text())["Sources"]
        assert sources["Names"] == {
            **sources["Regions"],
            "Format": "a table separated by semicolons",
            "JoinedBy": "column name",
            "FirstNames": "0 PCC, 1 mPFC",
        }

    def test_overlap_speaks_of_names(self, capsys):
        assert main(["out", "-i", "bold.nii", "-r", "seeds.csv", "--radius", "40"]) == 2
        assert "spheres overlap (voxels shared): PCC and mPFC (" in capsys.readouterr().err
