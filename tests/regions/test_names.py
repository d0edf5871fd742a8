from __future__ import annotations

import pytest

from niimasker.errors import NiimaskerWarning, RegionsError
from niimasker.regions.names import LABEL_COLUMNS, choose_names, make_unique, read_labels

INDICES = (1, 2, 5)


def choose(*labels, indices=INDICES):
    return choose_names(labels, indices, "atlas.nii.gz")


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

    @pytest.mark.parametrize("column", LABEL_COLUMNS)
    def test_shuffled_rows_join_by_index(self, table, column):
        assert choose(table(f"{column}\tindex\nfive\t5\none\t1\ntwo\t2\n")) == ("one", "two", "five")

    def test_without_index_rows_follow_ascending_index(self, table):
        assert choose(table("name\nc\na\nb\n")) == ("c", "a", "b")

    def test_table_of_windows_is_read(self, table):
        assert choose(table("\ufeffindex\tname\r\n1\ta\r\n2\tb\r\n5\tÄ\r\n")) == ("a", "b", "Ä")

    def test_quoted_names_hold_commas_and_quotes(self, table):
        text = 'index,name\n1,"Frontal, left"\n2,"the ""other"""\n5,c\n'
        assert choose(table(text, "names.csv")) == ("Frontal, left", 'the "other"', "c")

    @pytest.mark.parametrize("name", ["NA", "null", "None", "nan", "n/a", "007", "1.0", "True"])
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
        message = said(table("index\ttitle\n1\ta\n"))
        assert "names.tsv" in message
        assert all(column in message for column in (*LABEL_COLUMNS, "index, title"))

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
        assert said(path) == f"{path}: no name in row 2 (the first row below the header is row 1); give it one."


class TestJoin:
    def test_too_few_say_both_counts_and_the_first_index_without_name(self, table):
        message = said(table("index\tname\n5\tc\n1\ta\n"))
        assert all(words in message for words in ("names.tsv", " 2 ", "atlas.nii.gz has 3 regions", "index 2"))

    def test_too_many_say_both_counts_and_the_first_name_without_region(self, table):
        message = said(table("index\tname\n5\tc\n1\ta\n2\tb\n9\tz\n7\ty\n"))
        assert all(words in message for words in ("names.tsv", " 5 ", "atlas.nii.gz has 3 regions", "index 7", "'y'"))

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
    def test_file_without_a_header_shows_what_was_found(self, data_dir):
        with pytest.raises(RegionsError, match=r"AAL\.csv: no column of names; expected one of Labels.*null"):
            read_labels(data_dir / "atlas" / "AAL.csv")

    def test_names_of_schaefer_400_fit_its_indices(self, data_dir):
        names = (data_dir / "atlas" / "schaefer400x7NodeNames.txt").read_text().split()
        assert choose(*names, indices=tuple(range(1, 401))) == tuple(names)
