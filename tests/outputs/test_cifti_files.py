"""--cifti_out: signals and matrices as files of parcels that nibabel and Workbench read, with the tables' values."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from images import OBLIQUE, SHAPE, make_labels, make_series, save
from surface_regions import N_VERTICES, NAMES, SPACE, make_regions, make_weights
from surface_runs import IMAGE, N_VOLUMES, T_R, SurfaceRun

from niimasker.cli import main
from niimasker.errors import EXIT_WRONG_USE, SettingsError
from niimasker.inputs.file_states import checksum
from niimasker.inputs.grayordinates import Grayordinates
from niimasker.options.merging import make_settings
from niimasker.outputs.naming import possible_files
from niimasker.regions.definitions import PointMaps
from niimasker.regions.placing.weights import restrict
from niimasker.study.parcels import check_parcels
from niimasker.workflow import extract

WORKBENCH = shutil.which("wb_command")
LEFT, RIGHT = "CIFTI_STRUCTURE_CORTEX_LEFT", "CIFTI_STRUCTURE_CORTEX_RIGHT"
# Of the volumes from 1 on, 3 and 4 have no row.
CENSORED = {"discard_scans": 1, "censor_file": "censor.txt"}

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> None:
    """The current folder, with a file that censors volumes 3 and 4."""
    monkeypatch.chdir(tmp_path)
    Path("censor.txt").write_text("".join("1\n" if row in (3, 4) else "0\n" for row in range(N_VOLUMES)))


def write(weights=None, **options):
    """Write a run with its CIFTI files, and return their paths."""
    return SurfaceRun(make_weights() if weights is None else weights, cifti_out=True, **options).write()


def read_table(path: Path) -> np.ndarray:
    return pd.read_csv(path, sep="\t", na_values="n/a").to_numpy(dtype=float)


def read_relmat(path: Path) -> np.ndarray:
    return pd.read_csv(path, sep="\t", na_values="n/a", index_col=0).to_numpy(dtype=float)


def axes_of(path: Path):
    """Return the axes of a CIFTI file: rows, then columns."""
    header = nib.load(path).header
    return header.get_axis(0), header.get_axis(1)


def values_of(path: Path) -> np.ndarray:
    img = nib.load(path)
    assert img.get_data_dtype() == np.float32
    return img.get_fdata()


def workbench(*words: str | Path) -> str:
    """Return what wb_command prints."""
    return subprocess.run([WORKBENCH, *map(str, words)], check=True, capture_output=True, text=True).stdout


class TestSignals:
    def test_values_are_those_of_the_table(self):
        tables = write()
        values = values_of(tables.ptseries_path)
        assert values.shape == (N_VOLUMES, len(NAMES))
        np.testing.assert_allclose(values, read_table(tables.signals_path), rtol=1e-7)

    def test_file_says_what_it_is(self):
        header = nib.load(write().ptseries_path).nifti_header
        assert header.get_intent()[0] == "ConnParcelSries"
        assert header.get_xyzt_units() == ("mm", "sec")

    def test_parcels_are_the_columns(self):
        _, parcels = axes_of(write().ptseries_path)
        assert parcels.name.tolist() == list(NAMES)

    def test_parcels_hold_the_points_of_their_regions(self):
        _, parcels = axes_of(write().ptseries_path)
        vertices = [{name: numbers.tolist() for name, numbers in each.items()} for each in parcels.vertices]
        assert vertices == [{LEFT: [1, 4]}, {RIGHT: [3, 11]}, {}, {}, {LEFT: [7]}]
        assert [voxels.tolist() for voxels in parcels.voxels] == [[], [], [[4, 5, 6], [4, 5, 7]], [], [[2, 2, 3]]]

    def test_meshes_and_grid_are_the_images(self):
        _, parcels = axes_of(write().ptseries_path)
        assert parcels.nvertices == {LEFT: N_VERTICES, RIGHT: N_VERTICES}
        assert parcels.volume_shape == SHAPE
        np.testing.assert_allclose(parcels.affine, OBLIQUE)

    def test_region_without_points_keeps_its_place(self):
        tables = write()
        _, parcels = axes_of(tables.ptseries_path)
        position = NAMES.index("Gone")
        assert not parcels.vertices[position]
        assert len(parcels.voxels[position]) == 0
        assert np.isnan(values_of(tables.ptseries_path)[:, position]).all()

    def test_points_outside_the_mask_are_no_members(self):
        is_used = np.ones(SPACE.n_points, dtype=bool)
        is_used[[12, 17, 18]] = False
        _, parcels = axes_of(write(restrict(make_weights(), is_used)).ptseries_path)
        assert parcels["L_V1"][1] == {LEFT: [1]}
        assert len(parcels["Stem"][0]) == 0

    def test_hemisphere_alone_has_no_volume(self):
        space = Grayordinates(SPACE.models[:1])
        _, parcels = axes_of(write(make_weights(space, ("R_V1",))).ptseries_path)
        assert parcels.nvertices == {RIGHT: N_VERTICES}
        assert parcels.affine is None
        assert parcels["R_V1"][1][RIGHT].tolist() == [3, 11]

    def test_names_of_any_script_are_kept(self):
        names = ('a "b" <c> & d', "額葉", "it's")
        weights = dataclasses.replace(make_weights(names=NAMES[:3]), names=names)
        assert axes_of(write(weights).ptseries_path)[1].name.tolist() == list(names)

    def test_the_same_run_gives_the_same_bytes(self):
        first = write().ptseries_path.read_bytes()
        assert write().ptseries_path.read_bytes() == first

    def test_points_are_in_the_same_order_whatever_that_of_the_image(self):
        voxels = SPACE.models[3].voxels[::-1]
        turned = Grayordinates((*SPACE.models[:3], dataclasses.replace(SPACE.models[3], voxels=voxels)), SPACE.grid)
        first = write(make_weights(turned)).ptseries_path.read_bytes()
        assert write().ptseries_path.read_bytes() == first


class TestRealData:
    """A real run and atlas against the file that wb_command -cifti-parcellate made of them."""

    @pytest.fixture
    def tables(self, data_dir):
        surfaces = data_dir / "surfaces"
        atlas = "tian/Schaefer2018_100Parcels_7Networks_order_Tian_Subcortex_S1.dlabel.nii"
        (outcome,) = extract(
            "out",
            input_files=str(surfaces / "cifti_jl/test.dtseries.nii"),
            roi_file=str(surfaces / atlas),
            cifti_out=True,
            no_report=True,
        )
        return outcome.tables[0]

    @pytest.fixture
    def expected(self, data_dir):
        return data_dir / "surfaces/workbench/test_atlas-Schaefer100Tian.ptseries.nii"

    def test_parcels_and_times_are_workbenchs(self, tables, expected):
        for axis, other in zip(axes_of(tables.ptseries_path), axes_of(expected), strict=True):
            assert axis == other

    def test_values_are_workbenchs(self, tables, expected):
        np.testing.assert_allclose(values_of(tables.ptseries_path), values_of(expected), rtol=1e-6, atol=1e-7)


class TestTimes:
    def test_rows_are_a_repetition_time_apart(self):
        times, _ = axes_of(write().ptseries_path)
        assert (times.start, times.step, times.size, times.unit) == (0.0, T_R, N_VOLUMES, "SECOND")

    def test_first_row_is_after_discarded_volumes(self):
        tables = write(discard_scans=2)
        times, _ = axes_of(tables.ptseries_path)
        assert (times.start, times.size) == (pytest.approx(2 * T_R), N_VOLUMES - 2)
        assert times.start == json.loads(tables.sidecar_path.read_text())["StartTime"]

    def test_unknown_repetition_time_is_0(self):
        times, _ = axes_of(write(t_r=None).ptseries_path)
        assert (times.start, times.step, times.size) == (0.0, 0.0, N_VOLUMES)

    def test_censored_volumes_have_no_row(self):
        tables = write(**CENSORED)
        values = values_of(tables.ptseries_path)
        assert len(values) == N_VOLUMES - 3
        np.testing.assert_allclose(values, read_table(tables.signals_path), rtol=1e-7)

    def test_censored_volumes_are_nan_where_the_table_has_na(self):
        tables = write(**CENSORED, censored="nan")
        values = values_of(tables.ptseries_path)
        np.testing.assert_allclose(values, read_table(tables.signals_path), rtol=1e-7)
        assert np.flatnonzero(np.isnan(values).all(axis=1)).tolist() == [2, 3]


class TestMatrices:
    KINDS = ("pearson", "covariance")

    def test_there_is_one_for_each_kind_with_the_values_of_its_table(self):
        tables = write(connectivity=self.KINDS)
        assert len(tables.pconn_paths) == len(self.KINDS)
        for path, relmat_path in zip(tables.pconn_paths, tables.relmat_paths, strict=True):
            np.testing.assert_allclose(values_of(path), read_relmat(relmat_path), rtol=1e-6)

    def test_rows_and_columns_are_the_parcels_of_the_signals(self):
        tables = write(connectivity="pearson")
        parcels = axes_of(tables.ptseries_path)[1]
        rows, columns = axes_of(tables.pconn_paths[0])
        assert rows == columns == parcels
        assert nib.load(tables.pconn_paths[0]).nifti_header.get_intent()[0] == "ConnParcels"


class TestFiles:
    def test_names_are_those_of_the_tables(self):
        tables = write(connectivity="partial_correlation")
        assert tables.ptseries_path == Path(f"out/{IMAGE}_timeseries.ptseries.nii")
        assert tables.pconn_paths == (Path(f"out/{IMAGE}_connectivity-partialcorrelation_relmat.pconn.nii"),)

    def test_names_in_a_bids_derivative_are_those_of_xcp_d(self):
        tables = write(connectivity="pearson", output_layout="bids", atlas_name="A")
        folder = Path("out/sub-01/func")
        stem = "sub-01_task-rest_space-fsLR_atlas-A_den-91k_stat"
        assert tables.ptseries_path == folder / f"{stem}-mean_timeseries.ptseries.nii"
        assert tables.pconn_paths == (folder / f"{stem}-pearsoncorrelation_relmat.pconn.nii",)
        assert tables.ptseries_path.is_file()

    def test_nothing_is_written_without_the_option(self):
        tables = SurfaceRun(make_weights(), connectivity="pearson").write()
        assert tables.ptseries_path is None
        assert tables.pconn_paths == ()
        assert list(Path("out").glob("*.nii")) == []

    def test_json_file_vouches_for_them(self):
        tables = write(connectivity="pearson")
        files = json.loads(tables.sidecar_path.read_text())["Files"]
        for path in (tables.ptseries_path, *tables.pconn_paths):
            assert files[path.name] == {"Bytes": path.stat().st_size, "SHA256": checksum(path)}

    @pytest.mark.parametrize("layout", ["flat", "bids"])
    def test_they_are_among_the_files_that_a_run_may_have_written(self, layout):
        tables = write(connectivity="pearson", output_layout=layout)
        settings = make_settings(
            {"output_dir": "out", "input_files": "a.nii", "roi_file": "atlas.nii", "output_layout": layout}
        )
        stem = f"sub-01/func/{IMAGE.removesuffix('_bold')}" if layout == "bids" else IMAGE
        assert {tables.ptseries_path, *tables.pconn_paths} <= set(possible_files(settings, stem, ["atlas"]))

    @pytest.mark.parametrize("change", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x")])
    @pytest.mark.parametrize("which", ["ptseries_path", "pconn_paths"])
    def test_run_that_lacks_one_is_done_again(self, which, change):
        run = SurfaceRun(make_weights(), cifti_out=True, connectivity="pearson")
        path = getattr(run.write(), which)
        assert run.find_again() is not None
        change(path if which == "ptseries_path" else path[0])
        assert run.find_again() is None

    def test_run_that_was_done_without_them_is_done_again(self):
        SurfaceRun(make_weights()).write()
        assert SurfaceRun(make_weights(), cifti_out=True).find_again() is None

    def test_run_without_them_removes_those_of_before(self):
        write(connectivity="pearson")
        SurfaceRun(make_weights()).write()
        assert list(Path("out").glob("*.nii")) == []


class TestRefusal:
    def check(self, space, *atlases):
        """Check a run on a space."""
        run = SurfaceRun(make_weights(space), cifti_out=True)
        check_parcels(atlases, run.plan.series, run.settings)

    def test_parcels_are_accepted(self):
        self.check(SPACE, make_regions())

    def test_maps_are_refused(self):
        maps = PointMaps(np.ones((SPACE.n_points, 2)), SPACE)
        regions = dataclasses.replace(make_regions(NAMES[:2]), definition=maps, source="a.dscalar.nii")
        with pytest.raises(SettingsError, match=r"--cifti_out: a\.dscalar\.nii holds maps.* or give a parcellation"):
            self.check(SPACE, regions)

    def test_weights_of_one_region_are_accepted(self):
        maps = PointMaps(np.ones((SPACE.n_points, 1)), SPACE, are_weights=True)
        self.check(SPACE, dataclasses.replace(make_regions(NAMES[:1]), definition=maps))

    def test_mesh_without_a_name_in_the_standard_is_refused(self):
        model = dataclasses.replace(SPACE.models[0], structure="HIPPOCAMPAL_DENTATE")
        with pytest.raises(SettingsError, match="has a surface HIPPOCAMPAL_DENTATE, which is no structure"):
            self.check(Grayordinates((model,)))

    def test_volume_is_refused_before_anything_is_written(self, capsys):
        save(Path("a_bold.nii"), make_series(make_labels()))
        save(Path("atlas.nii"), make_labels())
        assert main(["out", "-i", "a_bold.nii", "-r", "atlas.nii", "--cifti_out"]) == EXIT_WRONG_USE
        said = capsys.readouterr().err
        assert "--cifti_out: a_bold.nii is a volume" in said
        assert "leave --cifti_out out" in said
        assert not Path("out").exists()

    def test_single_points_are_refused(self):
        options = {"output_dir": "out", "input_files": "a.nii", "roi_file": "b.nii"}
        with pytest.raises(SettingsError, match="--cifti_out cannot be combined with --as_voxels"):
            make_settings({**options, "cifti_out": True, "as_voxels": True})


@pytest.mark.skipif(WORKBENCH is None, reason="wb_command is not installed")
class TestWorkbench:
    def test_signals_are_a_parcel_series(self):
        said = workbench("-file-information", write(discard_scans=1).ptseries_path)
        assert re.search(r"^Type: +CIFTI - Parcel Series$", said, re.MULTILINE)
        assert re.search(rf"^Number of Rows: +{len(NAMES)}$", said, re.MULTILINE)
        assert re.search(rf"^Map Interval Start: +{T_R:.3f}$", said, re.MULTILINE)
        assert re.search(rf"^Map Interval Step: +{T_R:.3f}$", said, re.MULTILINE)
        assert re.findall(r"Parcel \d: +(\S+)", said) == list(NAMES)

    def test_matrix_is_of_parcels(self):
        said = workbench("-file-information", write(connectivity="pearson").pconn_paths[0])
        assert re.search(r"^Type: +CIFTI - Parcel$", said, re.MULTILINE)

    def test_unknown_repetition_time_is_read(self):
        said = workbench("-file-information", write(t_r=None).ptseries_path)
        assert re.search(r"Step: +0\.000$", said, re.MULTILINE)

    def test_values_are_read(self):
        tables = write(connectivity="pearson")
        for path, expected in (
            (tables.ptseries_path, read_table(tables.signals_path).T),
            (tables.pconn_paths[0], read_relmat(tables.relmat_paths[0])),
        ):
            workbench("-cifti-convert", "-to-text", path, "values.txt")
            np.testing.assert_allclose(np.loadtxt("values.txt", delimiter="\t"), expected, rtol=1e-5)

    def test_correlations_of_the_signals_are_those_of_the_matrix(self):
        tables = write(make_weights(names=("L_V1", "R_V1", "Stem", "Mixed")), connectivity="pearson")
        workbench("-cifti-correlation", tables.ptseries_path, "correlation.pconn.nii")
        np.testing.assert_allclose(
            values_of(Path("correlation.pconn.nii")), values_of(tables.pconn_paths[0]), atol=1e-5
        )
