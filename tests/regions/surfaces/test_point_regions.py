"""Which points make a region: keys, tables of names, hemispheres, maps and masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from niimasker.errors import NiimaskerWarning, RegionsError
from niimasker.inputs.grayordinates import Grayordinates, SurfaceModel
from niimasker.regions.definitions import PointLabels, PointMaps
from niimasker.regions.surfaces.atlas_values import AtlasValues, choose_only_map
from niimasker.regions.surfaces.point_regions import find_regions, tell_sides_apart

N = 6
MODELS = {
    side: SurfaceModel(f"CORTEX_{name}", N, np.arange(N, dtype=np.int32))
    for side, name in (("L", "LEFT"), ("R", "RIGHT"))
}


def make_pair(left, right, tables=None):
    """Return an atlas of two GIFTI files, whose keys are their own."""
    return AtlasValues(
        "lh.atlas.label.gii",
        (Path("lh.atlas.label.gii"), Path("rh.atlas.label.gii")),
        Grayordinates(tuple(MODELS.values())),
        np.array([*left, *right], dtype=float)[:, None],
        ("map",),
        ("L", "R"),
        np.repeat([0, 1], N),
        None if tables is None else tuple((table,) for table in tables),
    )


def make_cifti(values, table=None, names=("map",)):
    values = np.array(values, dtype=float)
    values = values[:, None] if values.ndim == 1 else values
    return AtlasValues(
        "atlas.dlabel.nii",
        (Path("atlas.dlabel.nii"),),
        Grayordinates((MODELS["L"],)),
        values,
        names,
        ("",),
        np.zeros(len(values), dtype=int),
        None if table is None else ((table,) * values.shape[1],),
    )


def labels_of(found):
    assert isinstance(found.definition, PointLabels)
    return found.definition.labels.tolist()


@pytest.mark.parametrize("value", [1.5, np.inf, -np.inf, 2.0**40])
def test_labels_that_cannot_be_keys_are_refused(value):
    with pytest.raises(RegionsError, match=r"atlas.dlabel.nii: holds labels that are no whole numbers of 32 bits"):
        find_regions(make_cifti([0, 1, value], {0: "???", 1: "A"}))


def test_names_come_from_the_table_by_key_in_ascending_order_of_key():
    found = find_regions(make_cifti([30, 7, 7, 0, 12, 30], {30: "C", 0: "???", 7: "A", 12: "B"}))
    assert (found.keys, found.names) == ((7, 12, 30), ("A", "B", "C"))
    assert labels_of(found) == [3, 1, 1, 0, 2, 3]


def test_keys_of_the_hemispheres_are_never_merged():
    found = find_regions(make_pair([0, 1, 1, 2, 2, 2], [1, 1, 0, 0, 3, 3], [{1: "A", 2: "B"}, {1: "A", 3: "C"}]))
    assert list(zip(found.sides, found.keys, found.names, strict=True)) == [
        ("L", 1, "A"),
        ("L", 2, "B"),
        ("R", 1, "A"),
        ("R", 3, "C"),
    ]
    assert labels_of(found) == [0, 1, 1, 2, 2, 2, 3, 3, 0, 0, 4, 4]


def test_prefix_stands_only_where_a_name_is_in_both_hemispheres():
    assert tell_sides_apart(["A", "B", "A", "C"], ["L", "L", "R", "R"]) == ("L_A", "B", "R_A", "C")
    assert tell_sides_apart(["A", "A"], ["", ""]) == ("A", "A")


def test_numbers_without_a_table_are_of_their_hemisphere_too():
    found = find_regions(make_pair([0, 1, 1, 2, 2, 2], [1, 1, 0, 0, 2, 2]))
    assert found.names is None
    assert list(zip(found.sides, found.keys, strict=True)) == [("L", 1), ("L", 2), ("R", 1), ("R", 2)]


def test_background_is_0_minus_1_and_what_workbench_calls_unlabelled():
    found = find_regions(make_cifti([0, -1, 5, 5, 9, 9], {0: "???", 5: "???", 9: "A", -1: "???"}))
    assert (found.keys, found.names) == ((9,), ("A",))


def test_key_0_with_a_name_is_background_and_a_warning():
    with pytest.warns(NiimaskerWarning, match=r"key 0 \('V1'\) is taken for background"):
        found = find_regions(make_cifti([0, 0, 1, 1, 2, 2], {0: "V1", 1: "V2", 2: "V3"}))
    assert found.keys == (1, 2)


@pytest.mark.parametrize("name", ["unknown", "Medial_wall", "Background+FreeSurfer_Defined_Medial_Wall", "???"])
def test_usual_names_of_key_0_are_no_warning(name):
    assert find_regions(make_cifti([0, 0, 1, 1, 2, 2], {0: name, 1: "V2", 2: "V3"})).keys == (1, 2)


def test_label_without_a_point_keeps_its_place():
    with pytest.warns(NiimaskerWarning, match=r"1 label of its table without a point \(B\); its column is n/a"):
        found = find_regions(make_cifti([0, 1, 1, 3, 3, 3], {1: "A", 2: "B", 3: "C"}))
    assert found.names == ("A", "B", "C")
    assert labels_of(found) == [0, 1, 1, 3, 3, 3]


def test_key_without_a_name_is_named_by_its_number():
    with pytest.warns(NiimaskerWarning, match=r"2 labels without a name in its table \(4, 8\)"):
        found = find_regions(make_cifti([0, 4, 4, 8, 3, 3], {3: "A", 8: " "}))
    assert found.names == ("A", "roi 4", "roi 8")


def test_key_of_minus_1_with_a_name_is_background_with_a_warning():
    with pytest.warns(NiimaskerWarning, match=r"key -1 \('V1'\) is taken for background"):
        found = find_regions(make_cifti([-1, -1, 2, 2, 2, 2], {-1: "V1", 2: "V2"}))
    assert found.names == ("V2",)


def test_named_background_of_the_right_hemisphere_names_its_file():
    with pytest.warns(NiimaskerWarning, match=r"^rh\.atlas\.label\.gii: key 0 \('V1'\)"):
        find_regions(make_pair([1] * N, [0, *[1] * 5], [{0: "???", 1: "A"}, {0: "V1", 1: "B"}]))


def test_several_maps_of_labels_need_a_choice():
    atlas = make_cifti([[0, 1]] * 3 + [[2, 2]] * 3, {1: "A", 2: "B"}, ("Brodmann", "lobes of it"))
    with pytest.raises(RegionsError, match=r"2 maps \(1 'Brodmann', 2 'lobes of it'\); .*--roi_file .*:Brodmann"):
        find_regions(atlas)
    assert choose_only_map(atlas.select(1), "--roi_file").map_names == ("lobes of it",)


def test_real_numbers_are_maps():
    values = np.array([[0.1, 0.0], [0.2, 0.3], [0, 0.1], [0, 0], [0, 0], [0, -0.2]])
    found = find_regions(make_cifti(values, names=("DMN", "SMN")))
    assert isinstance(found.definition, PointMaps)
    assert (found.names, found.definition.are_weights) == (("DMN", "SMN"), False)


@pytest.mark.parametrize(("low", "are_weights"), [(0.0, True), (-0.1, False)])
def test_one_map_that_is_not_negative_is_weights(low, are_weights):
    found = find_regions(make_cifti([low, 0.5, 1, 0, 0, 0.25]))
    assert found.definition.are_weights is are_weights


def test_several_masks_are_maps_and_several_parcellations_need_a_choice():
    assert isinstance(find_regions(make_cifti([[1, 0]] * 3 + [[1, 1]] * 3, names=("a", "b"))).definition, PointMaps)
    with pytest.raises(RegionsError, match="choose one by name or number"):
        find_regions(make_cifti([[1, 0]] * 3 + [[2, 1]] * 3, names=("a", "b")))


@pytest.mark.parametrize("value", [1, 255, 0.5, -1])
def test_mask_is_one_region(value):
    found = find_regions(make_cifti([0, value, value, 0, 0, 0]))
    assert labels_of(found) == [0, 1, 1, 0, 0, 0]


def test_minus_1_beside_indices_is_background():
    found = find_regions(make_cifti([-1, -1, 2, 2, 5, 5]))
    assert found.keys == (2, 5)
    assert labels_of(found) == [0, 0, 1, 1, 2, 2]


def test_table_that_both_hemispheres_share_gives_each_label_once():
    table = {0: "???", 1: "LH_A", 2: "LH_B", 3: "RH_A", 4: "RH_B", 5: "both", 6: "none"}
    with pytest.warns(NiimaskerWarning, match=r"2 labels of its table without a point \(none, none\)"):
        found = find_regions(make_pair([0, 1, 1, 2, 5, 5], [3, 3, 4, 4, 5, 5], [table, table]))
    assert list(zip(found.sides, found.names, strict=True)) == [
        *[("L", name) for name in ("LH_A", "LH_B", "both", "none")],
        *[("R", name) for name in ("RH_A", "RH_B", "both", "none")],
    ]
    assert labels_of(found) == [0, 1, 1, 2, 3, 3, 5, 5, 6, 6, 7, 7]


def test_label_without_a_point_stays_where_the_other_hemisphere_calls_the_key_otherwise():
    with pytest.warns(NiimaskerWarning, match=r"1 label of its table without a point \(B\)"):
        found = find_regions(make_pair([0, 1, 1, 1, 1, 1], [2, 2, 2, 2, 2, 2], [{1: "A", 2: "B"}, {2: "C"}]))
    assert found.names == ("A", "B", "C")


def test_label_without_a_point_stays_where_most_keys_stand_in_both_hemispheres():
    """A subject without a frontal pole in one hemisphere has the columns of the others."""
    table = {0: "unknown", 1: "insula", 2: "cuneus", 3: "frontalpole"}
    with pytest.warns(NiimaskerWarning, match=r"1 label of its table without a point \(frontalpole\)"):
        found = find_regions(make_pair([0, 1, 1, 2, 2, 3], [0, 1, 1, 2, 2, 2], [table, table]))
    assert list(zip(found.sides, found.names, strict=True)) == [
        *[("L", name) for name in ("insula", "cuneus", "frontalpole")],
        *[("R", name) for name in ("insula", "cuneus", "frontalpole")],
    ]
