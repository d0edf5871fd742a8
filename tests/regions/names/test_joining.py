"""Names are joined by what a table says of indices; where that leaves two ways, or none, it is refused."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from niimasker.errors import RegionsError, record_warnings
from niimasker.regions.names.matching import choose_names

NAMES = ("Amygdala", "Caudate", "Hippocampus", "Putamen")


def choose(folder: Path, text: str, indices=(1, 2, 3, 4), file_name="names.csv", **options):
    path = folder / file_name
    path.write_text(text, encoding="utf-8")
    return choose_names([str(path)], indices, "atlas.nii.gz", **options)


def said(folder: Path, text: str, **options) -> str:
    with pytest.raises(RegionsError) as caught:
        choose(folder, text, **options)
    return str(caught.value).replace(f"{folder}/", "")


class TestIndex:
    @pytest.mark.parametrize(
        "heading",
        [
            "label_index",
            "number",
            "value",
            "key",
            "no",
            "idx",
            "intensity",
            "ROI_num",
            "node",
            "parcel",
            "voxel_value",
            "name",
            "label",
            "size",
            "x",
            "r",
            "Größe",
        ],
    )
    def test_column_of_the_images_indices_is_the_index_whatever_it_is_called(self, tmp_path, heading):
        rows = "3,Hippocampus\n1,Amygdala\n4,Putamen\n2,Caudate\n"
        named = choose(tmp_path, f"{heading},title\n{rows}")
        assert (named.names, named.join.how) == (NAMES, f"column {heading}")

    def test_numbers_beside_region_names_are_indices(self, tmp_path):
        named = choose(tmp_path, "Region,RegionName\n4,B\n2,A\n10,D\n5,C\n", indices=(2, 4, 5, 10))
        assert (named.names, named.join.how) == (("A", "B", "C", "D"), "column Region")

    def test_index_may_stand_behind_the_name(self, tmp_path):
        assert choose(tmp_path, "B,4\nA,2\nD,10\nC,5\n", indices=(2, 4, 5, 10)).names == ("A", "B", "C", "D")

    def test_index_is_the_column_that_covers_the_image_not_the_one_that_counts_rows(self, tmp_path):
        text = "row,value,name\n1,30,c\n2,10,a\n3,20,b\n"
        assert choose(tmp_path, text, indices=(10, 20, 30)).names == ("a", "b", "c")
        assert choose(tmp_path, text, indices=(1, 2, 3)).names == ("c", "a", "b")

    def test_two_columns_that_agree_are_no_problem(self, tmp_path):
        text = "id,value,name\n2,2,Caudate\n1,1,Amygdala\n"
        assert choose(tmp_path, text, indices=(1, 2)).names == NAMES[:2]

    def test_column_called_index_goes_before_another_that_covers(self, tmp_path):
        text = "rank,index,name\n1,2,Caudate\n2,1,Amygdala\n"
        named = choose(tmp_path, text, indices=(1, 2))
        assert (named.names, named.join.how) == (NAMES[:2], "column index")

    def test_column_called_index_that_does_not_cover_gives_way_to_one_that_does(self, tmp_path):
        text = "index,label,name\n0,1,Amygdala\n1,2,Caudate\n"
        assert choose(tmp_path, text, indices=(1, 2)).names == NAMES[:2]

    def test_networks_are_no_index_though_their_numbers_cover_the_image(self, tmp_path):
        text = "network,number,name\n1,4,Putamen\n2,1,Amygdala\n3,3,Hippocampus\n4,2,Caudate\n1,5,x\n2,6,y\n"
        with record_warnings():
            assert choose(tmp_path, text).names == NAMES

    def test_same_row_twice_is_one(self, tmp_path):
        assert choose(tmp_path, "1,Amygdala\n2,Caudate\n1,Amygdala\n", indices=(1, 2)).names == NAMES[:2]

    @pytest.mark.parametrize(
        ("file_name", "text"),
        [
            ("a.csv", "number;name\n2,0;Caudate\n1,00;Amygdala\n"),
            ("a.txt", "2. Caudate\n1. Amygdala\n"),
            ("a.txt", "2) Caudate\n1) Amygdala\n"),
        ],
    )
    def test_numbers_that_people_write_otherwise_are_indices_too(self, tmp_path, file_name, text):
        assert choose(tmp_path, text, indices=(1, 2), file_name=file_name).names == NAMES[:2]


class TestRefused:
    def test_two_columns_that_disagree(self, tmp_path):
        text = "rank,value,name\n1,2,Caudate\n2,1,Amygdala\n"
        assert said(tmp_path, text, indices=(1, 2)) == (
            "names.csv, a table separated by commas: column rank and column value both hold the indices of "
            "atlas.nii.gz and name index 1 'Caudate' and 'Amygdala'; call the right one index in a header, or "
            "remove the other."
        )

    def test_rows_of_pandas_counted_from_0_that_disagree_with_a_column(self, tmp_path):
        text = "index,label,name\n0,1,Amygdala\n1,2,Caudate\n2,3,Hippocampus\n"
        assert "column index and column label both hold" in said(tmp_path, text, indices=(1, 2))

    @pytest.mark.parametrize("text", ["index,name\n1,7\n2,8\n", "1,7\n2,8\n", "number,size\n2,70\n1,80\n"])
    def test_names_that_are_all_numbers(self, tmp_path, text):
        assert "its names are all numbers" in said(tmp_path, text, indices=(1, 2))

    def test_rows_of_numbers(self, tmp_path):
        assert said(tmp_path, "1 2 3 4 5\n6 7 8 9 10\n", indices=(1, 2), file_name="a.txt") == (
            "a.txt, a list with one name a line: its names are all numbers (1 2 3 4 5, 6 7 8 9 10); give a table with "
            "a column of names."
        )

    def test_list_of_numbers(self, tmp_path):
        assert said(tmp_path, "7\n8\n", indices=(1, 2), file_name="a.1D") == (
            "a.1D, a list with one name a line: its names are all numbers (7, 8); give a table with a column of names."
        )

    def test_numbers_that_are_not_the_images(self, tmp_path):
        assert said(tmp_path, "number,name\n7,Amygdala\n8,Caudate\n", indices=(1, 2)) == (
            "names.csv, a table separated by commas, names 2 indices in column number but atlas.nii.gz has 2 regions; "
            "index 1 of the image is the first without a name."
        )

    def test_several_columns_of_which_none_holds_the_indices(self, tmp_path):
        assert said(tmp_path, "number,value,name\n7,1,Amygdala\n8,3,Caudate\n", indices=(1, 2)) == (
            "names.csv, a table separated by commas: no column holds the 2 indices of atlas.nii.gz (column number "
            "lacks 1, column value lacks 2); correct the table, or remove the columns of other numbers."
        )

    def test_index_with_a_gap(self, tmp_path):
        assert "index 2 of the image is the first without a name" in said(
            tmp_path, "id,name\n1,Amygdala\n,Caudate\n", indices=(1, 2)
        )

    def test_index_given_twice(self, tmp_path):
        assert said(tmp_path, "1,Amygdala\n1,Caudate\n3,Hippocampus\n", indices=(1, 3)) == (
            "names.csv: index 1 is given 2 times in column 1; give each index one row."
        )

    def test_most_numbers_differ_so_that_one_is_mistaken(self, tmp_path):
        assert "index 1 is given 2 times in column 1" in said(tmp_path, "1,a\n1,b\n5,c\n", indices=(1, 2, 5))

    def test_names_that_end_in_numbers_out_of_order(self, tmp_path):
        assert said(tmp_path, "Area 3\nArea 1\nArea 2\n", indices=(1, 2, 3), file_name="a.txt") == (
            "a.txt, a list with one name a line: its names end in numbers that are not in order (Area 3, Area 1, Area "
            "2), and no column says which index each belongs to; add a column index."
        )

    @pytest.mark.parametrize("word", ["ROI{}", "L_{}", "0x{}", "[{}]", "{}L"])
    def test_words_that_hold_the_indices_out_of_order(self, tmp_path, word):
        rows = [f"{word.format(n)},{name}" for n, name in zip((3, 1, 2), "HAC", strict=True)]
        assert said(tmp_path, "\n".join(["id,name", *rows]), indices=(1, 2, 3)) == (
            "names.csv, a table separated by commas: the numbers in the words of column id are the image's indices, "
            "in another order (3, 1, 2); give the indices as whole numbers, in a column index."
        )
        assert "indices counted from 0, in another order (3, 1, 2)" in said(
            tmp_path, "\n".join(["id,name", *rows]), indices=(2, 3, 4)
        )
        in_order = "\n".join(["id,name", *sorted(rows)])
        assert choose(tmp_path, in_order, indices=(1, 2, 3)).names == ("A", "C", "H")

    @pytest.mark.parametrize("name", ["({}) a", "{}-a", "{}_a", "a ({})"])
    def test_names_that_hold_the_indices_out_of_order(self, tmp_path, name):
        text = "\n".join(name.format(n) for n in (3, 1, 2))
        assert said(tmp_path, text, indices=(1, 2, 3), file_name="a.txt") == (
            "a.txt, a list with one name a line: the numbers in the words of its names are the image's indices, in "
            "another order (3, 1, 2); give the indices as whole numbers, in a column index."
        )
        assert choose(tmp_path, text, indices=(11, 12, 13), file_name="a.txt").names == tuple(text.split("\n"))

    def test_counted_rows_that_begin_with_background(self, tmp_path):
        assert "index 3 of the image is the first without" in said(
            tmp_path, ",name\n0,Background\n1,a\n2,b\n", indices=(1, 2, 3)
        )

    def test_two_columns_of_words_without_a_header(self, tmp_path):
        assert "no column of names" in said(tmp_path, "1,Amygdala,AMY\n2,Caudate,CAU\n", indices=(1, 2))


class TestOrder:
    def test_table_without_any_number_is_matched_in_order(self, tmp_path):
        named = choose(tmp_path, "name,network\nAmygdala,x\nCaudate,x\n", indices=(4, 9))
        assert (named.names, named.join.how) == (NAMES[:2], "the order of its rows")

    @pytest.mark.parametrize("first", [0, 1])
    def test_rows_counted_without_a_heading_are_in_order(self, tmp_path, first):
        text = f",name\n{first},Amygdala\n{first + 1},Caudate\n"
        assert choose(tmp_path, text, indices=(4, 9)).names == NAMES[:2]

    @pytest.mark.parametrize("heading", ["size", "volume (mm3)", "n_voxels", "network"])
    def test_numbers_of_something_else_do_not_stand_in_the_way(self, tmp_path, heading):
        text = f"name,{heading}\nAmygdala,700\nCaudate,900\n"
        assert choose(tmp_path, text, indices=(4, 9)).names == NAMES[:2]

    def test_coordinates_and_colours_do_not_stand_in_the_way(self, tmp_path):
        text = "name,x,y,z,R,G,B\nAmygdala,1,2,3,10,20,30\nCaudate,4,5,6,11,21,31\n"
        assert choose(tmp_path, text, indices=(4, 9)).names == NAMES[:2]

    @pytest.mark.parametrize("word", ["Background", "Unknown", "???", "*.*.*.*.*"])
    def test_leading_background_is_dropped(self, tmp_path, word):
        assert choose(tmp_path, f"name\n{word}\na\nb\n", indices=(1, 2)).names == ("a", "b")

    def test_names_may_hold_numbers_of_thousands_of_digits(self, tmp_path):
        names = (f"a{'7' * 5000}", f"b{'8' * 5000}")
        assert choose(tmp_path, "\n".join(names), indices=(1, 2), file_name="a.txt").names == names


class TestSides:
    def test_name_with_an_index_on_each_side_is_named_with_the_side(self, tmp_path):
        text = "Structure,right.label,left.label\nPrecentral,2002,2001\nstem,9,9\nFrontal,2102,2101\n"
        named = choose(tmp_path, text, indices=(9, 2001, 2002, 2101, 2102))
        expected = ("stem", "Precentral left", "Precentral right", "Frontal left", "Frontal right")
        assert (named.names, named.join.how) == (expected, "columns right.label and left.label")

    def test_sides_that_do_not_hold_all_indices_are_refused(self, tmp_path):
        text = "Structure,right.label,left.label\nPrecentral,2002,2001\nFrontal,2102,2101\n"
        assert "column right.label lacks 7, column left.label lacks 7" in said(tmp_path, text, indices=(7, 2001))


class TestMaps:
    def test_maps_may_be_counted_from_0(self, tmp_path):
        named = choose(tmp_path, "index,name\n1,Caudate\n0,Amygdala\n", indices=(1, 2), are_maps=True)
        assert (named.names, named.join.how) == (NAMES[:2], "column index, which counts from 0")

    def test_labels_may_not(self, tmp_path):
        assert "index 2 of the image is the first without" in said(
            tmp_path, "index,name\n1,Caudate\n0,Amygdala\n", indices=(1, 2)
        )

    def test_background_is_no_map(self, tmp_path):
        assert "index 2 of the image is the first without" in said(
            tmp_path, "index,name\n0,Background\n1,Amygdala\n", indices=(1, 2), are_maps=True
        )


# Words that are no numbers: a row of numbers is no header.
headings = st.text(st.characters(categories=["L", "Nd", "Zs"], include_characters="_-()"), max_size=12).map(
    lambda text: f"c {text}".strip()
) | st.sampled_from(
    ["index", "Index", "number", "key", "value", "id", "size", "x", "r", "network", "label", "roi", "region", "color"]
)
index_sets = st.lists(st.integers(1, 3000), min_size=2, max_size=12, unique=True)


@st.composite
def tables(draw):
    """A table whose column of indices covers the image, as text; the image's indices; other headings and numbers."""
    in_table = draw(index_sets)
    in_image = sorted(draw(st.lists(st.sampled_from(in_table), min_size=1, unique=True)))
    heading, other_heading = draw(st.lists(headings, min_size=2, max_size=2, unique=True))
    # Another column of whole numbers: ranks, row numbers, a shifted index, sizes, ...
    others = draw(
        st.one_of(
            st.none(),
            st.permutations(in_table),
            st.just(list(range(len(in_table)))),
            st.just([index + 1 for index in in_table]),
            st.lists(st.integers(0, 3000), min_size=len(in_table), max_size=len(in_table)),
        )
    )
    columns = [[heading, *map(str, in_table)], ["name", *(f"name of {index}" for index in in_table)]]
    if others is not None:
        columns.append([other_heading, *map(str, others)])
    header, *rows = zip(*draw(st.permutations(columns)), strict=True)
    delimiter = draw(st.sampled_from([",", ";", "\t"]))
    text = "\n".join(delimiter.join(row) for row in [header, *draw(st.permutations(rows))])
    return text, tuple(in_image), None if others is None else other_heading


@settings(deadline=None, max_examples=300)
@example(("c 0 ),name\n1,name of 1\n2,name of 2", (1,), None))
@given(tables())
def test_no_index_column_of_any_name_is_joined_wrongly(drawn):
    text, indices, other_heading = drawn
    with tempfile.TemporaryDirectory() as folder, record_warnings():
        try:
            named = choose(Path(folder), text, indices)
        except RegionsError:
            # Another column of numbers may leave two ways.
            assert other_heading is not None
            return
    # What is called index is the index.
    is_other = (other_heading or "").lower() == "index" and named.join.how == f"column {other_heading}"
    assert is_other or named.names == tuple(f"name of {index}" for index in indices)


@settings(deadline=None, max_examples=100)
@given(
    st.data(),
    st.sampled_from(["{0},{1}", "{0}\t{1}", "{0} {1}", "{1},{0}", '{0} 1 2 3 1 1 1 "{1}"', "{0} {1} 1 2 3 0"]),
)
def test_shuffled_rows_change_no_join_by_index(data, form):
    indices = sorted(data.draw(index_sets))
    rows = [form.format(index, f"region_{index}") for index in indices]
    with tempfile.TemporaryDirectory() as folder:
        shuffled = choose(Path(folder), "\n".join(data.draw(st.permutations(rows))), tuple(indices))
    assert shuffled.names == tuple(f"region_{index}" for index in indices)
