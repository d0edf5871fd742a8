from __future__ import annotations

from pathlib import Path

import pytest

from niimasker.errors import ImageError
from niimasker.inputs.structures import find_side, find_structure, parse_structure


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CortexLeft", "CORTEX_LEFT"),
        (" CortexRight\n", "CORTEX_RIGHT"),
        ("CORTEX_LEFT", "CORTEX_LEFT"),
        ("CIFTI_STRUCTURE_CORTEX_RIGHT", "CORTEX_RIGHT"),
        ("HippocampusDentateLeft", "HIPPOCAMPUS_DENTATE_LEFT"),
        ("CerebellumRight", "CEREBELLUM_RIGHT"),
        ("Cerebellum", "CEREBELLUM"),
        ("Cortex", None),
        ("CortexRightAndLeft", None),
        ("Invalid", None),
        ("Left", None),
        ("", None),
        ("unknown", None),
        ("All", None),
    ],
)
def test_names_of_gifti_are_read_as_cifti_s(text, expected):
    assert parse_structure(text) == expected


@pytest.mark.parametrize(
    ("structure", "side"), [("CORTEX_LEFT", "L"), ("CORTEX_RIGHT", "R"), ("CEREBELLUM", None), ("BRAIN_STEM", None)]
)
def test_side_is_that_of_the_name(structure, side):
    assert find_side(structure) == side


class TestFindStructure:
    @pytest.mark.parametrize("name", ["hemi-L_bold.func.gii", "lh.aparc.annot", "a.L.label.gii"])
    @pytest.mark.parametrize("stated", [None, "CORTEX_LEFT"])
    def test_file_and_name_agree(self, name, stated):
        assert find_structure(Path(name), stated) == "CORTEX_LEFT"

    def test_structure_without_a_side_does_not_contradict_the_name(self):
        assert find_structure(Path("hemi-L_bold.func.gii"), "CEREBELLUM") == "CEREBELLUM"

    @pytest.mark.parametrize("name", ["hemi-R_bold.func.gii", "rh.bold.gii", "a.R.func.gii"])
    def test_contradiction_is_an_error(self, name):
        with pytest.raises(ImageError, match="its name says right hemisphere, but the file says HIPPOCAMPUS_LEFT"):
            find_structure(Path(name), "HIPPOCAMPUS_LEFT")
