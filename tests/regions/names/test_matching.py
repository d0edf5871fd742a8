from __future__ import annotations

import pytest

from niimasker.errors import NiimaskerWarning, RegionsError
from niimasker.regions.names.columns import NAME_COLUMNS
from niimasker.regions.names.matching import choose_names, find_names_path, make_unique
from niimasker.regions.names.tables import read_label_table

INDICES = (1, 2, 5)


def choose(*labels, indices=INDICES):
    return choose_names(labels, indices, "atlas.nii.gz").names


@pytest.fixture
def table(tmp_path):
    """A function that writes a table and returns its path as an option's value."""

    def write(text, name="names.tsv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def said(*labels, indices=INDICES):
    """Return the error about names that do not fit, in one line."""
    with pytest.raises(RegionsError) as caught:
        choose(*labels, indices=indices)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestDefault:
    def test_names_hold_the_index(self):
        assert choose() == ("roi 1", "roi 2", "roi 5")


class TestList:
    def test_names_come_in_order(self):
        assert choose("c", "a", "b") == ("c", "a", "b")

    def test_one_name_for_one_region(self):
        assert choose("V1", indices=(255,)) == ("V1",)

    @pytest.mark.parametrize("name", ["Área 3b", "額葉", 'a "b"', "it's", "a, b", "#1", "n/a"])
    def test_unusual_names_stay(self, name):
        assert choose(name, indices=(1,)) == (name,)

    def test_too_few_say_both_counts_and_the_first_index_without_name(self):
        message = said("a", "b")
        assert all(words in message for words in ("2 names", "atlas.nii.gz has 3 regions", "index 5"))

    def test_too_many_say_both_counts_and_the_first_name_without_region(self):
        message = said("a", "b", "c", "d", "e")
        assert all(words in message for words in ("5 names", "atlas.nii.gz has 3 regions", "'d'"))
        assert "'e'" not in message


class TestTable:
    @pytest.mark.parametrize("column", ["Labels", "Label", "label", "name"])
    @pytest.mark.parametrize(("suffix", "separator"), [("tsv", "\t"), ("csv", ","), ("TSV", "\t"), ("CSV", ",")])
    def test_every_column_of_names_is_known(self, table, column, suffix, separator):
        rows = [["n", column], ["x", "a"], ["y", "b"], ["z", "c"]]
        text = "".join(separator.join(row) + "\n" for row in rows)
        assert choose(table(text, f"names.{suffix}")) == ("a", "b", "c")

    @pytest.mark.parametrize("column", NAME_COLUMNS)
    def test_shuffled_rows_join_by_index(self, table, column):
        assert choose(table(f"{column}\tindex\nfive\t5\none\t1\ntwo\t2\n")) == ("one", "two", "five")

    def test_without_index_rows_follow_ascending_index(self, table):
        assert choose(table("name\nc\na\nb\n")) == ("c", "a", "b")

    def test_table_of_windows_is_read(self, table):
        assert choose(table("\ufeffindex\tname\r\n1\ta\r\n2\tb\r\n5\tÄ\r\n")) == ("a", "b", "Ä")

    def test_quoted_names_hold_commas_and_quotes(self, table):
        text = 'index,name\n1,"Frontal, left"\n2,"the ""other"""\n5,c\n'
        assert choose(table(text, "names.csv")) == ("Frontal, left", 'the "other"', "c")

    @pytest.mark.parametrize("name", ["NA", "null", "None", "nan", "n/a", "True"])
    def test_text_that_looks_like_something_else_stays(self, table, name):
        assert choose(table(f"index\tname\n1\t{name}\n"), indices=(1,)) == (name,)

    def test_spaces_around_names_are_dropped(self, table):
        assert choose(table("name\n a\nb \nc\n")) == ("a", "b", "c")

    def test_index_written_as_a_decimal_joins(self, table):
        assert choose(table("index\tname\n5.0\tc\n1.0\ta\n2.0\tb\n")) == ("a", "b", "c")

    def test_table_below_the_home_folder_is_found(self, table, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        table("name\na\nb\nc\n")
        assert choose("~/names.tsv") == ("a", "b", "c")

    def test_table_without_names_shows_the_columns_expected_and_found(self, table):
        message = said(table("index\ttitle\tsubtitle\n1\ta\tx\n2\tb\ty\n"))
        assert "names.tsv" in message
        assert all(column in message for column in (*NAME_COLUMNS, "index, title, subtitle"))

    def test_only_column_of_words_holds_the_names_whatever_it_is_called(self, table):
        assert choose(table("index\ttitle\n5\tc\n1\ta\n2\tb\n")) == ("a", "b", "c")

    def test_missing_table_is_named(self, tmp_path):
        assert "names.tsv" in said(str(tmp_path / "names.tsv"))

    @pytest.mark.parametrize("text", ["", "\n\n"])
    def test_empty_table_is_named(self, table, text):
        path = table(text)
        assert said(path) == f"{path} is empty; give a table with a column of names."

    def test_table_in_another_encoding_is_named(self, tmp_path):
        path = tmp_path / "names.tsv"
        path.write_bytes("name\nÄ\n".encode("latin-1"))
        assert said(str(path)) == (
            f"{path} is not UTF-8 text (byte 0xc4); give an uncompressed text table saved as UTF-8."
        )

    # pandas takes a first value without header as the row's name, and what is left is half a name.
    def test_comma_without_quotes_is_refused(self, table):
        assert "names.csv" in said(table("name\nFrontal, left\nFrontal, right\nOccipital, left\n", "names.csv"))

    def test_row_longer_than_the_header_is_refused(self, table):
        assert "names.csv" in said(table("index,name\n1,a\n2,b, left\n5,c\n", "names.csv"))

    def test_row_that_is_too_short_is_refused(self, table):
        path = table("index\tname\n1\ta\n2\n5\tc\n")
        assert said(path) == (
            f"{path} has 1 value in row 2 but 2 names in the header (the first row below the header is row 1); "
            "correct that row."
        )

    @pytest.mark.parametrize("name", ["", " "])
    def test_row_without_a_name_is_refused(self, table, name):
        path = table(f"index\tname\n1\ta\n2\t{name}\n5\tc\n")
        assert said(path) == (
            f"{path}: no name in row 2 (the first row below the header is row 1), of index 2; give it one."
        )

    def test_row_without_a_name_does_no_harm_where_the_image_lacks_its_index(self, table):
        assert choose(table("index\tname\n1\ta\n2\tb\n5\tc\n0\t\n")) == ("a", "b", "c")


class TestColumnsAsFound:
    @pytest.mark.parametrize("column", [*NAME_COLUMNS, "ROI Name", "Region", "Region_Name", "ROI-NAME", "Difumo_names"])
    def test_columns_of_names_are_known_however_they_are_spelt(self, table, column):
        assert choose(table(f"n,{column}\nx,a\ny,b\nz,c\n", "names.csv")) == ("a", "b", "c")

    @pytest.mark.parametrize("column", ["Index", "ROI Label", "ROI_ID", "region index", "Label ID", "ID", "Component"])
    def test_columns_of_indices_join(self, table, column):
        assert choose(table(f"{column}\tname\n5\tc\n1\ta\n2\tb\n")) == ("a", "b", "c")

    @pytest.mark.parametrize("column", ["label", "roi", "region"])
    def test_numbers_under_a_column_of_names_are_indices_of_the_words(self, table, column):
        assert choose(table(f"{column}\tstructure\n5\tc\n1\ta\n2\tb\n")) == ("a", "b", "c")

    @pytest.mark.parametrize("ids", [("x1", "x2", "x3"), ("7", "7", "7")])
    def test_ids_that_are_no_indices_leave_the_order(self, table, ids):
        rows = "".join(f"{each}\t{name}\n" for each, name in zip(ids, "cab", strict=True))
        assert choose(table(f"id\tname\n{rows}")) == ("c", "a", "b")

    def test_index_goes_before_other_numbers(self, table):
        assert choose(table("id\tindex\tname\n1\t5\tc\n2\t1\ta\n3\t2\tb\n")) == ("a", "b", "c")

    @pytest.mark.parametrize("filling", ["", ",,,"])
    def test_two_columns_without_a_header_are_index_and_name(self, table, filling):
        text = "".join(f"{row}{filling}\n" for row in ("5,c", "0,nothing", "1,a", "2,b"))
        assert choose(table(text, "names.csv")) == ("a", "b", "c")

    def test_three_columns_without_a_header_are_refused(self, table):
        message = said(table("1,a,x\n2,b,y\n5,c,z\n", "names.csv"))
        assert "no column of names" in message
        assert "two columns without a header, index and name; found column 1, column 2, column 3." in message


COLORS = """# colours
#No. Label Name:    R   G   B   A

0   Unknown     0   0   0   0
5   c         205  62  78   0
1   a          70 130 180   0  1
2   b         245 245 245
1035 ctx-lh-insula 255 192 32 0
"""


class TestColorTables:
    @pytest.mark.parametrize("name", ["FreeSurferColorLUT.txt", "aparc.ctab", "LUT.TXT"])
    def test_rows_join_by_index_and_others_do_no_harm(self, table, name):
        assert choose(table(COLORS, name)) == ("a", "b", "c")

    def test_line_ends_of_windows_are_none_of_it(self, table):
        assert choose(table(COLORS.replace("\n", "\r\n"), "lut.txt")) == ("a", "b", "c")

    def test_region_without_a_row_is_told_with_both_sides(self, table):
        message = said(table(COLORS, "lut.txt"), indices=(1, 2, 7))
        assert all(words in message for words in ("lut.txt", "atlas.nii.gz has 3 regions", "index 7"))

    @pytest.mark.parametrize("line", ["a", "1 a", "1 a 0 0", "x a 0 0 0 0", "1 a 0 0 red 0", "1 0 0 0"])
    def test_line_of_another_kind_is_shown(self, table, line):
        path = table(f"0 Unknown 0 0 0 0\n{line}\n", "lut.txt")
        assert said(path) == (
            f"{path}: line 2, {line!r}, does not fit; the others are a colour table of FreeSurfer (index, name, R, G, "
            "B, and opacity or not); correct it."
        )

    def test_comments_alone_name_nothing(self, table):
        assert "names nothing" in said(table("# a\n\n", "lut.txt"))

    def test_missing_file_is_named(self, tmp_path):
        assert "lut.txt cannot be read" in said(str(tmp_path / "lut.txt"))

    def test_index_given_twice_matters_where_the_image_has_it(self, table):
        path = table(f"{COLORS}77 x 0 0 0 0\n77 y 0 0 0 0\n", "lut.txt")
        assert choose(path) == ("a", "b", "c")
        assert "index 77 is given 2 times" in said(path, indices=(1, 2, 77))

    def test_colours_without_gaps_that_name_more_are_told(self, table):
        text = "".join(f"{index} n{index} 0 0 0 0\n" for index in range(1, 9))
        with pytest.warns(NiimaskerWarning) as caught:
            assert choose(table(text, "order.txt"), indices=(1, 2, 3)) == ("n1", "n2", "n3")
        assert [str(each.message) for each in caught] == [
            "atlas.nii.gz: order.txt names 5 regions that the image does not have (4 'n4', 5 'n5', 6 'n6', 7 'n7', "
            "8 'n8'); check that it belongs to this atlas."
        ]

    def test_table_with_colours_and_gaps_may_name_more(self, table):
        rows = "".join(
            f"{index}\t{name}\t#000000\n" for index, name in ((0, "x"), (1, "a"), (2, "b"), (5, "c"), (77, "d"))
        )
        assert choose(table(f"index\tname\tcolor\n{rows}")) == ("a", "b", "c")


def test_table_of_names_is_known_by_its_suffix_or_by_being_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels").write_text("a\n")
    words = ([], ["a"], ["a.tsv", "b.tsv"], ["lut.TXT"], ["a.csv"], ["a.label"], ["labels"], ["labels", "b"])
    found = [find_names_path(labels) for labels in words]
    assert [path and path.name for path in found] == [None, None, None, "lut.TXT", "a.csv", "a.label", "labels", None]


def test_workbook_is_to_be_saved_as_a_table(table):
    path = table("PK", "names.xlsx")
    assert said(path) == f"{path} is a workbook; save its table as .csv or .tsv."


class TestJoin:
    def test_too_few_say_both_counts_and_the_first_index_without_name(self, table):
        message = said(table("index\tname\n5\tc\n1\ta\n"))
        assert all(words in message for words in ("names.tsv", " 2 ", "atlas.nii.gz has 3 regions", "index 2"))

    def test_names_of_regions_that_are_not_there_are_told_once_with_their_number(self, table):
        with pytest.warns(NiimaskerWarning) as caught:
            assert choose(table("index\tname\n5\tc\n1\ta\n2\tb\n9\tz\n7\ty\n")) == ("a", "b", "c")
        assert [str(each.message) for each in caught] == [
            "atlas.nii.gz: names.tsv names 2 regions that the image does not have (7 'y', 9 'z'); check that it "
            "belongs to this atlas."
        ]

    def test_same_count_with_other_indices_is_refused(self, table):
        assert "index 5" in said(table("index\tname\n1\ta\n2\tb\n3\tc\n"))

    def test_index_0_is_background(self, table):
        assert choose(table("index\tname\n0\tBackground\n1\ta\n2\tb\n5\tc\n")) == ("a", "b", "c")

    def test_index_0_is_the_first_seed_where_regions_count_from_0(self, table):
        assert choose(table("index\tname\n1\tb\n0\ta\n"), indices=(0, 1)) == ("a", "b")

    @pytest.mark.parametrize("index", ["one", "", "1.5", "nan", "inf"])
    def test_index_that_is_not_whole_is_shown(self, table, index):
        assert f"names.tsv: '{index}' in column index" in said(table(f"index\tname\n{index}\ta\n2\tb\n5\tc\n"))

    @pytest.mark.parametrize("again", ["1", "1.0"])
    def test_index_given_twice_is_shown(self, table, again):
        assert "names.tsv: index 1 is given 2 times" in said(table(f"index\tname\n1\ta\n{again}\tb\n5\tc\n"))


class TestBackground:
    @pytest.mark.parametrize("word", ["Background", "background", "BACKGROUND"])
    def test_leading_background_is_dropped_when_the_others_fit(self, word):
        assert choose(word, "a", "b", "c") == ("a", "b", "c")

    def test_leading_background_of_a_table_is_dropped(self, table):
        assert choose(table("name\nBackground\na\nb\nc\n")) == ("a", "b", "c")

    def test_background_stays_when_it_fits(self):
        assert choose("Background", "a", "b") == ("Background", "a", "b")

    def test_background_elsewhere_is_not_dropped(self):
        assert "4 names" in said("a", "Background", "b", "c")

    @pytest.mark.parametrize("others", [["a"], ["a", "b", "c", "d"]])
    def test_background_stays_in_the_counts_when_dropping_does_not_help(self, others):
        assert f"{len(others) + 1} names" in said("Background", *others)


class TestUnique:
    def test_duplicates_get_their_index_with_a_warning_that_names_them(self):
        with pytest.warns(NiimaskerWarning, match=r"atlas\.nii\.gz.*'a'.*index"):
            assert choose("a", "b", "a") == ("a 1", "b", "a 5")

    def test_duplicates_of_a_table_get_the_index_they_join_by(self, table):
        with pytest.warns(NiimaskerWarning, match="'a'"):
            assert choose(table("index\tname\n5\ta\n2\ta\n1\tb\n")) == ("b", "a 2", "a 5")

    def test_names_that_stay_alike_are_refused(self):
        with (
            pytest.warns(NiimaskerWarning, match="'a'"),
            pytest.raises(RegionsError, match=r"atlas\.nii\.gz.*rename 'a'"),
        ):
            choose("a", "a", "a 1")

    def test_names_that_differ_in_case_are_different(self):
        assert choose("a", "A", "b") == ("a", "A", "b")

    @pytest.mark.parametrize("name", ["", " ", "\t", "a\tb", "a\nb", "a\rb", "a\x00b", "a\x1bb", "a\x85b"])
    def test_empty_names_and_control_characters_are_refused(self, name):
        assert repr(name) in said("a", name, "c")

    @pytest.mark.parametrize("space", ["\u00a0", "\u3000", "\u202f"])
    def test_other_spaces_are_no_control_characters(self, space):
        assert choose(f"a{space}b", indices=(1,)) == (f"a{space}b",)

    def test_unique_names_stay(self):
        assert make_unique(["a", "b"], [1, 2], "atlas") == ("a", "b")


class TestRealTables:
    def test_aal_has_no_header_but_index_and_name(self, data_dir):
        table = read_label_table(data_dir / "atlas" / "AAL.csv")
        assert [column.numbers for column in table.columns] == [tuple(range(121))]
        assert (table.names[0], table.names[1], table.names[120]) == ("null", "L_Precentral_gyrus", "Vermis_10")

    # It names the second AAL: the first has other regions under the same indices.
    def test_names_of_aal_2_are_told_to_be_more_than_those_of_aal_1(self, data_dir):
        with pytest.warns(NiimaskerWarning, match=r"AAL\.csv names 4 regions that the image does not have \(117 "):
            choose(str(data_dir / "atlas" / "AAL.csv"), indices=tuple(range(1, 117)))

    def test_schaefer_centroids_name_by_their_label(self, data_dir):
        (table_path,) = (data_dir / "atlas").glob("Schaefer2018_100Parcels*.Centroid_XYZ.tsv")
        table = read_label_table(table_path)
        assert [(column.title, column.numbers) for column in table.columns] == [
            ("column ROI Label", tuple(range(1, 101)))
        ]
        assert table.names[:2] == ("7Networks_LH_Vis_1", "7Networks_LH_Vis_2")

    def test_list_with_one_name_a_line_is_read_in_order(self, data_dir):
        path = data_dir / "atlas" / "schaefer400x7NodeNames.txt"
        assert choose(str(path), indices=tuple(range(1, 401))) == tuple(path.read_text().split())

    def test_names_of_schaefer_400_fit_its_indices(self, data_dir):
        names = (data_dir / "atlas" / "schaefer400x7NodeNames.txt").read_text().split()
        assert choose(*names, indices=tuple(range(1, 401))) == tuple(names)
