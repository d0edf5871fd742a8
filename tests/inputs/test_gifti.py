"""GIFTI files: the same numbers as nibabel, whatever program wrote them."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import time
import zlib
from itertools import product
from pathlib import Path

import nibabel as nib
import nilearn.datasets
import numpy as np
import pytest
from gifti_files import ASCII, BASE64, ENCODINGS, EXTERNAL, GZIP, ArrayText, save_gifti, save_series, write_document

from niimasker.inputs.gifti.files import read_gifti, read_gifti_header, read_mesh

TYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]
N_VERTICES, N_MAPS = 42, 5
VALUES = np.random.default_rng(0).integers(0, 128, (N_MAPS, N_VERTICES))
REALS = np.random.default_rng(1).normal(1e3, 30, (N_MAPS, N_VERTICES)).astype(np.float32)
NIBABEL_FILES = Path(nib.__file__).parent / "gifti/tests/data"
NILEARN_FILES = Path(nilearn.datasets.__file__).parent / "data/fsaverage5"
SURFACES = Path(os.environ.get("NIIMASKER_DATA", "no such folder")) / "surfaces"
REAL_FILES = sorted([*SURFACES.rglob("*.gii"), *NIBABEL_FILES.glob("*.gii*"), *NILEARN_FILES.glob("*.gii.gz")])
# Their triangles name vertices that have been cut away to make the files small.
CUT_MESHES = {"ascii_flat_data.gii", "base64bin.gii"}


def load_columns(path):
    """Return what nibabel reads, of shape (n_vertices, n_maps)."""
    arrays = [array.data for array in nib.load(path).darrays]
    return np.concatenate([array.reshape(len(array), -1) for array in arrays], axis=1)


def check(path):
    """Compare a file with nibabel, bit by bit."""
    expected, found = load_columns(path), read_gifti(path).values
    assert found.dtype == expected.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, expected)
    return found


class TestSameNumbers:
    @pytest.mark.parametrize(("encoding", "byte_order", "code"), [*product(ENCODINGS, "<>", TYPES)])
    def test_every_encoding_byte_order_and_type_reads_alike(self, tmp_path, encoding, byte_order, code):
        values = VALUES.astype(code)
        path = save_series(tmp_path / "map.gii", values, encoding=encoding, byte_order=byte_order)
        np.testing.assert_array_equal(check(path), values.T)

    @pytest.mark.parametrize(
        ("encoding", "byte_order", "index_order", "code"), [*product(ENCODINGS, "<>", "CF", ["u1", "i4", "f4"])]
    )
    def test_one_array_with_two_axes_reads_alike(self, tmp_path, encoding, byte_order, index_order, code):
        array = ArrayText(
            VALUES.T.astype(code),
            encoding=encoding,
            byte_order=byte_order,
            index_order=index_order,
            external_name="values.dat",
        )
        path = save_gifti(tmp_path / "map.gii", [array])
        np.testing.assert_array_equal(check(path), VALUES.T)
        header = read_gifti_header(path)
        assert (header.n_vertices, header.n_volumes) == (N_VERTICES, N_MAPS)

    @pytest.mark.parametrize("encoding", ["GIFTI_ENCODING_ASCII", "GIFTI_ENCODING_B64BIN", "GIFTI_ENCODING_B64GZ"])
    @pytest.mark.parametrize("index_order", "CF")
    @pytest.mark.parametrize("code", ["u1", "i4", "f4"])
    def test_what_nibabel_writes_reads_alike(self, tmp_path, encoding, index_order, code):
        values = (REALS if code == "f4" else VALUES).astype(code)
        arrays = [
            nib.gifti.GiftiDataArray(row, encoding=encoding, ordering=index_order, meta={"Name": f"map {number}"})
            for number, row in enumerate(values)
        ]
        path = tmp_path / "map.gii"
        nib.save(nib.GiftiImage(darrays=arrays), path)
        check(path)
        assert read_gifti(path).names == tuple(f"map {number}" for number in range(N_MAPS))

    @pytest.mark.parametrize("ending", [".gii.gz", ".gii.bz2"])
    def test_compressed_file_reads_alike(self, tmp_path, ending):
        path = tmp_path / f"map{ending}"
        nib.save(nib.GiftiImage(darrays=[nib.gifti.GiftiDataArray(row) for row in REALS]), path)
        check(path)
        assert read_gifti_header(path).n_volumes == N_MAPS

    def test_axes_of_one_are_no_axes(self, tmp_path):
        arrays = [ArrayText(row[:, np.newaxis]) for row in REALS]
        path = save_gifti(tmp_path / "map.gii", arrays)
        np.testing.assert_array_equal(check(path), REALS.T)
        assert read_gifti_header(path).n_volumes == N_MAPS

    def test_reals_in_ascii_read_alike(self, tmp_path):
        extremes = np.array([np.nan, np.inf, -np.inf, 0.1, -0.0, 1e-45, 3.4e38, 16777217], dtype=np.float32)
        check(save_series(tmp_path / "map.gii", extremes[np.newaxis], encoding=ASCII))
        path = save_gifti(
            tmp_path / "more.gii", [ArrayText(extremes, encoding=ASCII, text=" 1e40\t-1E40 nan 7 0.1 1 2 3 ")]
        )
        check(path)

    @pytest.mark.parametrize("encoding", [ASCII, BASE64, GZIP])
    @pytest.mark.parametrize(
        "change",
        [
            lambda text: f"\n   {text}\n\t",
            lambda text: f"<![CDATA[{text}]]>",
            lambda text: f"{text[:20]}<![CDATA[{text[20:]}]]>",
            lambda text: f"&#10;{text}",
            lambda text: f"<!-- <Data>1 2 3</Data> -->{text}",
            lambda text: f"<?note <Data> ?>{text}",
        ],
        ids=["indented", "CDATA", "half CDATA", "reference", "comment", "instruction"],
    )
    def test_text_may_be_marked_up_in_every_way_that_xml_has(self, tmp_path, encoding, change):
        texts = [ArrayText(row, encoding=encoding).encode() for row in VALUES.astype("i4")]
        arrays = [ArrayText(VALUES[0].astype("i4"), encoding=encoding, text=change(text)) for text in texts]
        path = save_gifti(tmp_path / "map.gii", arrays)
        np.testing.assert_array_equal(read_gifti(path).values, VALUES.T)

    @pytest.mark.parametrize("encoding", [BASE64, GZIP])
    def test_base64_may_be_broken_into_lines(self, tmp_path, encoding):
        texts = [ArrayText(row, encoding=encoding).encode() for row in REALS]
        lines = ["\r\n".join(text[place : place + 76] for place in range(0, len(text), 76)) for text in texts]
        arrays = [ArrayText(row, encoding=encoding, text=text) for row, text in zip(REALS, lines, strict=True)]
        np.testing.assert_array_equal(check(save_gifti(tmp_path / "map.gii", arrays)), REALS.T)

    def test_values_compressed_as_gzip_rather_than_zlib_read_too(self, tmp_path):
        array = ArrayText(REALS[0], encoding=BASE64)
        compressed = ArrayText(np.frombuffer(gzip.compress(array.content), "u1"), encoding=BASE64).encode()
        path = save_gifti(tmp_path / "map.gii", [ArrayText(REALS[0], text=compressed)])
        np.testing.assert_array_equal(read_gifti(path).values[:, 0], REALS[0])

    @pytest.mark.parametrize("level", range(10))
    def test_every_level_of_compression_reads_alike(self, tmp_path, level):
        content = zlib.compress(REALS[0].tobytes(), level)
        text = ArrayText(np.frombuffer(content, "u1"), encoding=BASE64).encode()
        check(save_gifti(tmp_path / "map.gii", [ArrayText(REALS[0], text=text)]))

    def test_external_arrays_lie_at_their_offsets_beside_the_file(self, tmp_path):
        folder = tmp_path / "folder"
        folder.mkdir()
        save_series(folder / "map.gii", REALS, encoding=EXTERNAL, external_name="values.dat")
        content = (folder / "values.dat").read_bytes()
        assert len(content) == REALS.nbytes
        np.testing.assert_array_equal(read_gifti(folder / "map.gii").values, REALS.T)

    @pytest.mark.parametrize("data", ["<Data></Data>", "<Data/>", "<Data />", ""])
    def test_external_arrays_need_no_text(self, tmp_path, data):
        path = save_series(tmp_path / "map.gii", REALS, encoding=EXTERNAL)
        path.write_text(path.read_text().replace("<Data></Data>", data))
        np.testing.assert_array_equal(read_gifti(path).values, REALS.T)
        assert read_gifti_header(path).n_volumes == N_MAPS


@pytest.mark.parametrize("path", REAL_FILES, ids=lambda path: path.name)
def test_real_files_read_alike(path):
    img = nib.load(path)
    if img.darrays[0].intent != nib.nifti1.intent_codes["pointset"]:
        check(path)
        data = read_gifti(path)
        assert (data.labels or {}) == img.labeltable.get_labels_as_dict()
        assert data.names == tuple(array.meta.get("Name", "") for array in img.darrays)
    elif path.name not in CUT_MESHES:
        mesh = read_mesh(path)
        np.testing.assert_array_equal(mesh.coordinates, img.darrays[0].data)
        np.testing.assert_array_equal(mesh.triangles, img.darrays[1].data)


class TestHeader:
    def test_header_says_what_the_file_holds(self, tmp_path):
        path = save_series(tmp_path / "map.gii", REALS, structure="CortexLeft", byte_order=">")
        header = read_gifti_header(path)
        assert header.path == path
        assert (header.n_vertices, header.n_volumes) == (N_VERTICES, N_MAPS)
        assert (header.structure, header.intent) == ("CORTEX_LEFT", "TIME_SERIES")

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("2000.000000", 2.0),  # FreeSurfer: milliseconds
            ("720", 0.72),
            ("2.0", 2.0),  # AFNI: seconds
            ("0.8", 0.8),
            ("50", 0.05),
            ("20", 20.0),
            ("0.000000", None),
            ("0", None),
            ("-2", None),
            ("30", None),
            ("2000000", None),
            ("nan", None),
            ("inf", None),
            ("two", None),
            ("", None),
        ],
    )
    @pytest.mark.parametrize("place", ["file", "array"])
    def test_time_step_is_in_the_unit_that_makes_it_plausible(self, tmp_path, text, expected, place):
        step = {"TimeStep": text}
        arrays = [ArrayText(row, metadata=step if place == "array" else {}) for row in REALS]
        path = save_gifti(tmp_path / "map.gii", arrays, metadata=step if place == "file" else {})
        assert read_gifti_header(path).t_r == expected

    def test_file_without_a_time_step_has_none(self, tmp_path):
        assert read_gifti_header(save_series(tmp_path / "map.gii", REALS)).t_r is None

    def test_header_of_a_long_run_takes_no_time(self, tmp_path):
        # A run of 200 MB, of which only the beginning is there.
        n_vertices, n_volumes = 163842, 400
        array = ArrayText(np.zeros(n_vertices, np.float32), encoding=BASE64)
        head, tail = write_document([array], n_arrays=n_volumes).split(b"</DataArray>")
        path = tmp_path / "map.gii"
        with path.open("wb") as file:
            file.write(head)
            file.seek(n_volumes * array.values.nbytes * 4 // 3 + 2**20)
            file.write(tail)
        start = time.perf_counter()
        assert read_gifti_header(path).n_volumes == n_volumes
        assert time.perf_counter() - start < 0.5


class TestData:
    def test_labels_are_named_by_key_in_any_order(self, tmp_path):
        labels = {0: "???", 7: "second", 3: "first", -1: "none"}
        array = ArrayText(np.array([0, 3, 7, -1], np.int32), intent="LABEL", metadata={"Name": "parcels"})
        data = read_gifti(save_gifti(tmp_path / "atlas.label.gii", [array], labels=labels, structure="CortexRight"))
        assert data.labels == labels
        assert (data.names, data.intents, data.structure) == (("parcels",), ("LABEL",), "CORTEX_RIGHT")

    def test_characters_of_names_are_read_as_they_are(self, tmp_path):
        labels = {1: "Frontal & <Sup>", 2: "Région 2", 3: "島", 4: "  spaces  "}
        array = ArrayText(np.arange(4, dtype=np.int32), intent="LABEL")
        path = save_gifti(tmp_path / "atlas.label.gii", [array], labels=labels)
        assert read_gifti(path).labels == {**labels, 4: "spaces"}
        assert read_gifti(path).labels == nib.load(path).labeltable.get_labels_as_dict()

    def test_escaped_characters_of_names_are_read(self, tmp_path):
        path = save_gifti(tmp_path / "atlas.gii", [ArrayText(REALS[0])], labels={1: "A"})
        path.write_text(path.read_text().replace("<![CDATA[A]]>", "A &amp; B&#233;"))
        assert read_gifti(path).labels == {1: "A & Bé"}

    def test_file_without_a_table_has_no_labels(self, tmp_path):
        assert read_gifti(save_series(tmp_path / "map.gii", REALS)).labels is None

    def test_maps_of_different_types_are_read_as_one_type(self, tmp_path):
        path = save_gifti(tmp_path / "map.gii", [ArrayText(VALUES[0].astype("u1")), ArrayText(REALS[0])])
        values = read_gifti(path).values
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, np.stack([VALUES[0], REALS[0]], axis=1))

    def test_columns_of_one_array_have_no_names(self, tmp_path):
        path = save_gifti(tmp_path / "map.gii", [ArrayText(REALS.T, metadata={"Name": "all"})])
        assert read_gifti(path).names == ("",) * N_MAPS

    def test_structure_of_an_array_counts_where_the_file_gives_none(self, tmp_path):
        array = ArrayText(REALS[0], metadata={"AnatomicalStructurePrimary": "CortexLeft"})
        assert read_gifti(save_gifti(tmp_path / "map.gii", [array])).structure == "CORTEX_LEFT"

    def test_metadata_that_look_like_data_are_none(self, tmp_path):
        path = save_series(tmp_path / "map.gii", REALS, structure="CortexLeft")
        note = "<MD><Name>Provenance</Name><Value><![CDATA[<Data>AAAA</Data><DataArray>]]></Value></MD>"
        path.write_text(
            path.read_text().replace("<MetaData>", f"<MetaData>{note}").replace("<MD>", "<!-- <Data> --><MD>")
        )
        np.testing.assert_array_equal(read_gifti(path).values, REALS.T)


POINTS = np.random.default_rng(2).normal(0, 50, (6, 3)).astype(np.float32)
TRIANGLES = np.array([[0, 1, 2], [2, 1, 3], [5, 4, 3]], np.int32)


def save_mesh(path, points=POINTS, triangles=TRIANGLES, **options):
    arrays = [ArrayText(points, intent="POINTSET", **options), ArrayText(triangles, intent="TRIANGLE", **options)]
    arrays[0].metadata = {"AnatomicalStructurePrimary": "CortexRight"}
    return save_gifti(path, arrays)


class TestMesh:
    @pytest.mark.parametrize(("encoding", "byte_order", "index_order"), [*product([ASCII, BASE64, GZIP], "<>", "CF")])
    def test_points_and_triangles_read_alike(self, tmp_path, encoding, byte_order, index_order):
        options = {"encoding": encoding, "byte_order": byte_order, "index_order": index_order}
        path = save_mesh(tmp_path / "lh.surf.gii", **options)
        mesh = read_mesh(path)
        points, triangles = nib.load(path).agg_data(("pointset", "triangle"))
        assert (mesh.coordinates.dtype, mesh.structure) == (np.float64, "CORTEX_RIGHT")
        np.testing.assert_array_equal(mesh.coordinates, points)
        np.testing.assert_array_equal(mesh.triangles, triangles)

    def test_matrix_to_another_space_is_not_applied(self, tmp_path):
        system = nib.gifti.GiftiCoordSystem(0, 3, np.array([[1.0, 0, 0, 9], [0, 1, 0, 8], [0, 0, 1, 7], [0, 0, 0, 1]]))
        points = nib.gifti.GiftiDataArray(POINTS, intent="pointset", coordsys=system)
        triangles = nib.gifti.GiftiDataArray(TRIANGLES, intent="triangle")
        path = tmp_path / "lh.surf.gii"
        nib.save(nib.GiftiImage(darrays=[points, triangles]), path)
        np.testing.assert_array_equal(read_mesh(path).coordinates, POINTS)
        if shutil.which("wb_command"):
            subprocess.run(
                ["wb_command", "-surface-coordinates-to-metric", path, tmp_path / "out.func.gii"], check=True
            )
            np.testing.assert_array_equal(read_gifti(tmp_path / "out.func.gii").values, POINTS)
