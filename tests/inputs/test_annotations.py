"""FreeSurfer's annotations: the same regions as nibabel reads, and the right names where the table has gaps."""

from __future__ import annotations

import struct

import nibabel.freesurfer as freesurfer
import numpy as np
import pytest

from niimasker.errors import BrokenImageError, ImageError, NiimaskerWarning
from niimasker.inputs.surfaces.annotations import read_annotation

COLORS = np.array([[25, 5, 25, 0], [100, 40, 25, 0], [25, 100, 40, 0], [0, 0, 200, 0]])
NAMES = ["unknown", "bankssts", "caudalmiddlefrontal", "cuneus"]
INDICES = np.array([0, 1, -1, 3, 3, 2, -1, 0, 1, 1])


def pack(colors):
    return colors[:, 0] + (colors[:, 1] << 8) + (colors[:, 2] << 16)


def number(*values):
    return struct.pack(f">{len(values)}i", *values)


def text(word):
    content = word.encode() + b"\0"
    return number(len(content)) + content


def write_vertices(annotations, vertices=None):
    vertices = np.arange(len(annotations)) if vertices is None else vertices
    return number(len(annotations)) + np.stack([vertices, annotations], axis=1).astype(">i4").tobytes()


def write_table(places=(0, 1, 2, 3), names=NAMES, colors=COLORS, *, is_old=False):
    entries = b"".join(
        (b"" if is_old else number(place)) + text(name) + number(*map(int, color))
        for place, name, color in zip(places, names, colors, strict=True)
    )
    if is_old:
        return number(1, len(names)) + text("table.txt") + entries
    return number(1, -2, max(places) + 1) + text("table.txt") + number(len(names)) + entries


def save(path, annotations=None, table=None, **options):
    annotations = np.where(INDICES < 0, 0, pack(COLORS)[INDICES]) if annotations is None else annotations
    path.write_bytes(write_vertices(annotations, **options) + (write_table() if table is None else table))
    return path


def check(path):
    """Compare an annotation with nibabel."""
    expected, _, names = freesurfer.read_annot(path)
    data = read_annotation(path)
    assert (data.values.shape, data.values.dtype) == ((len(expected), 1), np.int32)
    np.testing.assert_array_equal(data.values[:, 0], expected)
    assert data.labels == dict(enumerate(name.decode() for name in names))
    assert (data.intents, data.structure, data.path) == (("LABEL",), None, path)


def reason_of(path):
    with pytest.raises(BrokenImageError) as caught:
        read_annotation(path)
    start, way_out = f"{path}: cannot be read as a FreeSurfer annotation (", "); fetch or make it again."
    message = str(caught.value)
    assert message.startswith(start)
    assert message.endswith(way_out)
    return message[len(start) : -len(way_out)]


class TestSameRegions:
    @pytest.mark.parametrize("is_old", [True, False])
    def test_both_versions_of_the_table_read_alike(self, tmp_path, is_old):
        path = save(tmp_path / "lh.aparc.annot", table=write_table(is_old=is_old))
        check(path)
        np.testing.assert_array_equal(read_annotation(path).values[:, 0], INDICES)

    @pytest.mark.parametrize(
        "name",
        [
            "nixtract/lh.Schaefer2018_100Parcels_7Networks_order.annot",
            "nixtract/rh.Schaefer2018_100Parcels_7Networks_order.annot",
            "gifti_kinds/aparc_fsaverage5_left.annot",
        ],
    )
    def test_real_annotations_read_alike(self, data_dir, name):
        check(data_dir / "surfaces" / name)

    def test_what_nibabel_writes_reads_alike(self, tmp_path):
        path = tmp_path / "rh.test.annot"
        freesurfer.write_annot(path, INDICES, COLORS, NAMES, fill_ctab=True)
        check(path)


class TestTable:
    def test_entries_left_out_shift_no_name(self, tmp_path):
        # nibabel's names are those of the entries that are there, so that they no longer fit its indices.
        path = save(tmp_path / "lh.annot", table=write_table(places=(0, 1, 5, 9)))
        data = read_annotation(path)
        assert data.labels == {0: "unknown", 1: "bankssts", 5: "caudalmiddlefrontal", 9: "cuneus"}
        assert data.values[:, 0].tolist() == [0, 1, -1, 9, 9, 5, -1, 0, 1, 1]

    def test_entries_in_another_order_keep_their_indices(self, tmp_path):
        data = read_annotation(save(tmp_path / "lh.annot", table=write_table(places=(3, 2, 1, 0))))
        assert data.labels == {0: "cuneus", 1: "caudalmiddlefrontal", 2: "bankssts", 3: "unknown"}
        assert list(data.labels) == [0, 1, 2, 3]
        assert data.values[:, 0].tolist() == [3, 2, -1, 0, 0, 1, -1, 3, 2, 2]

    def test_color_that_the_table_does_not_have_is_no_region(self, tmp_path):
        # nibabel gives such a vertex the region of the next higher color.
        annotations = np.where(INDICES < 0, 0, pack(COLORS)[INDICES])
        annotations[[0, 4]] = 12345
        path = save(tmp_path / "lh.annot", annotations)
        with pytest.warns(NiimaskerWarning, match=r"a color that its table of regions does not have: 2; they are left"):
            data = read_annotation(path)
        assert data.values[:, 0].tolist() == [-1, 1, -1, 3, -1, 2, -1, 0, 1, 1]

    def test_first_of_two_regions_of_one_color_has_its_vertices(self, tmp_path):
        table = write_table(colors=COLORS[[0, 1, 1, 3]])
        data = read_annotation(save(tmp_path / "lh.annot", np.full(10, pack(COLORS)[1]), table))
        assert data.values[:, 0].tolist() == [1] * 10

    def test_vertices_may_stand_in_any_order(self, tmp_path):
        vertices = np.random.default_rng(0).permutation(10)
        annotations = np.where(INDICES < 0, 0, pack(COLORS)[INDICES])
        path = save(tmp_path / "lh.annot", annotations[vertices], vertices=vertices)
        np.testing.assert_array_equal(read_annotation(path).values[:, 0], INDICES)

    def test_names_are_read_as_utf_8(self, tmp_path):
        path = save(tmp_path / "lh.annot", table=write_table(names=["unknown", "Région", "島", ""]))
        assert list(read_annotation(path).labels.values()) == ["unknown", "Région", "島", ""]


class TestRefusals:
    def test_missing_file_is_named(self, tmp_path):
        with pytest.raises(ImageError, match=r"lh.annot: no such file; expected a FreeSurfer annotation\.$"):
            read_annotation(tmp_path / "lh.annot")

    @pytest.mark.parametrize("table", [b"", number(0)])
    def test_annotation_without_a_table_is_refused(self, tmp_path, table):
        with pytest.raises(ImageError, match="without a table of regions"):
            read_annotation(save(tmp_path / "lh.annot", table=table))

    @pytest.mark.parametrize("n_bytes", [0, 3, 4, 50, 83])
    def test_file_that_is_cut_in_its_vertices_is_broken(self, tmp_path, n_bytes):
        path = save(tmp_path / "lh.annot")
        path.write_bytes(path.read_bytes()[:n_bytes])
        assert "vertices, its size allows" in reason_of(path)

    @pytest.mark.parametrize("n_bytes", [88, 92, 100, 110, 140, -1])
    def test_file_that_is_cut_in_its_table_is_broken(self, tmp_path, n_bytes):
        path = save(tmp_path / "lh.annot")
        path.write_bytes(path.read_bytes()[:n_bytes])
        assert reason_of(path) == "its table of regions ends early"

    @pytest.mark.parametrize("content", [b"\xff" * 100, b"\x7f" * 100, b"<?xml version='1.0'?>" * 10])
    def test_other_content_is_broken(self, tmp_path, content):
        (tmp_path / "lh.annot").write_bytes(content)
        assert "vertices, its size allows" in reason_of(tmp_path / "lh.annot")

    def test_newer_version_is_refused(self, tmp_path):
        assert reason_of(save(tmp_path / "lh.annot", table=number(1, -3, 4))) == (
            "its table of regions is of version 3, not 2"
        )

    @pytest.mark.parametrize("vertex", [0, 10, -1])
    def test_every_vertex_must_be_given_once(self, tmp_path, vertex):
        vertices = np.arange(10)
        vertices[3] = vertex
        path = save(tmp_path / "lh.annot", vertices=vertices)
        assert reason_of(path) == "it does not give each of its 10 vertices once"

    @pytest.mark.parametrize("n", [-5, 10**9])
    def test_lengths_and_numbers_in_the_table_are_checked(self, tmp_path, n):
        for table in (number(1, -2, 4, n), number(1, -2, 4) + text("table") + number(max(n, 5))):
            assert reason_of(save(tmp_path / "lh.annot", table=table)) == "its table of regions ends early"
