"""Label tables as programs write them: each is recognised by its content, and every name is of its index."""

from __future__ import annotations

import json

import pytest

from niimasker.errors import RegionsError
from niimasker.regions.names.matching import choose_names
from niimasker.regions.names.tables import read_label_table

INDICES = (2001, 2002, 2101, 2102)
NAMES = ("Precentral_L", "Precentral_R", "Frontal_Sup_L", "Frontal_Sup_R")
# In another order than the image's, so that a table joined by order is not taken for one joined by index.
PAIRS = tuple(zip((2101, 2002, 2102, 2001), (NAMES[2], NAMES[1], NAMES[3], NAMES[0]), strict=True))


def lines(form: str) -> str:
    """Return a line for each region, from its index, its name, and the position of the line from 1."""
    return "".join(
        form.format(index=index, name=name, n=n, spaced=name.replace("_", " ")) + "\n"
        for n, (index, name) in enumerate(PAIRS, start=1)
    )


def fsl_xml(kind: str, first: int) -> str:
    labels = "".join(f'<label index="{n}" x="1" y="2" z="3">{name}</label>' for n, name in enumerate(NAMES, first))
    return f"<?xml version='1.0'?><atlas><header>{kind}</header><data>{labels}</data></atlas>"


ITK_SNAP = '  {index}   {n}0   20   30        1  1  1    "{name}"'
COLOR_TABLE = "a colour table of FreeSurfer"
# What the file is called, what it holds, what it is recognised as, and what its names are joined by.
FORMATS = {
    "ITK-SNAP": ("a.label", lines(ITK_SNAP), "label descriptions of ITK-SNAP", "index"),
    "ITK-SNAP, .txt with comments": (
        "a.txt",
        '# IDX -R- -G- -B- -A-- VIS MSH LABEL\n    0     0    0    0        0  0  0    "Clear Label"\n'
        + lines(ITK_SNAP),
        "label descriptions of ITK-SNAP",
        "index",
    ),
    "FreeSurfer": ("a.txt", lines("{index} {name} {n}0 20 30 0"), COLOR_TABLE, "index"),
    "FreeSurfer without opacity": ("a.ctab", lines("{index}\t{name}\t{n}0\t20\t30"), COLOR_TABLE, "index"),
    "FreeSurfer with tissues": ("a.txt", lines("{index} {name} {n}0 20 30 0 1"), COLOR_TABLE, "index"),
    "FreeSurfer below a header": (
        "a.txt",
        "index name R G B A\n" + lines("{index} {spaced} {n} 2 3 0"),
        COLOR_TABLE,
        "index",
    ),
    "3D Slicer": (
        "a.ctbl",
        "# Color table file\n" + lines("{index} {name} {n}0 20 30 255"),
        "a colour table of 3D Slicer",
        "index",
    ),
    "colours before names": ("a.txt", lines("{index} {n}0 20 30 {name}"), "lines of index, colour and name", "index"),
    "MRtrix3": ("a.txt", lines("{index} X{n} {name} {n}0 20 30 255"), "a lookup table of MRtrix3", "index"),
    "FSLeyes": ("a.lut", lines("{index} 0.{n} 0.1 1.0 {name}"), "a lookup table of FSLeyes", "index"),
    "MRIcron": ("a.txt", lines("{n} {name} {index}"), "a list of MRIcron", "its last number"),
    "SPM": ("a.txt", lines("F{n}G\t{name}\t{index}"), "a list of SPM", "index"),
    "DSI Studio": ("a.txt", lines("{index} {name}"), "lines of index and name", "index"),
    "name and index": ("a.txt", lines("{name} {index}"), "lines of name and index", "index"),
    "Workbench": ("a.txt", lines("{name}\n{index} {n}0 20 30 255"), "a label list of Workbench", "its keys"),
    "FSL, labels": ("a.xml", fsl_xml("<type>Label</type>", 1), "the XML of an FSL atlas", None),
    "FSL without a type": (
        "a.xml",
        fsl_xml("", 0),
        "the XML of an FSL atlas",
        "the order of its attribute index, which counts from 0",
    ),
    "SPM, XML": (
        "a.xml",
        "<atlas>"
        + lines("<label><index>{index}</index><short_name>a{n}</short_name><name>{name}</name></label>")
        + "</atlas>",
        "the XML of an SPM atlas",
        "element index",
    ),
    "JSON, objects": (
        "a.json",
        json.dumps([{"name": name, "voxel_value": index, "color": [n, 2, 3]} for n, (index, name) in enumerate(PAIRS)]),
        "JSON",
        "column voxel_value",
    ),
    "JSON, names by index": ("a.json", json.dumps(dict(PAIRS)), "JSON", "column key"),
    "JSON, indices by name": ("a.json", json.dumps({name: index for index, name in PAIRS}), "JSON", "column value"),
    "JSON, objects by index": (
        "a.json",
        json.dumps({index: {"name": name, "size": 7} for index, name in PAIRS}),
        "JSON",
        "its keys",
    ),
    "JSON, columns": (
        "a.json",
        json.dumps({"index": [index for index, _ in PAIRS], "name": [name for _, name in PAIRS]}),
        "JSON",
        "column index",
    ),
    "JSON, names": ("a.json", json.dumps({"labels": NAMES}), "JSON", "the order of its rows"),
    "CAT12": (
        "a.csv",
        "ROIid;ROIabbr;ROIname;ROIcolor\n" + lines("{index};a{n};{name};1 2 3"),
        "a table separated by semicolons",
        "column ROIid",
    ),
    "MIST": (
        "a.csv",
        "roi;label;name\n" + lines("{index};a;{name}"),
        "a table separated by semicolons",
        "column roi",
    ),
    "Schaefer": (
        "a.csv",
        lines("{index},{name},{n},20,30,0"),
        "a table separated by commas, without a header",
        "column 1",
    ),
    "comment above": (
        "a.csv",
        "# made from ROI_MNI_V4,\n" + lines("{index},{name}"),
        "a table separated by commas, without a header",
        "column 1",
    ),
    "header in a comment": (
        "a.csv",
        "#number,name\n" + lines("{index},{name}"),
        "a table separated by commas",
        "column number",
    ),
    "tabs in a .csv": (
        "a.csv",
        "number\tname\n" + lines("{index}\t{name}"),
        "a table separated by tabs",
        "column number",
    ),
    "commas in a .tsv": (
        "a.tsv",
        "number,name\n" + lines("{index},{name}"),
        "a table separated by commas",
        "column number",
    ),
    "white space": (
        "a.txt",
        "number name side\n" + lines("{index} {name} x"),
        "a table separated by white space",
        "column number",
    ),
    "white space below a header": (
        "a.txt",
        "number name\n" + lines("{index} {spaced}"),
        "lines of index and name",
        "index",
    ),
    "Excel's empty cells": (
        "a.csv",
        "number,name,,\n,,,\n" + lines("{index},{name},,") + ",,,\n,,,\n",
        "a table separated by commas",
        "column number",
    ),
    "Excel's line ends, mark and decimal commas": (
        "a.csv",
        "\ufeffnumber;name;volume\r\n" + lines("{index};{name};10,{n}").replace("\n", "\r\n"),
        "a table separated by semicolons",
        "column number",
    ),
    "pandas' row numbers": (
        "a.csv",
        ",number,name\n" + "".join(f"{n},{index},{name}\n" for n, (index, name) in enumerate(PAIRS)),
        "a table separated by commas",
        "column number",
    ),
    "a row": ("a.tsv", "\t".join(NAMES) + "\n", "a row of names separated by tabs", "the order of its cells"),
    "a name a line": ("a.txt", "\n".join(NAMES), "a list with one name a line", "the order of its rows"),
    "a name a line in quotes": (
        "a.txt",
        "\n".join(f"'{name}'" for name in NAMES),
        "a list with one name a line",
        "the order of its rows",
    ),
    "a name a line below a header": (
        "a.csv",
        "\n".join(("Label", *NAMES)),
        "a list with one name a line",
        "the order of its rows",
    ),
}


@pytest.mark.parametrize("format_name", FORMATS)
def test_every_format_is_recognised_and_joined(tmp_path, format_name):
    file_name, text, recognised, joined_by = FORMATS[format_name]
    path = tmp_path / file_name
    path.write_text(text, encoding="utf-8")
    indices = (1, 2, 3, 4) if format_name == "FSL, labels" else INDICES
    named = choose_names([str(path)], indices, "seg.nii.gz")
    assert tuple(name.replace(" ", "_") for name in named.names) == NAMES
    assert named.join.format == recognised
    assert named.join.how == (joined_by or "attribute index")
    assert named.join.pairs == ", ".join(
        [f"{index} {name}" for index, name in zip(indices[:3], named.names, strict=False)] + ["..."]
    )


SHIPPED = {
    "brainlife.json": "column label",
    "cat12.csv": "column ROIid",
    "comment.csv": "column 1",
    "dsistudio.txt": "index",
    "fs_no_alpha.txt": "index",
    "fs_space.txt": "index",
    "fsl.xml": "the order of its attribute index, which counts from 0",
    "fsleyes.lut": "index",
    "itksnap.label": "index",
    "mist.csv": "column roi",
    "mricron.txt": "its last number",
    "mrtrix_default.txt": "index",
    "rminc.csv": "columns right.label and left.label",
    "row.tsv": "the order of its cells",
    "schaefer_lut.csv": "column 1",
    "slicer.ctbl": "index",
    "spm_roi_mni.txt": "index",
    "tabs.csv": "index",
    "wb_list.txt": "its keys",
}


@pytest.mark.parametrize("name", SHIPPED)
def test_nineteen_formats_of_people_name_the_same_regions(data_dir, name):
    named = choose_names([str(data_dir / "label_tables" / name)], INDICES, "seg.nii.gz")
    sides = tuple(each.replace("_L", " left").replace("_R", " right") for each in NAMES)
    expected = {"rminc.csv": sides, "fs_space.txt": tuple(each.replace("_", " ") for each in NAMES)}
    assert named.names == expected.get(name, NAMES)
    assert named.join.how == SHIPPED[name]


def test_nineteen_formats_are_all_there(data_dir):
    assert {path.name for path in (data_dir / "label_tables").iterdir()} - set(SHIPPED) == {"bold.nii.gz", "seg.nii.gz"}


@pytest.fixture
def write(tmp_path):
    """A function that writes a label file and returns its path."""

    def write(name: str, text: str):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def said(path, indices=(1, 2)) -> str:
    with pytest.raises(RegionsError) as caught:
        choose_names([str(path)], indices, "seg.nii.gz")
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestNamesWithin:
    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ("1 Area 1 10 20 30 0\n2 Area 2 10 20 30 0\n", ("Area 1", "Area 2")),
            ("1 Area 4 10 20 30 0\n2 Insula 10 20 30 0\n", ("Area 4", "Insula")),
            ("1 Area 4 10 20 30\n2 Insula 10 20 30\n", ("Area 4", "Insula")),
            ("1 Left Putamen 10 20 30 255\n2 Right Caudate 10 20 30 255\n", ("Left Putamen", "Right Caudate")),
            ("1 Brain Stem 10 20 30 255\n2 Optic Chiasm 10 20 30 255\n", ("Brain Stem", "Optic Chiasm")),
            ("1 A 10 20 30 0  # first\n2 B 10 20 30 0\n", ("A", "B")),
            ("1 Frontal Pole, left\n2 Frontal Pole, right\n", ("Frontal Pole, left", "Frontal Pole, right")),
            ("1: Amygdala\n2: Caudate\n", ("Amygdala", "Caudate")),
            ("1 BA 44\n2 BA 45\n", ("BA 44", "BA 45")),
            ("Left Putamen 1\nRight Putamen 2\n", ("Left Putamen", "Right Putamen")),
            ("Brain Stem 1\nOptic Chiasm 2\n", ("Brain Stem", "Optic Chiasm")),
            ("BA 44\nBA 45\n", ("BA 44", "BA 45")),
        ],
    )
    def test_names_with_blanks_and_numbers_stay_whole(self, write, text, names):
        assert choose_names([str(write("a.txt", text))], (1, 2), "seg.nii.gz").names == names

    def test_red_of_itk_snap_is_no_name(self, write):
        path = write("a.txt", '2 1 0 0 1 1 1 "b"\n1 2 0 0 1 1 1 "a"\n')
        assert choose_names([str(path)], (1, 2), "seg.nii.gz").names == ("a", "b")


class TestFsl:
    def test_probabilistic_atlas_counts_maps_from_0(self, write):
        path = write("a.xml", fsl_xml("<type>Probabilistic</type>", 0))
        named = choose_names([str(path)], (1, 2, 3, 4), "seg.nii.gz", are_maps=True)
        assert (named.names, named.join.how) == (NAMES, "attribute index + 1")

    def test_unclassified_of_an_atlas_of_labels_is_index_0(self, write):
        text = fsl_xml("<type>Label</type>", 1).replace("<data>", '<data><label index="0">Unclassified</label>')
        assert choose_names([str(write("a.xml", text))], (1, 2, 3, 4), "seg.nii.gz").names == NAMES

    def test_labels_that_may_count_from_0_or_1_are_refused(self, write):
        path = write("a.xml", fsl_xml("<type>Label</type>", 0))
        assert choose_names([str(path)], (1, 2, 3, 4), "seg.nii.gz").names == NAMES
        assert said(path, (1, 2, 3)) == (
            f"{path}, the XML of an FSL atlas: attribute index and attribute index + 1 both hold the indices of "
            "seg.nii.gz and name index 1 'Precentral_R' and 'Precentral_L'; call the right one index in a header, or "
            "remove the other."
        )

    def test_atlas_without_a_type_is_matched_only_where_the_counts_fit(self, write):
        path = write("a.xml", fsl_xml("", 0))
        assert said(path, (1, 2, 3)) == (
            "a.xml, the XML of an FSL atlas, has 4 names but seg.nii.gz has 3 regions; 'Frontal_Sup_R' is the first "
            "without a region."
        )


class TestBroken:
    @pytest.mark.parametrize(
        ("name", "text", "message"),
        [
            (
                "a.label",
                '1 0 0 0 1 1 1 "a"\n2 0 0 0 1 1 "b"\n3 0 0 0 1 1 1 "c"\n',
                ": line 2, '2 0 0 0 1 1 \"b\"', does not fit; the others are label descriptions of ITK-SNAP (index, R, "
                'G, B, opacity, two flags, "name"); correct it.',
            ),
            (
                "a.txt",
                "1 a\n2 b\nc\n",
                ": line 3, 'c', does not fit; the others are lines of index and name (index, name); correct it.",
            ),
            (
                "a.xml",
                "<atlas>",
                " is no XML that can be read (no element found: line 1, column 7); fetch or make it again.",
            ),
            (
                "a.xml",
                "<atlas><data/></atlas>",
                ": XML without labels; expected those of an FSL or SPM atlas: <label index=...>name</label>.",
            ),
            (
                "a.json",
                "[1",
                " is no JSON that can be read (Expecting ',' delimiter: line 1 column 3 (char 2)); correct it.",
            ),
            (
                "a.json",
                '{"1": "a", "1": "b"}',
                " is no JSON that can be read (the key '1' is there twice); correct it.",
            ),
            (
                "a.json",
                '{"a": {"b": "c"}, "d": 1}',
                ", JSON: expected a list of names, a list of objects with a name and an index each, or an object of "
                "names by index.",
            ),
            (
                "a.csv",
                "index,name\n",
                ", a table separated by commas, has no row below its header; give a table with a column of names.",
            ),
            ("a.csv", "name\n", " has no row below its header; give a table with a column of names."),
            ("a.txt", "# a\n", " names nothing: it holds comments alone; give a table with a column of names."),
            (
                "a.csv",
                "index,name,name\n1,a,b\n",
                " names columns twice: name; give every column its own name.",
            ),
            (
                "a.csv",
                "1,a\n2,b,c\n3,d\n",
                " has 3 values in row 2 but 2 values in row 1; correct that row.",
            ),
        ],
    )
    def test_message_names_the_format_and_the_line(self, write, name, text, message):
        path = write(name, text)
        assert said(path) == f"{path}{message}"

    @pytest.mark.parametrize("word", ["1 ", "a ", "1 a "])
    def test_long_lines_take_no_long_time(self, write, word):
        path = write("a.txt", "1 a\n" + word * 1_000_000 + "x\n3 c\n")
        said(path, (1, 2, 3, 4))

    def test_deeply_nested_json_is_one_line(self, write):
        said(write("a.json", '{"a": ' * 900 + "1" + "}" * 900))

    def test_text_that_is_not_utf_8_is_named(self, tmp_path):
        path = tmp_path / "a.xml"
        path.write_bytes("<atlas><label index='0'>Größe</label></atlas>".encode("cp1252"))
        assert said(path) == f"{path} is not UTF-8 text (byte 0xf6); give an uncompressed text table saved as UTF-8."

    def test_colours_are_no_index_though_they_cover_the_image(self, write):
        table = read_label_table(write("a.csv", "7,a,1,2,3,0\n8,b,2,3,1,0\n9,c,3,1,2,0\n"))
        assert [(column.title, column.numbers) for column in table.columns] == [("column 1", (7, 8, 9))]
        table = read_label_table(write("b.csv", "number,name,R,G,B\n7,a,1,2,3\n8,b,2,3,1\n9,c,3,1,2\n"))
        assert [column.title for column in table.columns] == ["column number"]
