"""GIFTI files that are damaged, of another kind, or made to take all memory: one line that says what is wrong."""

from __future__ import annotations

import base64
import gzip
import tracemalloc
import zlib

import numpy as np
import pytest
from gifti_files import (
    ASCII,
    BASE64,
    DOCTYPE,
    ENCODINGS,
    EXTERNAL,
    GZIP,
    ArrayText,
    make_volumes,
    save_gifti,
    save_series,
    write_document,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from niimasker.errors import BrokenImageError, ImageError
from niimasker.inputs.gifti.files import read_gifti, read_gifti_header, read_mesh

VALUES = np.random.default_rng(0).normal(1e3, 30, (5, 400)).astype(np.float32)
MEMORY = 8 * 2**20

# What is put into files in random places.
PIECES = [
    b"",
    b"\0",
    b"\xff",
    b"&",
    b"<",
    b">",
    b"]]>",
    b"<![CDATA[",
    b"<!--",
    b"-->",
    b"<Data>",
    b"</Data>",
    b"9" * 12,
]


def message_of(path, read=read_gifti, kind=ImageError):
    """Return what is said of a file that cannot be read."""
    with pytest.raises(kind) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert len(message) < len(str(path)) + 300
    return message.removeprefix(f"{path}: ")


def reason_of(path, read=read_gifti):
    """Return why a file is said to be broken."""
    message = message_of(path, read, BrokenImageError)
    start, way_out = "cannot be read as a GIFTI file (", "); fetch or make it again."
    assert message.startswith(start)
    assert message.endswith(way_out)
    return message[len(start) : -len(way_out)]


def refuse(path, read=read_gifti):
    """Return the highest amount of memory that is held until a file is refused, and the message."""
    tracemalloc.start()
    try:
        with pytest.raises(BrokenImageError) as caught:
            read(path)
        return tracemalloc.get_traced_memory()[1], str(caught.value)
    finally:
        tracemalloc.stop()


def save_text(path, text):
    path.write_text(text)
    return path


def with_attributes(path, **attributes):
    """Write a series whose first array has these attributes."""
    volumes = make_volumes(VALUES)
    volumes[0].attributes = attributes
    return save_gifti(path, volumes)


class TestNoGifti:
    @pytest.mark.parametrize("read", [read_gifti, read_gifti_header, read_mesh])
    def test_missing_file_is_named(self, tmp_path, read):
        assert message_of(tmp_path / "map.gii", read) == "no such file; expected a GIFTI file."

    def test_link_that_was_not_fetched_says_how(self, tmp_path):
        (tmp_path / "map.gii").symlink_to(tmp_path / "annex")
        assert message_of(tmp_path / "map.gii", kind=BrokenImageError) == (
            "a link to a file that does not exist; fetch it, as with datalad get."
        )

    def test_folder_is_no_file(self, tmp_path):
        (tmp_path / "map.gii").mkdir()
        assert message_of(tmp_path / "map.gii") == "a folder; expected a GIFTI file."

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "the file ends early"),
            (b"\n\n", "the file ends early"),
            (b"/annex/objects/MD5E-s1--2.func.gii", "not well-formed (invalid token)"),
            (b"<html><body>404</body></html>", "its root element is html, not GIFTI"),
            (b"<?xml version='1.0'?><CARET/>", "its root element is CARET, not GIFTI"),
            (b"\x5c\x01\x00\x00" + bytes(400), "it is no XML in UTF-8"),
            ("<GIFTI/>".encode("utf-16"), "it is no XML in UTF-8"),
            ("<GIFTI/>".encode("utf-16-le"), "it is no XML in UTF-8"),
            (gzip.compress(b"<GIFTI/>", mtime=0), "it is no XML in UTF-8"),
            (b"<GIFTI/>", "it holds no array"),
            (b"<GIFTI><DataArray></GIFTI>", "mismatched tag"),
            (b"<GIFTI></GIFTI>more", "junk after document element"),
            (b"<GIFTI>&nbsp;</GIFTI>", "undefined entity"),
        ],
    )
    def test_other_content_says_what_was_found(self, tmp_path, content, reason):
        (tmp_path / "map.gii").write_bytes(content)
        assert reason_of(tmp_path / "map.gii") == reason
        assert reason_of(tmp_path / "map.gii", read_gifti_header) == reason

    @pytest.mark.parametrize("encoding", ["UYF-8", "big5", "utf-16", "shift_jis"])
    def test_encoding_of_its_text_must_be_known(self, tmp_path, encoding):
        path = tmp_path / "map.gii"
        path.write_bytes(write_document(make_volumes(VALUES)).replace(b"UTF-8", encoding.encode(), 1))
        assert "encoding" in reason_of(path)

    @pytest.mark.parametrize("encoding", ["ISO-8859-1", "windows-1252"])
    def test_text_in_other_encodings_of_one_byte_is_read(self, tmp_path, encoding):
        path = tmp_path / "map.gii"
        document = write_document(make_volumes(VALUES), labels={1: "Région"}).decode()
        path.write_bytes(document.replace("UTF-8", encoding, 1).encode("latin-1"))
        assert read_gifti(path).labels == {1: "Région"}

    def test_file_that_is_not_compressed_as_its_name_says(self, tmp_path):
        path = tmp_path / "map.gii.gz"
        path.write_bytes(write_document(make_volumes(VALUES)))
        assert reason_of(path) == "Not a gzipped file (b'<?')"


class TestShortFile:
    @pytest.mark.parametrize("share", np.linspace(0.001, 0.999, 12).round(3))
    @pytest.mark.parametrize("encoding", [ASCII, BASE64, GZIP])
    @pytest.mark.parametrize("read", [read_gifti, read_gifti_header])
    def test_file_that_is_cut_ends_early(self, tmp_path, share, encoding, read):
        path = save_series(tmp_path / "map.gii", VALUES, encoding=encoding)
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])
        assert reason_of(path, read) == "the file ends early"

    @pytest.mark.parametrize("share", np.linspace(0.05, 0.99, 6).round(3))
    def test_compressed_file_that_is_cut_is_broken(self, tmp_path, share):
        path = save_series(tmp_path / "map.gii.gz", VALUES)
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])
        assert "ended before the end-of-stream marker" in reason_of(path)

    def test_wrong_checksum_of_a_compressed_file_is_broken(self, tmp_path):
        path = save_series(tmp_path / "map.gii.gz", VALUES)
        content = bytearray(path.read_bytes())
        content[-6] ^= 0x55
        path.write_bytes(content)
        assert "CRC check failed" in reason_of(path)

    @pytest.mark.parametrize("n_arrays", [0, 1, 4, 6, 400])
    @pytest.mark.parametrize("encoding", ENCODINGS)
    def test_number_of_arrays_must_be_right(self, tmp_path, n_arrays, encoding):
        volumes = make_volumes(VALUES, encoding=encoding, external_name="values.dat")
        path = save_gifti(tmp_path / "map.gii", volumes, n_arrays=n_arrays)
        reason = reason_of(path)
        assert f"it says that it holds {n_arrays} arrays" in reason or f"it says {n_arrays} arrays of 400" in reason

    @pytest.mark.parametrize("n_arrays", ["many", "", "-1", "5.0"])
    def test_number_of_arrays_must_be_a_number(self, tmp_path, n_arrays):
        path = save_gifti(tmp_path / "map.gii", make_volumes(VALUES), n_arrays=n_arrays)
        assert n_arrays in reason_of(path)
        assert n_arrays in reason_of(path, read_gifti_header)

    def test_header_needs_the_number_of_arrays(self, tmp_path):
        path = save_series(tmp_path / "map.gii", VALUES)
        save_text(path, path.read_text().replace(' NumberOfDataArrays="5"', ""))
        assert reason_of(path, read_gifti_header) == "it does not say how many arrays it holds (NumberOfDataArrays)"
        np.testing.assert_array_equal(read_gifti(path).values, VALUES.T)


class TestDamagedArray:
    @pytest.mark.parametrize("character", ["!", "é", "-", "\0"])
    @pytest.mark.parametrize("encoding", [BASE64, GZIP])
    def test_wrong_character_is_found(self, tmp_path, character, encoding):
        text = ArrayText(VALUES[0], encoding=encoding).encode()
        text = text[:100] + character + text[101:]
        path = save_gifti(tmp_path / "map.gii", [ArrayText(VALUES[0], encoding=encoding, text=text)])
        expected = "not well-formed (invalid token)" if character == "\0" else "an array's base64 code is damaged"
        assert reason_of(path) in (expected, "an array's base64 code is damaged")

    @pytest.mark.parametrize("n_missing", [1, 2, 3])
    def test_code_that_is_cut_is_found(self, tmp_path, n_missing):
        text = ArrayText(VALUES[0], encoding=BASE64).encode()[:-n_missing]
        path = save_gifti(tmp_path / "map.gii", [ArrayText(VALUES[0], encoding=BASE64, text=text)])
        assert reason_of(path) == "an array's base64 code is damaged"

    @pytest.mark.parametrize("change", [+1, -1, +400, -399])
    @pytest.mark.parametrize("encoding", [ASCII, BASE64, GZIP])
    def test_array_of_another_size_than_its_dimensions_is_found(self, tmp_path, encoding, change):
        path = save_gifti(
            tmp_path / "map.gii",
            [ArrayText(VALUES[0], encoding=encoding, attributes={"Dim0": str(400 + change)})],
        )
        assert reason_of(path).startswith((f"an array of {400 + change} float32 holds ", "it says 1 arrays of 800"))

    @pytest.mark.parametrize("place", [0, 1, 40, -40, -4, -1])
    def test_changed_byte_of_compressed_values_is_found(self, tmp_path, place):
        content = bytearray(zlib.compress(VALUES[0].tobytes()))
        content[place] ^= 0x55
        path = save_gifti(tmp_path / "map.gii", [ArrayText(VALUES[0], text=base64.b64encode(content).decode())])
        assert reason_of(path).startswith("an array")

    @pytest.mark.parametrize("n_missing", [1, 4, 5, 100])
    def test_compressed_values_that_are_cut_are_found(self, tmp_path, n_missing):
        content = zlib.compress(VALUES[0].tobytes())[:-n_missing]
        path = save_gifti(tmp_path / "map.gii", [ArrayText(VALUES[0], text=base64.b64encode(content).decode())])
        assert reason_of(path) == "an array's compressed values end early"

    @pytest.mark.parametrize("text", ["x", "1,5", "0x10", "1.5.2"])
    def test_ascii_that_is_no_number_is_found(self, tmp_path, text):
        array = ArrayText(VALUES[0, :3], encoding=ASCII, text=f"1 {text} 2")
        assert reason_of(save_gifti(tmp_path / "map.gii", [array])).startswith("an array holds text that is no float32")

    @pytest.mark.parametrize("text", ["300", "-1", "1.5", "nan"])
    def test_ascii_out_of_a_type_s_range_is_found(self, tmp_path, text):
        array = ArrayText(VALUES[0, :3].astype("u1"), encoding=ASCII, text=f"1 {text} 2")
        assert reason_of(save_gifti(tmp_path / "map.gii", [array])).startswith("an array holds text that is no uint8")

    @pytest.mark.parametrize(
        ("attributes", "reason"),
        [
            ({"Encoding": "Base85"}, "the Encoding of an array is 'Base85'; expected ASCII, Base64Binary, "),
            ({"Encoding": None}, "the Encoding of an array is missing"),
            ({"DataType": "NIFTI_TYPE_COMPLEX64"}, "the DataType of an array is 'COMPLEX64'; expected UINT8, "),
            ({"DataType": "NIFTI_TYPE_RGB24"}, "the DataType of an array is 'RGB24'"),
            ({"DataType": None}, "the DataType of an array is missing"),
            ({"Endian": "MiddleEndian"}, "the Endian of an array is 'MiddleEndian'; expected LittleEndian, BigEndian"),
            ({"Dim0": None}, "the Dim0 of an array is missing; expected a number"),
            ({"Dim0": "-400"}, "the Dim0 of an array is '-400'; expected a number"),
            ({"Dim0": "4e2"}, "the Dim0 of an array is '4e2'; expected a number"),
            ({"Dim0": "0"}, "an array without values (0)"),
            ({"Dimensionality": "0"}, "the Dimensionality of an array is 0; expected 1 to 6"),
            ({"Dimensionality": None}, "the Dimensionality of an array is missing"),
            ({"Dimensionality": "1000000000"}, "the Dimensionality of an array is 1000000000"),
            ({"Dimensionality": "2", "Dim1": "5", "ArrayIndexingOrder": None}, "the ArrayIndexingOrder of an array is"),
        ],
    )
    @pytest.mark.parametrize("read", [read_gifti, read_gifti_header])
    def test_attributes_are_checked(self, tmp_path, attributes, reason, read):
        assert reason_of(with_attributes(tmp_path / "map.gii", **attributes), read).startswith(reason)

    def test_arrays_must_have_the_same_number_of_vertices(self, tmp_path):
        path = save_gifti(tmp_path / "map.gii", [ArrayText(VALUES[0]), ArrayText(VALUES[1, :399])])
        assert reason_of(path) == "array 2 holds 399 values, the first one 400"

    def test_several_arrays_with_two_axes_are_refused(self, tmp_path):
        path = save_gifti(tmp_path / "map.gii", [ArrayText(VALUES.T), ArrayText(VALUES.T)])
        assert reason_of(path) == "array 2 holds 400x5 values, the first one 400x5"

    @pytest.mark.parametrize("key", ["", "one", "1.5"])
    def test_label_without_a_key_is_named(self, tmp_path, key):
        path = save_gifti(tmp_path / "map.gii", [ArrayText(VALUES[0])], labels={1: "V1"})
        save_text(path, path.read_text().replace('Key="1"', f'Key="{key}"'))
        assert reason_of(path) == f"the key of its label 'V1' is {key!r}, no integer"


class TestExternalFile:
    @pytest.mark.parametrize("read", [read_gifti, read_gifti_header])
    def test_missing_file_is_named(self, tmp_path, read):
        path = save_series(tmp_path / "map.gii", VALUES, encoding=EXTERNAL)
        (tmp_path / "map.gii.dat").unlink()
        assert reason_of(path, read) == "map.gii.dat, the file with its values: no such file"

    def test_link_that_was_not_fetched_is_named(self, tmp_path):
        path = save_series(tmp_path / "map.gii", VALUES, encoding=EXTERNAL)
        (tmp_path / "map.gii.dat").rename(tmp_path / "gone")
        (tmp_path / "map.gii.dat").symlink_to("annex")
        assert reason_of(path) == "map.gii.dat, the file with its values: a link to a file that does not exist"

    @pytest.mark.parametrize("n_bytes", [0, 1599, 1600 * 5 - 1])
    def test_short_file_is_found(self, tmp_path, n_bytes):
        path = save_series(tmp_path / "map.gii", VALUES, encoding=EXTERNAL)
        values = tmp_path / "map.gii.dat"
        values.write_bytes(values.read_bytes()[:n_bytes])
        assert "map.gii.dat, the file with its values, holds " in reason_of(path)

    def test_file_without_a_name_is_found(self, tmp_path):
        path = save_gifti(tmp_path / "map.gii", [ArrayText(VALUES[0])])
        save_text(path, path.read_text().replace(GZIP, EXTERNAL))
        assert reason_of(path) == "it names no file with its values (ExternalFileName)"


class TestBombs:
    """Files that announce or hold more than memory; none of them takes more than a few megabytes."""

    @pytest.mark.parametrize("read", [read_gifti, read_gifti_header])
    @pytest.mark.parametrize("encoding", ENCODINGS)
    @pytest.mark.parametrize("n", [10**9, 10**15, 10**17])
    def test_announced_size_is_checked_against_the_file(self, tmp_path, encoding, read, n):
        array = ArrayText(VALUES[0], encoding=encoding, attributes={"Dim0": str(n)}, external_name="values.dat")
        path = save_gifti(tmp_path / "map.gii", [array])
        peak, message = refuse(path, read)
        assert f"(it says 1 arrays of {n} values, its size allows" in message or "(values.dat, the file with" in message
        assert peak < MEMORY

    @pytest.mark.parametrize("n_arrays", [10**6, 10**18])
    def test_announced_number_is_checked_against_the_file(self, tmp_path, n_arrays):
        path = save_gifti(tmp_path / "map.gii", make_volumes(VALUES), n_arrays=n_arrays)
        assert reason_of(path, read_gifti_header).startswith(
            f"it says {n_arrays} arrays of 400 values, its size allows"
        )

    def test_values_are_decompressed_no_further_than_the_dimensions(self, tmp_path):
        bomb = base64.b64encode(zlib.compress(bytes(2**27), 9)).decode()
        path = save_gifti(tmp_path / "map.gii", [ArrayText(np.zeros(2**19, np.float32), text=bomb)])
        peak, message = refuse(path)
        assert "(an array of 524288 float32 holds more than 2,097,152 bytes instead of 2,097,152)" in message
        assert peak < MEMORY

    def test_entities_are_refused(self, tmp_path):
        entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "ha"}">' for n in range(9))
        path = save_gifti(tmp_path / "map.gii", make_volumes(VALUES), head=f"<!DOCTYPE GIFTI [{entities}]>")
        assert reason_of(path) == "it declares the entity e0, which GIFTI files do not have"

    def test_external_entities_are_refused(self, tmp_path):
        head = '<!DOCTYPE GIFTI [<!ENTITY file SYSTEM "file:///etc/passwd">]>'
        path = save_gifti(tmp_path / "map.gii", make_volumes(VALUES), head=head)
        assert reason_of(path) == "it declares the entity file, which GIFTI files do not have"

    @pytest.mark.parametrize("head", [DOCTYPE, "<!DOCTYPE GIFTI>", "<!DOCTYPE GIFTI [<!ELEMENT GIFTI ANY>]>", ""])
    def test_document_types_are_read_over(self, tmp_path, head):
        path = save_gifti(tmp_path / "map.gii", make_volumes(VALUES), head=head)
        np.testing.assert_array_equal(read_gifti(path).values, VALUES.T)

    @pytest.mark.long
    @pytest.mark.parametrize(
        ("start", "filling", "reason"),
        [
            ("<!--", "x", "a tag or comment is larger than 16 MB"),
            ("<MetaData a='", "x", "a tag or comment is larger than 16 MB"),
            ("<MetaData><MD><Name>A</Name><Value>", "x", "its metadata or labels are larger than 16 MB"),
            ("<MetaData><MD><Name>A</Name><Value><![CDATA[", "x", "its metadata or labels are larger than 16 MB"),
            ("<LabelTable>", "<Label Key='1'>A</Label>", "its metadata or labels are larger than 16 MB"),
            ("", "<MetaData>", "its metadata or labels are larger than 16 MB"),
        ],
        ids=["comment", "attribute", "metadata", "CDATA", "labels", "nesting"],
    )
    def test_what_is_compressed_cannot_take_all_memory(self, tmp_path, start, filling, reason):
        path = tmp_path / "map.gii.gz"
        piece = filling.encode() * (2**20 // len(filling))
        with gzip.open(path, "wb", compresslevel=1) as file:
            file.write(f"<GIFTI NumberOfDataArrays='1'>{start}".encode())
            for _ in range(40):
                file.write(piece)
        peak, message = refuse(path)
        assert reason in message
        # expat holds a tag or comment in a buffer that doubles as it grows.
        assert peak < 64 * 2**20

    @pytest.mark.parametrize("encoding", [ASCII, BASE64, GZIP])
    @pytest.mark.parametrize("mark", ["", "<![CDATA["])
    def test_text_of_an_array_is_no_longer_than_its_dimensions(self, tmp_path, encoding, mark):
        head, _ = write_document([ArrayText(VALUES[0], encoding=encoding, text="@")]).split(b"@")
        path = tmp_path / "map.gii.gz"
        with gzip.open(path, "wb", compresslevel=1) as file:
            file.write(head + mark.encode())
            for _ in range(20):
                file.write(b" " * 2**20)
        peak, message = refuse(path)
        assert "(an array holds more than its dimensions say)" in message
        assert peak < MEMORY


class TestOtherKinds:
    def test_mesh_holds_no_values(self, tmp_path):
        path = save_gifti(tmp_path / "lh.surf.gii", [ArrayText(VALUES[:, :3], intent="POINTSET")])
        for read in (read_gifti, read_gifti_header):
            assert message_of(path, read) == ("found a surface mesh; expected a value for each vertex of a surface.")

    def test_mesh_whose_first_array_is_its_largest_is_not_damaged(self, tmp_path):
        triangles, points = np.tile(np.arange(3, dtype="i4"), (999, 1)), np.zeros((3, 3), "f4")
        arrays = [
            ArrayText(triangles, intent="TRIANGLE", encoding=BASE64),
            ArrayText(points, intent="POINTSET", encoding=BASE64),
        ]
        path = save_gifti(tmp_path / "lh.gii", arrays)
        for read in (read_gifti, read_gifti_header):
            assert message_of(path, read) == "found a surface mesh; expected a value for each vertex of a surface."

    def test_values_are_no_mesh(self, tmp_path):
        path = save_series(tmp_path / "map.gii", VALUES)
        assert message_of(path, read_mesh) == (
            "found TIME_SERIES; expected a surface mesh, with POINTSET and TRIANGLE."
        )

    @pytest.mark.parametrize("triangle", [[0, 1, 5], [0, -1, 2]])
    def test_triangles_of_vertices_that_are_not_there_are_found(self, tmp_path, triangle):
        arrays = [
            ArrayText(VALUES[:, :3], intent="POINTSET"),
            ArrayText(np.array([triangle], np.int32), intent="TRIANGLE"),
        ]
        path = save_gifti(tmp_path / "lh.surf.gii", arrays)
        assert reason_of(path, read_mesh) == "a triangle names a vertex that is none of the 5"

    @pytest.mark.parametrize("triangles", [np.zeros((4, 2), np.int32), np.zeros((4, 3), np.float32), np.zeros(3, "i4")])
    def test_triangles_must_be_threes_of_integers(self, tmp_path, triangles):
        arrays = [ArrayText(VALUES[:, :3], intent="POINTSET"), ArrayText(triangles, intent="TRIANGLE")]
        path = save_gifti(tmp_path / "lh.surf.gii", arrays)
        assert reason_of(path, read_mesh) == "its points or triangles are not threes of numbers"

    @pytest.mark.parametrize("read", [read_gifti])
    def test_values_of_some_vertices_are_refused(self, tmp_path, read):
        arrays = [*make_volumes(VALUES), ArrayText(np.arange(400, dtype=np.int32), intent="NODE_INDEX")]
        path = save_gifti(tmp_path / "map.gii", arrays)
        assert "NIFTI_INTENT_NODE_INDEX" in message_of(path, read)


@pytest.mark.parametrize("encoding", [ASCII, BASE64, GZIP])
@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_change_is_read_or_refused_in_one_line(tmp_path, encoding, data):
    volumes = make_volumes(VALUES[:, :20], encoding=encoding)
    content = bytearray(write_document(volumes, structure="CortexLeft", labels={1: "A"}))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        length = data.draw(st.sampled_from([0, 1, 4, 40, 400]))
        content[place : place + length] = data.draw(st.sampled_from(PIECES))
    path = tmp_path / "lh.map.gii"
    path.write_bytes(content)
    messages = []
    for read in (read_gifti, read_gifti_header, read_mesh):
        try:
            read(path)
        except ImageError as error:
            messages.append(str(error))
    assert not [message for message in messages if "\n" in message]
