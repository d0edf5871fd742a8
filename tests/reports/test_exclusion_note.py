"""The note that a run is excluded is replaced on its page, and nothing else is."""

from __future__ import annotations

from niimasker.reports.exclusion_note import make_note, update_note

PAGE = "<h1>a</h1>\n{}\n<p>b</p></html>"


def test_note_is_replaced_and_removed(tmp_path):
    path = tmp_path / "page.html"
    path.write_text(PAGE.format(make_note(None)), "utf-8")
    for exclusion in ("its mean FD is above 1", "another <reason> & more", None):
        update_note(path, exclusion)
        assert path.read_text("utf-8") == PAGE.format(make_note(exclusion))
    assert "<reason>" not in make_note("another <reason>")


def test_page_that_says_so_already_stays_as_it_is(tmp_path):
    path = tmp_path / "page.html"
    path.write_text(PAGE.format(make_note("a reason")), "utf-8")
    before = path.stat()
    update_note(path, "a reason")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_page_without_a_note_stays_as_it_is(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("<p>of another version</p></html>", "utf-8")
    update_note(path, "a reason")
    assert path.read_text("utf-8") == "<p>of another version</p></html>"
