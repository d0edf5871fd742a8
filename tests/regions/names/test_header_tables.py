"""Label tables in the header of an image name its regions where nothing else does."""

from __future__ import annotations

import html
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from images import OBLIQUE, make_labels

from niimasker.errors import NiimaskerWarning
from niimasker.regions.loading import load_regions

LABELS = make_labels((1, 2, 5))
TABLE = '<VALUE_LABEL_DTABLE ni_type="2*String" ni_dimen="3" >\n"5" "c & d"\n"1" "a"\n"2" "b"\n</VALUE_LABEL_DTABLE>'
POINTS = "".join(
    f'<ATLAS_POINT STRUCT="{name}" VAL="{value}" OKEY="{value}" />' for value, name in ((2, "b"), (5, "c"), (1, "a"))
)
CARET = (
    '<?xml version="1.0"?><CaretExtension><VolumeInformation><LabelTable>'
    '<Label Key="0" Red="1">???</Label><Label Key="5">c</Label><Label Key="1">a</Label><Label Key="2">b</Label>'
    "</LabelTable></VolumeInformation></CaretExtension>"
)
FSL_LABELS = "".join(
    f'<label index="{index}">{name}</label>' for index, name in ((0, "Unclassified"), (1, "a"), (2, "b"), (5, "c"))
)
FSL = f"<atlas><header><type>Label</type></header><data>{FSL_LABELS}</data></atlas>"


def afni(name: str, content: str) -> str:
    """Return AFNI's extension with one attribute, whose text it writes with entities."""
    return (
        '<?xml version="1.0" ?>\n<AFNI_attributes ni_form="ni_group" >\n'
        f'<AFNI_atr ni_type="String" atr_name="{name}" >\n "{html.escape(html.escape(content))}"</AFNI_atr>\n'
        "</AFNI_attributes>"
    )


def write(path: Path, content: str, code: int, klass=nib.Nifti1Image) -> Path:
    img = klass(LABELS.astype(np.int16), OBLIQUE)
    img.header.extensions.append(nib.nifti1.Nifti1Extension(6, b"a comment"))
    img.header.extensions.append(nib.nifti1.Nifti1Extension(code, content.encode()))
    nib.save(img, path)
    return path


def load(path: Path, *labels: str):
    (regions,) = load_regions([str(path)], labels=labels, as_voxels=False, radius=None, atlas_dir=None)
    return regions


@pytest.mark.parametrize(
    ("content", "code", "third", "words"),
    [
        (afni("VALUE_LABEL_DTABLE", TABLE), 4, "c & d", "AFNI's label table in its header"),
        (
            afni("ATLAS_LABEL_TABLE", f"<ATLAS_POINT_LIST>{POINTS}</ATLAS_POINT_LIST>"),
            4,
            "c",
            "AFNI's label table in its header",
        ),
        (CARET, 30, "c", "an XML label table with keys in its header"),
        (FSL, 6, "c", "the XML of an FSL atlas in its header"),
    ],
    ids=["AFNI's values", "AFNI's points", "Workbench", "FSL's XML"],
)
@pytest.mark.parametrize("name", ["atlas.nii", "atlas.nii.gz"])
def test_table_in_the_header_names_the_regions(tmp_path, content, code, third, words, name):
    regions = load(write(tmp_path / name, content, code))
    assert regions.names == ("a", "b", third)
    assert (regions.names_join.path, regions.names_join.format) == (tmp_path / name, words)


def test_pair_of_header_and_voxels_keeps_it_too(tmp_path):
    path = write(tmp_path / "atlas.img", afni("VALUE_LABEL_DTABLE", TABLE), 4, nib.Nifti1Pair)
    assert load(path).names == ("a", "b", "c & d")


def test_labels_and_look_up_tables_win(tmp_path):
    path = write(tmp_path / "tpl-X_dseg.nii", afni("VALUE_LABEL_DTABLE", TABLE), 4)
    assert load(path, "x", "y", "z").names == ("x", "y", "z")
    (tmp_path / "tpl-X_dseg.tsv").write_text("index\tname\n1\tp\n2\tq\n5\tr\n")
    assert load(path).names == ("p", "q", "r")


def test_regions_that_it_does_not_name_keep_their_index_with_a_warning(tmp_path):
    path = write(tmp_path / "atlas.nii", afni("VALUE_LABEL_DTABLE", TABLE.replace('"5"', '"7"')), 4)
    with pytest.warns(NiimaskerWarning) as caught:
        assert load(path).names == ("a", "b", "roi 5")
    assert [str(each.message) for each in caught] == [
        "atlas.nii: AFNI's label table in its header names 2 of 3 regions; the others are named by their index."
    ]


@pytest.mark.parametrize(
    "content", ["", "words", "<atlas>", "<LabelTable></LabelTable>", afni("VALUE_LABEL_DTABLE", TABLE.replace('"', ""))]
)
def test_header_without_a_table_that_can_be_read_changes_nothing(tmp_path, content):
    regions = load(write(tmp_path / "atlas.nii", content, 4))
    assert (regions.names, regions.names_join) == (("roi 1", "roi 2", "roi 5"), None)


def test_size_that_an_extension_claims_is_not_believed(tmp_path):
    path = write(tmp_path / "atlas.nii", afni("VALUE_LABEL_DTABLE", TABLE), 4)
    content = bytearray(path.read_bytes())
    content[352:356] = (2**30).to_bytes(4, "little")
    path.write_bytes(content)
    assert load(path).names == ("roi 1", "roi 2", "roi 5")
